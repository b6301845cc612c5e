"""Frames of an MP3 stream, found by their headers: how many there are, and what lies between them.

libsndfile takes the length of an MP3 from its index, or guesses it from the first frame, and reads no further. Both may be
wrong (a variable bit rate without an index, files joined end to end), so it is given the bare frames here and never an index.
"""

from __future__ import annotations

from dataclasses import dataclass

from realtime_ser.audio.byte_reader import ByteReader

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_DECODER_DELAY = 529  # samples that every decoder puts in front of what the encoder saw
_SEARCH = 1 << 12
# A first frame is searched for this far: behind tags, pictures and zeros.
_FARTHEST = 1 << 20


@dataclass(frozen=True)
class Frame:
    """The header of one frame: ``length`` in bytes with the header, ``samples`` a channel, ``side`` bytes before an index."""

    kind: tuple[int, int, int]  # version, layer, rate: the same in all frames of a stream
    channels: int
    length: int
    samples: int
    side: int


def frame_at(head: bytes) -> Frame | None:
    """The frame that starts with these 4 bytes, or None. Free bit rates are none of ours."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    index, speed, padded = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or not 1 <= index <= 14 or speed == 3:
        return None
    rate = _RATES[version][speed]
    first = version == 3
    kbps = _KBPS[(1, layer) if first else (2, min(layer, 2))][index - 1]
    mono = head[3] >> 6 == 3
    samples = 384 if layer == 1 else 1152 if layer == 2 or first else 576
    slots = (12 if layer == 1 else samples // 8) * 1000 * kbps // rate + padded
    length = slots * 4 if layer == 1 else slots
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return Frame((version, layer, rate), 1 if mono else 2, length, samples, 4 + side)


def skip_tags(reader: ByteReader) -> None:
    """Pass over ID3v2 tags at the reader's position, of whatever size."""
    while (head := reader.peek(10))[:3] == b"ID3" and len(head) == 10 and all(byte < 128 for byte in head[6:]):
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        reader.skip(10 + size + (10 if head[5] & 0x10 else 0))


def find_frame(reader: ByteReader, farthest: int = _FARTHEST, kind: tuple[int, int, int] | None = None) -> int | None:
    """How many bytes ahead the next frame starts that another one follows (or the end), or None within ``farthest``.

    ``kind`` is the stream that it must belong to, None: any.
    """
    offset = 0
    while offset < farthest:
        piece = reader.peek(_SEARCH + 4, offset)
        at = piece.find(b"\xff")
        while 0 <= at < farthest - offset:
            frame = frame_at(piece[at : at + 4])
            if frame is not None and (kind is None or frame.kind == kind):
                following = reader.peek(4, offset + at + frame.length)
                after = frame_at(following)
                if (after is not None and after.kind == frame.kind) or (not following and kind is not None):
                    return offset + at
            at = piece.find(b"\xff", at + 1)
        if len(piece) <= _SEARCH:
            return None
        offset += _SEARCH
    return None


class Frames:
    """The frames of one stream, without its index.

    Parameters
    ----------
    reader : at the first frame

    Attributes
    ----------
    count : frames given out
    claimed : frames that the index names, or None
    skipped : bytes that are neither frames nor tags
    cut : bytes of the last frame are missing
    ended : all frames were given out
    delay, padding : samples to drop at the start and at the end, from the index
    """

    def __init__(self, reader: ByteReader) -> None:
        first = frame_at(reader.peek(4))
        assert first is not None
        self.first = first
        self.count = self.skipped = self.delay = self.padding = 0
        self.claimed: int | None = None
        self.cut = self.ended = False
        self._reader = reader
        self._rest = b""
        self._take_index(reader.peek(first.length))

    def constant(self) -> bool:
        """Whether the next frames have one length, but for a padding byte; call it before the first ``read``."""
        at = 0
        for _ in range(100):
            frame = frame_at(self._reader.peek(4, at))
            if frame is None:
                return at > 0
            if abs(frame.length - self.first.length) > 4:
                return False
            at += frame.length
        return True

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes of frames; none at the end, or where another stream begins."""
        if not self._rest:
            self._rest = self._next()
            self.ended = not self._rest
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def _next(self) -> bytes:
        head = self._reader.peek(4)
        frame = frame_at(head)
        if frame is None or frame.kind != self.first.kind:
            if frame is not None and find_frame(self._reader, 1) == 0:
                return b""  # a stream of another kind begins
            if not self._to_next_frame():
                return b""
            frame = frame_at(self._reader.peek(4))
            assert frame is not None
        if self.count and has_index(self._reader.peek(frame.side + 8), frame):
            return b""  # files joined end to end: the next has a delay and padding of its own
        content = self._reader.read(frame.length)
        if len(content) < frame.length:
            self.cut = True
            return b""
        self.count += 1
        return content

    def _to_next_frame(self) -> bool:
        ahead = self._reader.peek(10)
        if ahead[:3] == b"ID3":
            return False
        if ahead[:3] == b"TAG":
            self._reader.skip(128)
        elif ahead[:8] == b"APETAGEX":
            size = int.from_bytes(self._reader.peek(4, 12), "little")
            self._reader.skip(32 + min(size, 1 << 26))
        elif ahead[:8] == b"LYRICSBE":
            self._reader.skip(max(1, self._reader.peek(1 << 16).find(b"LYRICS200") + 9))
        else:
            if not ahead:
                return False
            step = find_frame(self._reader, kind=self.first.kind)
            passed = self._reader.peek(_FARTHEST if step is None else step)
            self._reader.skip(len(passed))
            if passed.strip(b"\0") and (step is not None or len(passed) > _SEARCH):
                self.skipped += len(passed)
            return step is not None or self._to_next_frame()
        if frame_at(self._reader.peek(4)) is not None:
            return False
        return self._to_next_frame()

    def _take_index(self, content: bytes) -> None:
        side = self.first.side
        if not has_index(content, self.first):
            return
        self._reader.skip(self.first.length)
        if content[36:40] == b"VBRI":
            self.claimed = int.from_bytes(content[50:54], "big") or None
            return
        flags, at = int.from_bytes(content[side + 4 : side + 8], "big"), side + 8
        if flags & 1:
            self.claimed = int.from_bytes(content[at : at + 4], "big") or None
        at += 4 * bool(flags & 1) + 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
        encoder = content[at : at + 24]
        if len(encoder) == 24 and encoder[0]:
            self.delay = (encoder[21] << 4 | encoder[22] >> 4) + _DECODER_DELAY
            self.padding = max(0, ((encoder[22] & 15) << 8 | encoder[23]) - _DECODER_DELAY)


def has_index(content: bytes, frame: Frame) -> bool:
    """Whether a frame is an index and no sound."""
    if frame.kind[1] != 3:
        return False
    return content[frame.side : frame.side + 4] in (b"Xing", b"Info") or content[36:40] == b"VBRI"
