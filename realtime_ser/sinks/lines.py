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
from realtime_ser.text import printable

_ADVICE = {
    errno.ENOSPC: "free some space or write elsewhere",
    errno.EDQUOT: "free some space or write elsewhere",
    errno.EFBIG: "write to a file system that allows larger files",
    errno.ENOENT: "create its folder first",
    errno.ENOTDIR: "create its folder first",
    errno.EACCES: "choose a place you may write to",
    errno.EPERM: "choose a place you may write to",
    errno.EROFS: "choose a place you may write to",
    errno.EISDIR: "name a file, not a folder",
}


def sink_error(name: str, error: OSError) -> SinkError:
    """The one-line ``SinkError`` for a failed output ``name``, with what to do about it."""
    advice = _ADVICE.get(error.errno or 0, "check the disk and the path")
    return SinkError(f"cannot write {printable(name)}: {error.strerror or error}; {advice}")


def create(path: str | os.PathLike[str], flags: int = os.O_WRONLY) -> int:
    """Create or empty a file that only its owner may read; returns the descriptor.

    A file that exists already becomes as private as a new one. A symbolic link is followed: the user named it. Devices and
    pipes keep their mode.

    Raises
    ------
    OSError : as ``os.open``
    """
    fd = os.open(path, flags | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o600)
    # Windows knows no such modes; somebody else's file, which we may only write, keeps its own.
    if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(fd).st_mode):
        with contextlib.suppress(OSError):
            os.fchmod(fd, 0o600)
    return fd


class Lines:
    """Lines of UTF-8 text into a file, a pipe or (``"-"``) standard output.

    Each line goes to the system in one call and none waits in a buffer, so a killed process leaves whole lines, closing cannot
    fail on what was left over, and a reader sees a line at once. When a disk fills up in mid-line, that line is taken back.

    Raises
    ------
    SinkError : the file cannot be created
    """

    def __init__(self, path: str | os.PathLike[str], *, allow_stdout: bool = False) -> None:
        self.path = os.fspath(path)
        self._stdout = allow_stdout and self.path == "-"
        self.path = "standard output" if self._stdout else self.path
        self._fd: int | None = None
        self._size = 0
        try:
            self._fd = self._stdout_fd() if self._stdout else create(self.path)
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
        try:
            os.close(self._fd)
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
        # Windows says EINVAL where others say EPIPE.
        gone = error.errno == errno.EPIPE or (sys.platform == "win32" and self._stdout and error.errno == errno.EINVAL)
        if self._stdout and gone:
            silence_stdout()
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
