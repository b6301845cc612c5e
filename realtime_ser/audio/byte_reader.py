"""Bytes of a file or a pipe, read forward, and the file that libsndfile is shown in their place."""

from __future__ import annotations

import contextlib
import io
import os
import select
import threading
from collections.abc import Callable
from typing import Any

_PIECE = 1 << 16
_POLL_S = 0.1


class ByteReader:
    """A binary file read from front to back, with a look ahead. Works on what cannot seek: a pipe, standard input.

    Parameters
    ----------
    file : opened for reading bytes; the caller closes it

    Attributes
    ----------
    position : bytes consumed
    size : bytes in all, or None when nobody can know (a pipe)
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._buffer = bytearray()
        self._ended = False
        self._stopped = threading.Event()
        self._origin = 0
        self._past: bytearray | None = bytearray()  # of what cannot seek: everything consumed since the start
        self.position = 0
        self.size: int | None = None
        self._seekable = False
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
            if file.seekable():
                self._origin = file.tell()
                self.size = max(0, file.seek(0, os.SEEK_END) - self._origin)
                file.seek(self._origin)
                self._seekable = True
        self._descriptor = None if self._seekable else _descriptor(file)

    @property
    def left(self) -> int | None:
        """Bytes not yet consumed, or None when nobody can know."""
        return None if self.size is None else max(0, self.size - self.position)

    @property
    def file(self) -> Any:
        """The file object that is read."""
        return self._file

    @property
    def seekable(self) -> bool:
        """Whether ``rewind`` works at any time."""
        return self._seekable

    def stop(self) -> None:
        """End the file here: a read under way returns soon. Any thread may call it."""
        self._stopped.set()

    def peek(self, count: int, offset: int = 0) -> bytes:
        """Up to ``count`` bytes from ``offset`` after the position, without consuming them; fewer only at the end."""
        while len(self._buffer) < offset + count and self._fill(offset + count - len(self._buffer)):
            pass
        return bytes(self._buffer[offset : offset + count])

    def peek_some(self, count: int) -> bytes:
        """What comes next, at most ``count`` bytes, as soon as there is any; none at the end."""
        if not self._buffer:
            self._fill(count)
        return bytes(self._buffer[:count])

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes; fewer only at the end."""
        taken = self.peek(count)
        if self._past is not None and not self._seekable:
            self._past += taken
        del self._buffer[: len(taken)]
        self.position += len(taken)
        return taken

    def read_some(self, count: int) -> bytes:
        """The next bytes, at most ``count``, as soon as there are any; none at the end."""
        return self.read(len(self.peek_some(count)))

    def skip(self, count: int) -> int:
        """Consume ``count`` bytes unread; returns how many there were."""
        if self._seekable:
            assert self.left is not None
            count = min(count, self.left)
            self.rewind(self.position + count)
            return count
        skipped = 0
        while skipped < count and (piece := self.read_some(min(_PIECE, count - skipped))):
            skipped += len(piece)
        return skipped

    def restart(self) -> None:
        """Go back to the start, of a pipe too as long as ``forget`` was not called."""
        if self._seekable:
            self.rewind(0)
        elif self._past is not None:
            self._buffer[:0] = self._past
            self._past = bytearray()
            self.position = 0

    def forget(self) -> None:
        """Nobody will ``restart`` a pipe any more."""
        self._past = None

    def rewind(self, position: int) -> None:
        """Go to a position of a seekable file."""
        self._file.seek(self._origin + position)
        self._buffer.clear()
        self.position = position
        self._ended = False

    def cut(self, size: int) -> None:
        """Take the file to end at ``size`` bytes."""
        self.size = min(size, self.size) if self.size is not None else size

    def _fill(self, wanted: int) -> bool:
        """Append what comes next to the buffer; false at the end."""
        if self._ended or self._stopped.is_set():
            return False
        wanted = max(wanted, _PIECE)
        if self.size is not None:
            wanted = min(wanted, self.size - self.position - len(self._buffer))
        piece = self._next(wanted) if wanted > 0 else b""
        self._ended = not piece
        self._buffer += piece
        return bool(piece)

    def _next(self, wanted: int) -> bytes:
        if self._descriptor is None:
            # ``read1`` returns what is there; ``read`` of a pipe-like object would wait for all of it.
            taken = self._file.read1(wanted) if hasattr(self._file, "read1") else self._file.read(wanted)
            if taken is not None and not isinstance(taken, bytes | bytearray | memoryview):
                raise TypeError(f"it yields {type(taken).__name__} and not bytes; open it in binary mode")
            return bytes(taken or b"")
        if os.name == "posix":
            while not select.select([self._descriptor], [], [], _POLL_S)[0]:
                if self._stopped.is_set():
                    return b""
        return os.read(self._descriptor, wanted)


class ShownFile:
    """The file-like object that libsndfile reads: ``head``, then what ``body`` returns, of a length that is only claimed.

    Parameters
    ----------
    head : bytes before the body
    body : returns up to so many of the next bytes, none at the end
    length : what a seek to the end claims
    tail : bytes shown just before that end until ``start``: formats are searched for their last page or tag when opened
    whole : return full reads: half a sample at the end of a read would shift all later ones

    What ``body`` raises is kept in ``error`` and ends the file: an exception cannot pass through libsndfile.
    """

    def __init__(
        self, head: bytes, body: Callable[[int], bytes], *, length: int, tail: bytes = b"", whole: bool = False
    ) -> None:
        self.error: BaseException | None = None
        self._body = body
        self._length = length
        self._tail = tail
        self._whole = whole
        self._kept = bytearray(head)
        self._base = 0  # where the kept bytes start
        self._at = 0
        self._started = False

    def start(self) -> None:
        """The header is read: from now on nobody goes back."""
        self._started = True
        self._tail = b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Only sets the position; the body is read later."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        return self._at

    def tell(self) -> int:
        """Where the next read starts."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``; returns how much came, 0 at the end or after an error."""
        try:
            taken = self._read(len(buffer))
        except BaseException as error:
            self.error = error
            return 0
        buffer[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)

    def read(self, count: int = -1) -> bytes:
        """As ``readinto``, into a new object."""
        buffer = bytearray(max(0, count))
        return bytes(buffer[: self.readinto(buffer)])

    def write(self, _data: bytes) -> int:
        """Nothing is ever written; soundfile requires the method."""
        raise io.UnsupportedOperation("read only")

    def _read(self, count: int) -> bytes:
        tail_at = self._length - len(self._tail)
        if self.error is not None or self._at >= self._length:
            return b""
        if self._tail and self._at >= tail_at:
            return self._tail[self._at - tail_at :][:count]
        if self._at < self._base:
            raise OSError("its header points back to what has already passed")
        while (missing := self._at + count - self._base - len(self._kept)) > 0:
            piece = self._body(missing)
            if not piece:
                break
            self._kept += piece
            if not self._whole and len(self._kept) > self._at - self._base:
                break
        first = self._at - self._base
        taken = bytes(self._kept[first : first + count])
        if self._started:
            del self._kept[: first + len(taken)]
            self._base += first + len(taken)
        return taken


def _descriptor(file: Any) -> int | None:
    """The file descriptor of a pipe or device that nothing was read from yet."""
    try:
        number = file.fileno()
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    return number if isinstance(number, int) else None


def nothing_in(given: Any) -> str:
    """Why no byte could be read of what is given."""
    try:
        at = given.tell() if hasattr(given, "tell") else 0
    except (OSError, ValueError):
        at = 0
    return "is at its end; seek(0) first" if at else "is empty (0 bytes); record or copy it again"
