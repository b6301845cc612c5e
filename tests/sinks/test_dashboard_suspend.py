"""Ctrl-Z gives the terminal back and stops the process; going on takes it again."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from realtime_ser.sinks.dashboard.suspend import Suspension

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTSTP")

DRAWING = """
import time
from realtime_ser.config import DashboardConfig
from realtime_ser.records import Session
from realtime_ser.sinks.dashboard.sink import DashboardSink
sink = DashboardSink(DashboardConfig(frames_per_s=30))
sink.write(Session("0", "mlp", ("a",), 16000, 3.0, 0.25, "mic", "now"))
for _ in range(400):
    time.sleep(0.05)
"""


def read_until(terminal: int, seen: bytes, count: int, mark: bytes) -> bytes:
    """What came until ``mark`` is in it ``count`` times."""
    until = time.monotonic() + 20
    while seen.count(mark) < count:
        assert select.select([terminal], [], [], until - time.monotonic())[0], seen[-300:]
        seen += os.read(terminal, 65536)
    return seen


@pytest.mark.slow
def test_ctrl_z_leaves_the_screen_stops_and_comes_back():
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(
        [sys.executable, "-c", DRAWING],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        preexec_fn=lambda: os.setpgid(0, 0),  # a job of its own, as a shell makes it: else it never stops
    )
    os.close(theirs)
    try:
        seen = read_until(ours, b"", 2, b"Ctrl-C ends")
        for times in (1, 2):
            process.send_signal(signal.SIGTSTP)
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            seen = read_until(ours, seen, times, b"\x1b[?1049l")
            assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
            process.send_signal(signal.SIGCONT)
            seen = read_until(ours, seen, times + 1, b"\x1b[?1049h")
            seen = read_until(ours, seen, seen.count(b"Ctrl-C ends") + 1, b"Ctrl-C ends")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_only_a_default_is_replaced_and_on_the_main_thread_alone():
    before = signal.getsignal(signal.SIGTSTP)
    try:
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        suspension = Suspension()
        suspension.install()
        assert signal.getsignal(signal.SIGTSTP) == signal.SIG_IGN
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        thread = threading.Thread(target=suspension.install)
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
        suspension.install()
        signal.raise_signal(signal.SIGTSTP)
        assert suspension.wanted
        suspension.remove()
        assert signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTSTP, before)
