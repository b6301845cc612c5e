"""Where the samples lie in WAV, RF64, W64, AIFF, AU, CAF and NIST files, whatever their headers say about sizes.

Everything is read forward, so that a pipe does as well as a file. A size in a header is a claim: a writer that was killed, a
pipe, or four bytes for more than 4 GiB leave a wrong one.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace

from realtime_ser.audio.byte_reader import ByteReader

_LONGEST_HEADER = 1 << 26
_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_CAF_CODECS = {b"ulaw": "ULAW", b"alaw": "ALAW"}
_AIFC_CODECS = {
    b"NONE": ("PCM", "BIG"), b"twos": ("PCM", "BIG"), b"sowt": ("PCM", "LITTLE"), b"raw ": ("PCM_U8", "BIG"),
    b"in24": ("PCM", "BIG"), b"in32": ("PCM", "BIG"), b"23ni": ("PCM", "LITTLE"), b"42ni": ("PCM", "LITTLE"),
    b"fl32": ("FLOAT", "BIG"), b"FL32": ("FLOAT", "BIG"), b"fl64": ("DOUBLE", "BIG"), b"FL64": ("DOUBLE", "BIG"),
    b"ulaw": ("ULAW", "BIG"), b"ULAW": ("ULAW", "BIG"), b"alaw": ("ALAW", "BIG"), b"ALAW": ("ALAW", "BIG"),
}  # fmt: skip
_AU_CODECS = {1: "ULAW", 2: "PCM_S8", 3: "PCM_16", 4: "PCM_24", 5: "PCM_32", 6: "FLOAT", 7: "DOUBLE", 27: "ALAW"}
WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}


@dataclass(frozen=True)
class Layout:
    """A header's content, with the reader at the first byte of the samples.

    ``subtype`` is libsndfile's word for the codec, None for one that only libsndfile's own WAV reader decodes (``fmt`` is
    then the format chunk). ``claimed`` is the length of the samples in bytes, None where the header lacks it; ``wide``: it
    had eight bytes. ``chunks``: the kind of chunks that may follow: "little", "big", "w64" or "caf"; "" when none may.
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
