"""A slow, gone or failing terminal never slows the engine, and always gets its screen back."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import time

import pytest
from rich.console import Console

from realtime_ser.config import DashboardConfig
from realtime_ser.errors import SinkError
from realtime_ser.records import Estimate, Notice, Session
from realtime_ser.sinks.dashboard.sink import DashboardSink

FAST = DashboardConfig(frames_per_s=50.0)


class Slow(io.StringIO):
    def write(self, text: str) -> int:
        time.sleep(1.0)
        return super().write(text)


@pytest.mark.slow
def test_a_slow_terminal_costs_the_engine_nothing(stream):
    records = stream(64)
    estimate = next(record for record in records if isinstance(record, Estimate))
    sink = DashboardSink(FAST, Console(file=Slow(), force_terminal=True, width=80, height=24))
    sink.write(records[0])
    time.sleep(0.1)
    begun = time.perf_counter()
    for _ in range(1000):
        sink.write(estimate)
    written = time.perf_counter() - begun
    begun = time.perf_counter()
    sink.close()
    # To wait for the terminal once would take a second.
    assert written < 1
    assert time.perf_counter() - begun < 4


def test_draws_then_gives_the_screen_back_and_says_the_end(stream):
    out = io.StringIO()
    sink = DashboardSink(FAST, Console(file=out, force_terminal=True, width=80, height=24))
    for record in stream(64):
        sink.write(record)
    time.sleep(0.2)
    sink.close()
    sink.close()
    text = out.getvalue()
    drawn, end = text.split("\x1b[?1049l")
    assert "\x1b[?1049h" in drawn
    assert "\x1b[?25l" in drawn
    assert "\x1b[?25h" in text
    assert "surprised" in drawn
    assert "64 windows, 0.10 s lost\n" in end
    assert "latency p50 12.0 ms, p99 16.0 ms" in end
    assert "angry 6.0 s" in end


def test_what_happened_is_said_again_at_the_end(stream):
    out = io.StringIO()
    sink = DashboardSink(FAST, Console(file=out, force_terminal=True, width=80, height=24))
    for record in stream(64):
        sink.write(record)
        if isinstance(record, Session):
            sink.write(Notice("profile_unlike", "another voice", 16000, 16000))
            sink.write(Notice("behind", "too slow", 16000, 16000))
    sink.close()
    end = out.getvalue().split("\x1b[?1049l")[1]
    assert "     1.00 s  ! another voice\n" in end
    assert "too slow" not in end
    assert end.count("! the device is gone") == 1
    assert end.index("another voice") < end.index("64 windows")


def test_follows_the_size_of_the_terminal(stream):
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    sink = DashboardSink(FAST, console)
    for record in stream(64)[:50]:
        sink.write(record)
    time.sleep(0.15)
    console.size = (40, 10)
    time.sleep(0.15)
    sink.close()
    last = console.file.getvalue().split("\x1b[H")[-1].split("\x1b[?1049l")[0]
    assert last.count("\n") <= 10


def test_a_terminal_that_is_gone_ends_the_sink_as_the_readers_choice(stream):
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

    sink = DashboardSink(FAST, Console(file=Gone(), force_terminal=True, width=80, height=24))
    record = stream(1)[0]
    sink.write(record)
    time.sleep(0.1)
    with pytest.raises(SinkError, match="terminal of the dashboard is gone") as caught:
        sink.write(record)
    assert caught.value.closed_by_reader
    sink.close()


def test_nothing_is_drawn_when_nothing_was_written():
    out = io.StringIO()
    DashboardSink(FAST, Console(file=out, force_terminal=True)).close()
    assert out.getvalue() == ""


CRASHING = """
import sys, time
from realtime_ser.config import DashboardConfig
from realtime_ser.records import Session
from realtime_ser.sinks.dashboard.sink import DashboardSink
sink = DashboardSink(DashboardConfig())
sink.write(Session("0", "mlp", ("a",), 16000, 3.0, 0.25, "mic", "now"))
time.sleep(0.3)
raise RuntimeError("a bug elsewhere")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_crash_elsewhere_still_restores_the_terminal():
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen([sys.executable, "-c", CRASHING], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:  # how a pseudo-terminal says that its other end closed
        pass
    os.close(ours)
    assert process.wait() == 1
    assert seen.count(b"\x1b[?1049h") == 1
    assert seen.rindex(b"\x1b[?1049l") > seen.index(b"\x1b[?1049h")
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    assert b"a bug elsewhere" in seen


BLOCKED = """
import sys, time
from realtime_ser.config import DashboardConfig
from realtime_ser.records import Session
from realtime_ser.sinks.dashboard.sink import DashboardSink
sink = DashboardSink(DashboardConfig(frames_per_s=60))
sink.write(Session("0", "mlp", ("a",), 16000, 3.0, 0.25, "mic", "now"))
time.sleep(1.5)
sink.close()
sys.stderr.write("ended")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_that_takes_no_more_text_does_not_hold_the_end_up():
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", "LINES": "60"}
    # Nobody reads the other end: it fills up after some kilobytes.
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    begun = time.monotonic()
    said = process.stderr.read()
    process.stderr.close()
    status = process.wait(20)
    os.close(ours)
    assert (said, status) == (b"ended", 0)
    assert time.monotonic() - begun < 8
