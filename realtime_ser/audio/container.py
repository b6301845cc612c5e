"""Where the samples lie in WAV, RF64, W64, AIFF, AU, CAF and NIST files, whatever their headers say about sizes.

Everything is read forward, so that a pipe does as well as a file. A size in a header is a claim: a writer that was killed, a
pipe, or four bytes for more than 4 GiB leave a wrong one.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace

from realtime_ser.audio.byte_reader import ByteReader

# A writer that could not go back to fill in the size (a pipe) leaves one of these in the four bytes.
_UNKNOWN = (range(0x7FFF0000, 0x80010000), range(0xFFFF0000, 0x100000000))
_LONGEST_HEADER = 1 << 26
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_CAF_CODECS = {b"ulaw": "ULAW", b"alaw": "ALAW"}
_AIFC_CODECS = {
    b"NONE": ("PCM", "BIG"), b"twos": ("PCM", "BIG"), b"sowt": ("PCM", "LITTLE"), b"raw ": ("PCM_U8", "BIG"),
    b"in24": ("PCM", "BIG"), b"in32": ("PCM", "BIG"), b"23ni": ("PCM", "LITTLE"), b"42ni": ("PCM", "LITTLE"),
    b"fl32": ("FLOAT", "BIG"), b"FL32": ("FLOAT", "BIG"), b"fl64": ("DOUBLE", "BIG"), b"FL64": ("DOUBLE", "BIG"),
    b"ulaw": ("ULAW", "BIG"), b"ULAW": ("ULAW", "BIG"), b"alaw": ("ALAW", "BIG"), b"ALAW": ("ALAW", "BIG"),
}  # fmt: skip
_AU_CODECS = {1: "ULAW", 2: "PCM_S8", 3: "PCM_16", 4: "PCM_24", 5: "PCM_32", 6: "FLOAT", 7: "DOUBLE", 27: "ALAW"}
_BEGINNINGS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"caff", b".snd")
WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}


@dataclass(frozen=True)
class Layout:
    """What a header says, with the reader standing at the first byte of the samples.

    ``subtype`` is libsndfile's word for the codec, None for one that only libsndfile's own reader of WAV knows (``fmt`` is then
    the format chunk). ``claimed`` is the length of the samples in bytes, None where the header does not know; ``wide`` says
    that it had eight bytes. ``chunks`` says whether other chunks may follow: "little", "big", "w64" or "caf"; "" when none may.
    """

    rate: int
    channels: int
    subtype: str | None
    endian: str
    claimed: int | None
    chunks: str
    bytes_per_s: float
    fmt: bytes = b""
    wide: bool = False


def read_layout(reader: ByteReader) -> Layout | None:
    """The layout, or None for a file of another kind or a codec inside that is none of ours; the position is then anywhere.

    Raises
    ------
    ValueError : a header that makes no sense
    """
    head = reader.peek(16)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        layout = _riff(reader, "big" if head[:4] == b"RIFX" else "little")
    elif head == _W64_RIFF:
        layout = _w64(reader)
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        layout = _aiff(reader, head[8:12] == b"AIFC")
    elif head[:4] in (b".snd", b"dns."):
        layout = _au(reader, "big" if head[:4] == b".snd" else "little")
    elif head[:4] == b"caff":
        layout = _caf(reader)
    elif head[:7] == b"NIST_1A":
        layout = _nist(reader)
    else:
        return None
    if layout is not None and not 1 <= layout.channels <= 1024:
        raise ValueError(f"its header claims {layout.channels} channels")
    return layout


class Samples:
    """The bytes of the samples up to their true end.

    Parameters
    ----------
    reader : at the first of them
    layout : what the header claims

    Attributes
    ----------
    expected : bytes that are there, or None when nobody can know
    missing : bytes that the header claims beyond the file's end; known at the end, and 0 for a claim that is none
    """

    def __init__(self, reader: ByteReader, layout: Layout) -> None:
        self._reader = reader
        self._chunks = layout.chunks
        claimed = layout.claimed
        self._known = claimed  # where to look whether samples go on
        self._taken = 0
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
        return self._taken * each // align if align and each else None

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes; none at the end."""
        if self._ended:
            return b""
        if self._known is not None and self._taken >= self._known:
            if not self._goes_on():
                self._ended = True
                return b""
            self._known = None
        if self._known is not None:
            count = min(count, self._known - self._taken)
        taken = self._reader.read_some(count)
        self._taken += len(taken)
        if not taken:
            self._ended = True
            self.missing = self._short_of(self._taken)
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


