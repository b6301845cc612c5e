"""Files in a folder: one for each stream, whatever their names have in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from realtime_ser.records import Record
from realtime_ser.sinks.formats import format_of
from realtime_ser.sinks.segments import FolderSink, names_in
from realtime_ser.text import printable


def test_names_that_look_the_same_get_a_file_each(tmp_path: Path, stream: Callable[..., list[Record]]) -> None:
    sources = [os.fsdecode(name) for name in (b"lat/M\xf6ller.wav", b"lat/M\xfcller.wav")]
    names = names_in(sources, ".rttm")
    assert list(names.values()) == ["M\ufffdller.rttm", "M\ufffdller-2.rttm"]
    sink = FolderSink(tmp_path, names, ".rttm", format_of("x", "rttm").open)
    for source, windows in zip(sources, (32, 64), strict=True):
        for record in stream(windows, source=printable(source)):  # as a file's source calls itself
            sink.write(record)
    sink.close()
    lines = {path.name: path.read_text("utf-8").count("\n") for path in tmp_path.iterdir()}
    assert lines == {"M\ufffdller.rttm": 1, "M\ufffdller-2.rttm": 2}
