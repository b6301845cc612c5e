"""The bytes of the samples in a container, up to their true end."""

from __future__ import annotations

import struct

from realtime_ser.audio.byte_reader import ByteReader
from realtime_ser.audio.container import Layout

# A writer that could not go back to fill in the size (a pipe) leaves one of these in the four bytes.
_UNKNOWN = (range(0x7FFF0000, 0x80010000), range(0xFFFF0000, 0x100000000))
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_BEGINNINGS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"caff", b".snd")


class Samples:
    """The bytes of the samples up to their true end.

    Parameters
    ----------
    reader : at the first of them
    layout : what the header claims

    Attributes
    ----------
    expected : bytes that are there, or None when nobody can know
    taken : bytes given out
    missing : bytes that the header claims beyond the file's end; known at the end, and 0 for a claim that is none
    """

    def __init__(self, reader: ByteReader, layout: Layout) -> None:
        self._reader = reader
        self._chunks = layout.chunks
        claimed = layout.claimed
        self._known = claimed  # where to look whether samples go on
        self.taken = 0
        self._ended = False
        self._layout = layout
        self.missing = 0
        self._open_end = claimed is None or (not layout.wide and any(claimed in sizes for sizes in _UNKNOWN))
        left = reader.left
        if claimed and left is not None and not layout.wide:
            # Four bytes hold a size modulo 4 GiB: look at the last place that it may mean.
            self._known = claimed + max(0, left - claimed >> 32 << 32)
        self.expected = self._find_end(left)
        self._tolerance = max(128.0, 0.05 * layout.bytes_per_s)
        if left is not None:
            self.missing = self._short_of(left)

    @property
    def coded_frames(self) -> int | None:
        """Once the end was met: the frames that so many bytes of blocks (ADPCM, GSM) hold, or None."""
        fmt = self._layout.fmt
        if not self._ended or len(fmt) < 20:
            return None
        align, _, _, each = struct.unpack_from(("<" if self._layout.endian == "LITTLE" else ">") + "4H", fmt, 12)
        return self.taken * each // align if align and each else None

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes; none at the end."""
        if self._ended:
            return b""
        if self._known is not None and self.taken >= self._known:
            if not self._goes_on():
                self._ended = True
                return b""
            self._known = None
        if self._known is not None:
            count = min(count, self._known - self.taken)
        taken = self._reader.read_some(count)
        self.taken += len(taken)
        if not taken:
            self._ended = True
            self.missing = self._short_of(self.taken)
        return taken

    def _short_of(self, there: int) -> int:
        short = 0 if self._known is None or self._open_end else self._known - there
        return short if short > self._tolerance else 0

    def _find_end(self, left: int | None) -> int | None:
        if left is None:
            return None
        if self._known is None or self._known >= left:
            return left
        if not self._reader.seekable:
            return left
        position = self._reader.position
        self._reader.skip(self._known)
        goes_on = self._goes_on()
        self._reader.rewind(position)
        return left if goes_on else self._known

    def _goes_on(self) -> bool:
        """Whether what follows the claimed end is samples and no chunk."""
        ahead = self._reader.peek(28)
        if len(ahead) <= 8:
            return False
        if not self._chunks:
            return True
        if ahead[:3] in (b"TAG", b"ID3"):
            return False
        pad = 0 if self._chunks == "w64" else self._taken_odd()
        return not any(_is_chunk(ahead[skip:], self._chunks, self._reader.left) for skip in ({0, pad}))

    def _taken_odd(self) -> int:
        return (self._known or 0) & 1


def skip_chunks(reader: ByteReader, kind: str) -> None:
    """Pass over the chunks behind the samples, up to the end or to another file that was joined to this one."""
    head = 24 if kind == "w64" else 12 if kind == "caf" else 8
    while kind:
        ahead = reader.peek(28)
        if ahead[:4] == b"\0" + ahead[1:4] and len(ahead) > 1 and _is_chunk(ahead[1:], kind, reader.left):
            reader.skip(1)
            continue
        if len(ahead) < head or ahead[:4] in _BEGINNINGS or not _is_chunk(ahead, kind, reader.left):
            return
        if kind == "w64":
            size = struct.unpack_from("<Q", ahead, 16)[0]
            reader.skip(size + -size % 8)
        elif kind == "caf":
            reader.skip(head + max(0, struct.unpack_from(">q", ahead, 4)[0]))
        else:
            reader.skip(head + struct.unpack_from(">I" if kind == "big" else "<I", ahead, 4)[0])


def _is_chunk(ahead: bytes, kind: str, left: int | None) -> bool:
    name = ahead[:4]
    if kind == "w64":
        size = struct.unpack_from("<Q", ahead, 16)[0] if len(ahead) >= 24 else 0
        return ahead[4:16] == _W64_TAIL or (size >= 24 and size <= (left or 1 << 24) and name.isalpha())
    if not all(32 <= byte < 127 for byte in name) or not name.strip():
        return False
    size = struct.unpack_from(">I" if kind == "big" else "<I", ahead, 4)[0]
    return bool(size <= (left if left is not None else 1 << 24))
