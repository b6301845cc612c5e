"""A file that one run writes line by line is no other run's."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from realtime_ser.errors import SinkError
from realtime_ser.records import Block, Session
from realtime_ser.sinks.file_lines import Lines
from realtime_ser.sinks.files import TakenError, lock, open_untouched, sink_error

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such locks there")
SESSION = Session("0", "mlp", ("a",), 16000, 3.0, 0.25, "mic", "now")
BLOCK = Block(np.full(20_000, 0.25, np.float32), 16000, 0)


def test_a_second_writer_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    first = Lines(path)
    first.write("one")
    (tmp_path / "link.csv").symlink_to(path)
    for name in (path, tmp_path / "link.csv"):
        with pytest.raises(SinkError, match=r"^another run is writing .*\.csv; wait for it, or name another output$"):
            Lines(name)
    first.write("two")
    first.close()
    assert path.read_text() == "one\ntwo\n"
    second = Lines(path)
    second.write("three")
    second.close()
    assert path.read_text() == "three\n"


def test_devices_and_pipes_are_not_locked(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    for path in (tmp_path / "pipe", Path(os.devnull)):
        both = [open_untouched(path)[0] for _ in range(2)]
        for fd in both:
            os.close(fd)
    os.close(reader)


def test_without_locks_all_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def nothing(fd: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", nothing)
    both = [open_untouched(tmp_path / "x")[0] for _ in range(2)]
    for fd in both:
        lock(fd)
        os.close(fd)


def test_only_a_lock_is_another_run() -> None:
    assert "another run" in str(sink_error("x", TakenError(11, "again")))
    assert "another run" not in str(sink_error("x", BlockingIOError(11, "again")))
