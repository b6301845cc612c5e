"""Files that only their owner may read, files that appear whole or not at all, and what to say when neither can be written."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from realtime_ser.errors import SinkError
from realtime_ser.text import printable

TEMPORARY = ".realtime-ser-"
"""Prefix of the name of an unfinished file."""
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
    if isinstance(error, TakenError):
        return SinkError(taken(name))
    advice = _ADVICE.get(error.errno or 0, "check the disk and the path")
    return SinkError(f"cannot write {printable(name)}: {error.strerror or error}; {advice}")


class TakenError(BlockingIOError):
    """Another run has locked a file."""


def taken(name: str) -> str:
    """The message about an output that another run has locked."""
    return f"another run is writing {printable(name)}; wait for it, or name another output"


def lock(fd: int) -> None:
    """Lock a regular file until its descriptor is closed: two runs into one file would mix their lines.

    Does nothing on Windows, which has no such lock, for pipes and devices, and on a file system without locks.

    Raises
    ------
    TakenError : another run has locked it
    """
    try:
        import fcntl
    except ImportError:
        return
    if stat.S_ISREG(os.fstat(fd).st_mode):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TakenError(error.errno, error.strerror) from error
        except OSError:
            pass


def open_untouched(path: str | os.PathLike[str], *, locked: bool = True) -> tuple[int, bool]:
    """Open and lock a file for writing without a change to what it holds; returns the descriptor, and whether the file is new.

    ``begin`` empties it. Where there is no file, one is created that only its owner may read. A symbolic link is followed: the
    user named it. ``locked=False``: for what another descriptor will write.

    Raises
    ------
    TakenError : another run is writing it
    OSError : as ``os.open``
    """
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    new = True
    try:
        fd = os.open(path, flags | os.O_EXCL, 0o600)
    except FileExistsError:
        fd, new = os.open(path, flags, 0o600), False
    try:
        if locked:
            lock(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd, new


def begin(fd: int) -> None:
    """Empty a regular file that ``open_untouched`` opened, and make it as private as a new one. Devices and pipes stay.

    Raises
    ------
    OSError : as ``os.ftruncate``
    """
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return
    os.ftruncate(fd, 0)
    # Windows has no such modes; somebody else's file, which we may only write, keeps its own.
    if hasattr(os, "fchmod"):
        with contextlib.suppress(OSError):
            os.fchmod(fd, 0o600)


class WholeFile:
    """A file that is written to a temporary file beside the target and moved onto it, so that no partial file is visible.

    Devices and pipes cannot be replaced and are written directly. Through a symbolic link, what it leads to is replaced. The
    content is on the disk before the name is; a process that is killed before ``commit`` leaves a hidden ``.tmp`` file.

    Parameters
    ----------
    path : where the file shall appear

    Attributes
    ----------
    named : the path as it was given

    Raises
    ------
    SinkError : nothing can be written there
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.named = os.fspath(path)
        named = Path(path)
        # The name of a pipe behind /dev/stdout leads nowhere.
        special = named.exists() and not named.is_file() and not named.is_dir()
        self._path = named if special else Path(os.path.realpath(path))
        self._temporary: Path | None = None
        self._fd: int | None = None
        try:
            # Report a bad path before the run.
            if self._replaceable():
                fd, probe = self._beside()
                os.close(fd)
                probe.unlink()
            else:
                # Kept open: the reader of a pipe would take a writer that comes and goes for the end.
                self._fd = os.open(self._path, os.O_WRONLY)
        except OSError as error:
            raise sink_error(self.named, error) from error

    def open(self) -> int:
        """A descriptor to write to, readable by the owner alone; ``commit`` or ``discard`` closes it.

        Raises
        ------
        SinkError : it cannot be created
        """
        try:
            if self._fd is None:
                self._fd, self._temporary = self._beside()
        except OSError as error:
            raise sink_error(self.named, error) from error
        return self._fd

    def commit(self) -> None:
        """Put the file in its place.

        Raises
        ------
        SinkError : it could not be written to its end; nothing is left
        """
        if self._fd is None:
            return
        try:
            if self._temporary is not None:
                os.fsync(self._fd)
            fd, self._fd = self._fd, None
            os.close(fd)
            if self._temporary is not None:
                self._temporary.replace(self._path)
                self._temporary = None
        except OSError as error:
            self.discard()
            raise sink_error(self.named, error) from error

    def discard(self) -> None:
        """Leave nothing behind."""
        fd, self._fd = self._fd, None
        temporary, self._temporary = self._temporary, None
        with contextlib.suppress(OSError):
            if fd is not None:
                os.close(fd)
        with contextlib.suppress(OSError):
            if temporary is not None:
                temporary.unlink()

    def save(self, content: bytes) -> None:
        """Write all of the file.

        Raises
        ------
        SinkError : full disk, or a pipe whose reader is gone; nothing is left
        """
        fd, rest = self.open(), memoryview(content)
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
        except OSError as error:
            self.discard()
            if isinstance(error, BrokenPipeError):
                raise SinkError(f"the reader of {printable(self.named)} closed it", closed_by_reader=True) from error
            raise sink_error(self.named, error) from error
        self.commit()

    def _replaceable(self) -> bool:
        """Not so for a device or a pipe."""
        return not self._path.exists() or stat.S_ISREG(self._path.stat().st_mode) or self._path.is_dir()

    def _beside(self) -> tuple[int, Path]:
        if self._path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        fd, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=".tmp", dir=self._path.parent)
        return fd, Path(name)
