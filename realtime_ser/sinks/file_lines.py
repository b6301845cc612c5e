"""A text output that is written line by line, with nothing held back."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import sys
from typing import NoReturn

from realtime_ser.errors import SinkError
from realtime_ser.sinks.files import WholeFile, begin, open_untouched, sink_error
from realtime_ser.text import printable


class Lines:
    """Lines of UTF-8 text into a file, a pipe or (``"-"``) standard output.

    Each line goes to the system in one call and none waits in a buffer, so a killed process leaves whole lines, closing cannot
    fail on what was left over, and a reader sees a line at once. When a disk fills up in mid-line, that line is taken back.

    What an earlier file holds is there until the first line; without a line it stays, and a new file disappears.

    Parameters
    ----------
    path : the file, or ``"-"`` for standard output if ``allow_stdout``
    whole : the file appears when it is closed, whole, or not at all

    Raises
    ------
    SinkError : the file cannot be created
    """

    def __init__(self, path: str | os.PathLike[str], *, allow_stdout: bool = False, whole: bool = False) -> None:
        self.path = os.fspath(path)
        self._stdout = allow_stdout and self.path == "-"
        self.path = "standard output" if self._stdout else self.path
        self._fd: int | None = None
        self._size = 0
        self._new = self._begun = False
        self._whole = WholeFile(self.path) if whole and not self._stdout else None
        try:
            if self._whole is not None:
                self._fd = self._whole.open()
            else:
                self._fd, self._new = (self._stdout_fd(), False) if self._stdout else open_untouched(self.path)
            self._regular = self._fd is not None and not self._stdout and stat.S_ISREG(os.fstat(self._fd).st_mode)
        except OSError as error:
            raise sink_error(self.path, error) from error
        self._open = True

    def write(self, line: str) -> None:
        """Write one line; the line end is added.

        Raises
        ------
        SinkError : the disk is full, or the reader of the pipe is gone (``closed_by_reader``)
        """
        if not self._open:
            raise SinkError(f"cannot write {printable(self.path)}: it is closed already")
        try:
            if self._fd is None:
                # Standard output without a descriptor: a notebook, or a test that captures it.
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
            else:
                if self._regular and not self._begun and self._whole is None:
                    begin(self._fd)
                self._begun = True
                self._write_all(self._fd, (line + "\n").encode("utf-8", "replace"))
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Close the file (standard output stays open).

        Raises
        ------
        SinkError : the file system reports a late failure
        """
        if not self._open:
            return
        self._open = False
        if self._fd is None or self._stdout:
            return
        if self._whole is not None:
            # Nothing written: an earlier file of that name is worth more.
            self._whole.commit() if self._size else self._whole.discard()
            return
        try:
            os.close(self._fd)
            if self._new and not self._begun:
                os.unlink(self.path)  # noqa: PTH108 (a text)
        except OSError as error:
            raise sink_error(self.path, error) from error

    @staticmethod
    def _stdout_fd() -> int | None:
        try:
            sys.stdout.flush()
            return sys.stdout.fileno()
        except (AttributeError, ValueError, OSError):
            return None

    def _write_all(self, fd: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(fd, rest) :]
            except BlockingIOError:
                select.select([], [fd], [])
        self._size += len(data)

    def _fail(self, error: OSError) -> NoReturn:
        self._open = False
        # Windows reports EINVAL where others report EPIPE.
        gone = error.errno == errno.EPIPE or (sys.platform == "win32" and self._stdout and error.errno == errno.EINVAL)
        if self._stdout and gone:
            silence_stdout()
        elif self._whole is not None:
            self._whole.discard()
        elif self._fd is not None and not self._stdout:
            with contextlib.suppress(OSError):
                if self._regular:
                    os.ftruncate(self._fd, self._size)
            with contextlib.suppress(OSError):
                os.close(self._fd)
        if gone:
            raise SinkError(f"the reader of {printable(self.path)} closed it", closed_by_reader=True) from error
        raise sink_error(self.path, error) from error


def silence_stdout() -> None:
    """Let standard output lead nowhere: its reader is gone, and the interpreter's last flush would end in a traceback."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        stdout = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stdout)
        finally:
            os.close(nowhere)