def _riff(reader: ByteReader, order: str) -> Layout | None:
    sign = ">" if order == "big" else "<"
    reader.skip(12)
    fmt, long_size = b"", None
    while len(head := reader.read(8)) == 8:
        name, (size,) = head[:4], struct.unpack(sign + "I", head[4:])
        if name == b"data":
            if not fmt:
                raise ValueError("its samples come before its format")
            claimed = long_size if size == 0xFFFFFFFF and long_size else size
            layout = _wave(fmt, sign, None if claimed in (0, 0xFFFFFFFF) else claimed, order)
            return replace(layout, wide=claimed != size)
        if size > _LONGEST_HEADER:
            raise ValueError(f"its header holds a chunk of {size} bytes")
        content = reader.read(size)
        if name == b"fmt ":
            fmt = content
        elif name == b"ds64" and len(content) >= 16:
            long_size = struct.unpack_from("<Q", content, 8)[0]
        if size & 1 and reader.peek(1) == b"\0":
            reader.skip(1)
    raise ValueError("its header ends before its samples")


def _w64(reader: ByteReader) -> Layout | None:
    reader.skip(40)
    fmt = b""
    while len(head := reader.read(24)) == 24:
        size = struct.unpack_from("<Q", head, 16)[0]
        if head[:4] == b"data":
            if not fmt:
                raise ValueError("its samples come before its format")
            return replace(_wave(fmt, "<", size - 24 if 24 < size < 1 << 62 else None, "w64"), wide=True)
        if not 24 <= size <= _LONGEST_HEADER:
            raise ValueError(f"its header holds a chunk of {size} bytes")
        content = reader.read(size - 24)
        reader.skip(-size % 8)
        if head[:4] == b"fmt ":
            fmt = content
    raise ValueError("its header ends before its samples")


def _wave(fmt: bytes, sign: str, claimed: int | None, chunks: str) -> Layout:
    if len(fmt) < 16:
        raise ValueError("its format chunk is too short")
    tag, channels, rate, per_s, align, bits = struct.unpack_from(sign + "HHIIHH", fmt)
    if tag == 0xFFFE and len(fmt) >= 26:
        tag = struct.unpack_from(sign + "H", fmt, 24)[0]
    width = align // channels if channels and align % channels == 0 else -(-bits // 8)
    subtype = {
        1: {1: "PCM_U8", 2: "PCM_16", 3: "PCM_24", 4: "PCM_32"}, 3: {4: "FLOAT", 8: "DOUBLE"}, 6: {1: "ALAW"}, 7: {1: "ULAW"}
    }.get(tag, {}).get(width)  # fmt: skip
    exact = rate * channels * WIDTHS[subtype] if subtype else float(per_s)
    layout = Layout(rate, channels, subtype, "BIG" if sign == ">" else "LITTLE", claimed, chunks, exact)
    return layout if subtype else replace(layout, fmt=fmt)


def _aiff(reader: ByteReader, compressed: bool) -> Layout | None:
    reader.skip(12)
    common = b""
    while len(head := reader.read(8)) == 8:
        name, (size,) = head[:4], struct.unpack(">I", head[4:])
        if name == b"SSND":
            if not common:
                return None  # the format stands behind the samples, which a reader that seeks can deal with
            offset = struct.unpack(">I", reader.read(8)[:4].rjust(4, b"\0"))[0]
            reader.skip(offset)
            claimed = size - 8 - offset if 8 + offset < size < 0xFFFFFFFF else None
            return _aiff_samples(common, claimed, compressed)
        if size > _LONGEST_HEADER:
            raise ValueError(f"its header holds a chunk of {size} bytes")
        content = reader.read(size)
        if name == b"COMM":
            common = content
        if size & 1 and reader.peek(1) == b"\0":
            reader.skip(1)
    raise ValueError("its header ends before its samples")


