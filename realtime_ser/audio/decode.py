"""Bytes to samples: which decoder reads a file, and how much of the file it read.

libsndfile decodes; what it is shown is cut out here, because it believes headers (a wrong length, a missing index) and stops
where they say. A file may hold several streams one after the other (``cat a.mp3 b.mp3``): each has its own decoder.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from realtime_ser.audio.byte_reader import ByteReader, ShownFile
from realtime_ser.audio.container import WIDTHS, Layout, read_layout
from realtime_ser.audio.decoder import ENDLESS, DamagedError, Decoder, cut_short
from realtime_ser.audio.mpeg import Frames, find_frame, skip_tags
from realtime_ser.audio.ogg import Pages, granule_at_end, last_page
from realtime_ser.audio.raw import Raw
from realtime_ser.audio.sample_bytes import Samples, skip_chunks

_LONGEST_CODED = 0x1FFFF000
_FLAC_MAGIC = b"fLaC"
_SHORT_PREFIX = 4096  # more than one frame of MPEG audio
_SHORTEST_S = 0.1  # less than this is not worth a word: paddings and delays of codecs


def streams(reader: ByteReader) -> Iterator[Decoder | None]:
    """A decoder for every stream of the file, one after the other; read each to its end before the next is taken.

    Yields None, once, for a file that is none of the formats read here.

    Raises
    ------
    DamagedError : a header that makes no sense, or that libsndfile refuses
    """
    previous = ""
    while True:
        skip_tags(reader)
        head = reader.peek(16)
        if _is_flac(head):
            previous = "flac"
            yield _flac(reader)
        elif head[:4] == b"OggS":
            previous = "ogg"
            yield _ogg(reader)
        elif previous in ("", "samples") and (layout := _layout(reader)) is not None:
            previous = "samples"
            yield _samples(reader, layout)
            skip_chunks(reader, layout.chunks)
        elif previous in ("", "mpeg") and head and (step := _first_frame(reader, head)) is not None:
            previous = "mpeg"
            reader.skip(step)
            yield _mpeg(reader)
        else:
            if not previous:
                yield None
            return


def raw_stream(reader: ByteReader, raw: Raw) -> Iterator[Decoder | None]:
    """As ``streams``, for samples without a header."""
    per_s = raw.rate * raw.channels * WIDTHS[raw.subtype]
    yield _samples(reader, Layout(raw.rate, raw.channels, raw.subtype, raw.endian, None, "", per_s))


def _first_frame(reader: ByteReader, head: bytes) -> int | None:
    """Where MPEG audio begins: at once, behind zeros, or where a recorder cut a frame in two."""
    step = find_frame(reader)
    # Anything long enough holds two frame headers by chance.
    return step if step is not None and (step < _SHORT_PREFIX or not head.strip(b"\0")) else None


def _layout(reader: ByteReader) -> Layout | None:
    try:
        return read_layout(reader)
    except (ValueError, struct.error) as error:
        if reader.seekable:
            return None  # libsndfile may know better
        raise DamagedError(str(error)) from error


def _samples(reader: ByteReader, layout: Layout) -> Decoder:
    body = Samples(reader, layout)

    def verdict(count: int) -> str | None:
        if not body.missing:
            return None
        return cut_short(count / layout.rate, count / layout.rate * (1 + body.missing / max(1, body.taken)))

    if layout.subtype is None:
        if layout.fmt[:2] == b"\x55\0":
            inside = ByteReader(_Inside(body))
            step = find_frame(inside)
            if step is None:
                raise DamagedError("no audio frame is in it")
            inside.skip(step)
            return _mpeg(inside)
        head = _wave_head(layout, body.expected)
        shown = ShownFile(head, body.read, length=len(head) + (body.expected or _LONGEST_CODED), whole=True)
        decoder = Decoder(shown, verdict, limit=lambda: body.coded_frames)
        decoder.frames = decoder.announced if body.expected is not None else None
        return decoder
    block = WIDTHS[layout.subtype] * layout.channels
    length = body.expected if body.expected is not None else ENDLESS // block * block
    return Decoder(
        ShownFile(b"", body.read, length=length, whole=True),
        verdict,
        frames=None if body.expected is None else length // block,
        format="RAW",
        subtype=layout.subtype,
        endian=layout.endian,
        samplerate=layout.rate,
        channels=layout.channels,
    )


class _Inside:
    """The bytes of one chunk as a file of its own."""

    def __init__(self, body: Samples) -> None:
        self.read = body.read


def _wave_head(layout: Layout, size: int | None) -> bytes:
    """A WAV header for codecs that need one (ADPCM, GSM)."""
    sign = "<" if layout.endian == "LITTLE" else ">"
    size = min(size or _LONGEST_CODED, _LONGEST_CODED)
    name = b"RIFF" if sign == "<" else b"RIFX"
    fmt = b"fmt " + struct.pack(sign + "I", len(layout.fmt)) + layout.fmt
    return name + struct.pack(sign + "I", size + 12 + len(fmt)) + b"WAVE" + fmt + b"data" + struct.pack(sign + "I", size)


def _flac(reader: ByteReader) -> Decoder:
    head = bytearray(reader.read(42))
    if len(head) < 42:
        raise DamagedError("its header ends too soon")
    packed = int.from_bytes(head[18:26], "big")
    rate, claimed = packed >> 44, packed & (1 << 36) - 1
    # Without a number of samples the decoder reads to the true end.
    head[18:26] = (packed - claimed).to_bytes(8, "big")

    def verdict(count: int) -> str | None:
        missing = claimed - count
        return cut_short(count / rate, claimed / rate) if rate and missing > _SHORTEST_S * rate else None

    body = _UntilFlac(reader)
    shown = ShownFile(bytes(head), body.read, length=ENDLESS)
    return Decoder(shown, verdict, frames=claimed or None, claimed=claimed or None)


def _is_flac(head: bytes) -> bool:
    """Whether a FLAC file begins with ``head``: STREAMINFO of 34 bytes comes first, and may be the last block of metadata."""
    return head[:4] == _FLAC_MAGIC and head[4:5] in (b"\x00", b"\x80") and head[5:8] == b"\x00\x00\x22"


class _UntilFlac:
    """The bytes of a reader up to where another FLAC file begins."""

    def __init__(self, reader: ByteReader) -> None:
        self._reader = reader

    def read(self, count: int) -> bytes:
        if _is_flac(self._reader.peek(8)):
            return b""
        piece = self._reader.peek_some(count)
        at = piece.find(_FLAC_MAGIC[:1], 1)
        while at > 0:
            if _is_flac(self._reader.peek(8, at)):
                return self._reader.read(at)
            at = piece.find(_FLAC_MAGIC[:1], at + 1)
        return self._reader.read(len(piece))


def _ogg(reader: ByteReader) -> Decoder:
    pages = Pages(reader)
    head = reader.peek(64, 27 + reader.peek(27)[-1])
    end = granule_at_end(reader, pages.serial)
    shown = ShownFile(b"", pages.read, length=ENDLESS, tail=bytes(1 << 16) + last_page(pages.serial))
    opus = head[:8] == b"OpusHead"
    early = int.from_bytes(head[10:12], "little") if opus else 0  # samples to drop at the start

    def verdict(count: int) -> str | None:
        decoded_s = count / decoder.rate
        if pages.cut:
            return f"is cut short: it ends in the middle of a page, and the {decoded_s:.1f} s before were read"
        due = (pages.last_granule - early) / (48_000 if opus else decoder.rate)
        if 0 <= pages.first_granule < 10 * 48_000 and decoded_s < due - 2 * _SHORTEST_S:
            return f"is damaged: {decoded_s:.1f} s of {due:.1f} s could be decoded"
        return f"is damaged: {pages.skipped} bytes in it could not be decoded" if pages.skipped else None

    decoder = Decoder(shown, verdict)
    if end is not None:
        decoder.frames = max(0, round((end - early) * decoder.rate / (48_000 if opus else decoder.rate)))
    return decoder


def _mpeg(reader: ByteReader) -> Decoder:
    left = reader.left
    body = Frames(reader)
    rate, each = body.first.kind[2], body.first.samples
    frames = None
    if body.claimed is not None:
        frames = max(0, body.claimed * each - body.delay - body.padding)
    elif left is not None and body.constant():
        frames = left // body.first.length * each

    def verdict(count: int) -> str | None:
        if not body.ended:
            return f"is damaged after {count / rate:.1f} s, where the decoder gives up; it was read on from the next frame"
        if body.claimed is not None and body.claimed > body.count + 2:
            return cut_short(count / rate, count / rate + (body.claimed - body.count) * each / rate)
        if body.cut and body.claimed is None:
            return f"is cut short: it ends in the middle of a frame, and the {count / rate:.1f} s before were read"
        if body.count * each - count - body.delay - body.padding > 4 * each:
            return f"is damaged: {count / rate:.1f} s of {body.count * each / rate:.1f} s could be decoded"
        return f"is damaged: {body.skipped} bytes in it could not be decoded" if body.skipped else None

    # libsndfile looks for a tag in the last 128 bytes before it plays.
    shown = ShownFile(b"", body.read, length=ENDLESS, tail=bytes(128))
    return Decoder(
        shown,
        verdict,
        frames=frames,
        delay=body.delay,
        padding=body.padding,
        padded=lambda: body.claimed is not None and body.count >= body.claimed,
    )
