"""One JSON object a line, flushed at each line."""

from __future__ import annotations

import json
import os

from realtime_ser.records import Record
from realtime_ser.sinks.file_lines import Lines
from realtime_ser.sinks.json_records import to_json
from realtime_ser.text import printable


class JsonlSink:
    """Objects of type session, window, segment, event and summary, in the order of the stream.

    Pure ASCII (``\\uXXXX``), so that a name with terminal escapes does no harm when the file is shown. What is unknown or not a
    finite number is null.

    Parameters
    ----------
    path : the file, created readable by its owner alone, or ``"-"`` for standard output
    whole : the file appears when it is closed, whole, or not at all

    Raises
    ------
    SinkError : the file cannot be created
    """

    def __init__(self, path: str | os.PathLike[str], *, whole: bool = False) -> None:
        self._lines = Lines(path, allow_stdout=True, whole=whole)
        self.name = f"jsonl {printable(self._lines.path)}"

    def write(self, record: Record) -> None:
        """Write the record if it has a place in the file.

        Raises
        ------
        SinkError : full disk, or a pipe whose reader is gone
        """
        entry = to_json(record)
        if entry is not None:
            self._lines.write(json.dumps(entry, allow_nan=False, separators=(",", ":")))

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