def _aiff_samples(common: bytes, claimed: int | None, compressed: bool) -> Layout | None:
    if len(common) < 18 + 4 * compressed:
        raise ValueError("its format chunk is too short")
    channels, _, bits, exponent, mantissa = struct.unpack_from(">HIHHQ", common)
    rate = round(math.ldexp(mantissa, (exponent & 0x7FFF) - 16383 - 63)) if exponent & 0x7FFF < 16500 else 0
    codec, endian = _AIFC_CODECS.get(common[18:22] if compressed else b"NONE", ("", ""))
    width = -(-bits // 8)
    if codec == "PCM":
        codec = {1: "PCM_S8", 2: "PCM_16", 3: "PCM_24", 4: "PCM_32"}.get(width, "")
    if codec not in WIDTHS:
        return None
    return Layout(rate, channels, codec, endian, claimed, "big", rate * channels * WIDTHS[codec])


def _au(reader: ByteReader, order: str) -> Layout | None:
    head = reader.peek(24)
    if len(head) < 24:
        raise ValueError("its header ends before its samples")
    offset, size, encoding, rate, channels = struct.unpack_from((">" if order == "big" else "<") + "5I", head, 4)
    if encoding not in _AU_CODECS:
        return None
    if not 24 <= offset <= _LONGEST_HEADER:
        raise ValueError(f"its header is said to be {offset} bytes long")
    reader.skip(offset)
    codec = _AU_CODECS[encoding]
    claimed = size if 0 < size < 0xFFFFFFFF else None
    return Layout(rate, channels, codec, order.upper(), claimed, "", rate * channels * WIDTHS[codec])


def _caf(reader: ByteReader) -> Layout | None:
    reader.skip(8)
    described = b""
    while len(head := reader.read(12)) == 12:
        name, (size,) = head[:4], struct.unpack(">q", head[4:])
        if name == b"data":
            reader.skip(4)  # the edit count
            break
        if not 0 <= size <= _LONGEST_HEADER:
            raise ValueError(f"its header holds a chunk of {size} bytes")
        content = reader.read(size)
        if name == b"desc":
            described = content
    else:
        raise ValueError("its header ends before its samples")
    if len(described) < 32:
        raise ValueError("its samples come before its format")
    exact, codec, flags, _, _, channels, bits = struct.unpack_from(">d4sIIIII", described)
    rate = round(exact) if math.isfinite(exact) else 0
    if codec == b"lpcm":
        kinds = {32: "FLOAT", 64: "DOUBLE"} if flags & 1 else {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"}
        subtype = kinds.get(bits)
    else:
        subtype = _CAF_CODECS.get(codec)
    if subtype is None:
        return None
    claimed = size - 4 if size > 4 else None
    endian = "LITTLE" if flags & 2 else "BIG"
    return Layout(rate, channels, subtype, endian, claimed, "caf", rate * channels * WIDTHS[subtype], wide=True)


def _nist(reader: ByteReader) -> Layout | None:
    head = reader.peek(16).split()
    length = int(head[1]) if len(head) > 1 and head[1].isdigit() else 0
    if not 16 <= length <= _LONGEST_HEADER:
        raise ValueError("its header has no length")
    fields = {
        words[0]: words[2]
        for line in reader.peek(length).decode("latin-1").splitlines()
        if len(words := line.split(maxsplit=2)) == 3 and words[1].startswith("-")
    }
    try:
        rate, width = int(fields["sample_rate"]), int(fields.get("sample_n_bytes", "2"))
        channels, count = int(fields.get("channel_count", "1")), int(fields.get("sample_count", "0"))
    except (KeyError, ValueError) as error:
        raise ValueError(f"its header lacks a usable {error}") from error
    coding = fields.get("sample_coding", "pcm").lower()
    subtype = {"pcm": {1: "PCM_S8", 2: "PCM_16", 3: "PCM_24", 4: "PCM_32"}.get(width), "ulaw": "ULAW", "mu-law": "ULAW"}.get(
        coding, {"alaw": "ALAW", "a-law": "ALAW"}.get(coding)
    )
    if subtype is None:
        return None
    reader.skip(length)
    claimed = count * channels * WIDTHS[subtype] if count > 0 else None
    endian = "LITTLE" if fields.get("sample_byte_format", "01") in ("01", "0123", "1") else "BIG"
    return Layout(rate, channels, subtype, endian, claimed, "", rate * channels * WIDTHS[subtype])
