"""What a run over many recordings has finished so far, on disk, so that it can be interrupted and go on.

One JSON object a line, each written in one call as soon as its recording is finished: a killed run leaves whole lines, and half
a line at the end at most, which is taken off again. The outputs are made from it at the end; then it is removed.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from realtime_ser.batch.inputs import Recording
from realtime_ser.batch.judge import Judged
from realtime_ser.errors import ConfigError
from realtime_ser.sinks.files import TakenError, lock, sink_error, taken
from realtime_ser.text import printable

_FORMAT = 2


def read_places(path: Path) -> dict[str, str]:
    """Path -> place of each recording in an interrupted run's journal; empty where there is none.

    What is wrong with the journal is left to ``Journal`` to say.
    """
    places: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        for line in file:
            entry = json.loads(line)
            if isinstance(entry, dict) and isinstance(entry.get("place"), str):
                place = PurePath(entry["place"])
                if not place.is_absolute() and ".." not in place.parts:
                    places[str(entry.get("path"))] = entry["place"]
    return places


class Journal:
    """Answers to recordings, each once. One whose file has changed since has none.

    Parameters
    ----------
    path : the file; readable by its owner alone
    run : what must not change between an interrupted run and the next: model, settings and folders that are written
    resume : keep what an interrupted run has left there; else begin anew

    Raises
    ------
    ConfigError : to be gone on with, but of another model or other settings, or no journal; or another run is writing it
    SinkError : it cannot be written
    """

    def __init__(self, path: Path, run: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        self._shown = printable(str(path))
        # By path: size and time of the file that was judged, and where its answer begins here.
        self._places: dict[str, tuple[int, int, int]] = {}
        self._size = 0
        self._head = {"realtime_ser_classify": _FORMAT, **json.loads(json.dumps(run))}
        try:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
            self._file: BinaryIO = os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)
        except OSError as error:
            raise sink_error(str(path), error) from error
        try:
            lock(self._file.fileno())
            if not resume:
                self._file.truncate(0)
            self._read()
            if not self._size:
                self._append(self._head)
        except TakenError as error:
            self._file.close()
            raise ConfigError(taken(str(path))) from error
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, recording: Recording) -> bool:
        return self._places.get(recording.path, ())[:2] == (recording.size, recording.mtime_ns)

    def __getitem__(self, recording: Recording) -> Judged:
        self._file.seek(self._places[recording.path][2])
        return Judged.from_json(json.loads(b"".join(self._line())))

    def add(self, recording: Recording, judged: Judged) -> None:
        """Keep an answer; raises SinkError when the disk is full, and then nothing of it is kept."""
        if recording not in self:
            begin = self._size
            self._append(asdict(recording) | judged.as_json())
            self._places[recording.path] = recording.size, recording.mtime_ns, begin

    def close(self, *, remove: bool = False) -> None:
        """Close the file, and remove it when the outputs are written."""
        self._file.close()
        if remove:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _append(self, entry: Mapping[str, Any]) -> None:
        data = memoryview(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        try:
            self._file.seek(self._size)
            rest = data
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._size)
            raise sink_error(str(self.path), error) from error
        self._size += len(data)

    def _line(self) -> Iterator[bytes]:
        """The pieces of the line at the file's position, its end included."""
        while piece := self._file.read(1 << 16):
            end = piece.find(b"\n") + 1
            if end:
                yield piece[:end]
                return
            yield piece

    def _read(self) -> None:
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # the process was killed in the middle of it
                try:
                    entry = json.loads(line)
                    if self._size:
                        self._places[entry["path"]] = entry["size"], entry["mtime_ns"], self._size
                    elif entry != self._head:
                        raise ConfigError(
                            f"{self._shown} is of a run with another model, version, settings or outputs; give the same ones,"
                            f" or run without --resume to begin anew"
                        )
                except (ValueError, KeyError, TypeError) as error:
                    raise ConfigError(
                        f"{self._shown} is no journal of an interrupted run; remove it, or run without --resume"
                    ) from error
                self._size += len(line)
        self._file.truncate(self._size)
