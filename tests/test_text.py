"""One rule for what may be shown."""

from __future__ import annotations

import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_ser.text import for_screen, one_line, printable, valid

HOSTILE = "\x1b]0;owned\x07\x9b31m\n\r\u2028\u202e\u200b\u00ad\ufeff\udcff\U000e0041\ufffe"


@given(st.text())
def test_nothing_that_drives_a_terminal_is_left(text: str) -> None:
    shown = printable(text + HOSTILE)
    assert len(shown) == len(text + HOSTILE)
    assert not set(shown) & set(HOSTILE.replace("]0;owned", "").replace("31m", ""))
    assert shown.encode("utf-8")
    assert printable(shown) == shown


@pytest.mark.parametrize("text", ["Größe", "音声", "a\u00a0b", "نص", "👩🏽", "e\u0301"])
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text


def test_a_message_is_one_bounded_line() -> None:
    assert one_line(ValueError(" bad\n\tvalue:  x\x1b[2J ")) == "bad value: x\ufffd[2J"
    assert one_line("y" * 50, 10) == "y" * 10 + "…"
    assert one_line("y" * 10, 10) == "y" * 10
    assert valid("a\udcff\n") == "a\ufffd\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_lines_that_break_at_spaces() -> None:
    import fcntl
    import pty
    import struct
    import termios

    line = "PULSE_SERVER names unix:/run/user/1000/pulse/native, which is not there"
    ours, theirs = pty.openpty()
    try:
        with os.fdopen(os.dup(theirs), "w") as terminal:
            for columns, broken in (
                (0, line),
                (80, line),
                (30, line.replace("names ", "names\n").replace("native, ", "native,\n")),
            ):
                fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
                assert for_screen(line, terminal) == broken
    finally:
        os.close(ours)
        os.close(theirs)
    assert for_screen(line, io.StringIO()) == line
