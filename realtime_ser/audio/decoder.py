"""One stream through libsndfile, which is never allowed to seek, and what is reported of it at its end."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from realtime_ser.audio.byte_reader import ShownFile
from realtime_ser.records import FloatArray
from realtime_ser.text import one_line

ENDLESS = 1 << 50
"""The length that a file of unknown length claims: samples for a million years."""

# How libsndfile's log reports a header that promises more bytes than the file holds.
_SHORTFALL = re.compile(r"^\s*(?:data|Data Size|SSND)\s*:\s*(\d+)\s*\(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_SIZE = 0x7FFF0000
_TOLERANCE_S = 0.1
Verdict = Callable[[int], "str | None"]


class DamagedError(Exception):
    """The decoder gives up in the middle; the text is the reason."""


class Decoder:
    """One stream of a file, opened.

    Parameters
    ----------
    shown : what libsndfile reads
    verdict : given the frames that were read, what is missing, or None
    options : for ``soundfile.SoundFile``
    delay, padding : frames to drop at the start, and at the end if ``padded`` is true then
    limit : how many frames there are, once that is known: some decoders go on with silence
    claimed : frames after which an error is no damage but what follows the stream

    Attributes
    ----------
    rate, channels : of the stream
    frames : how many will come, or None when nobody can know

    Raises
    ------
    DamagedError : libsndfile cannot read it
    """

    def __init__(
        self,
        shown: ShownFile,
        verdict: Verdict,
        *,
        frames: int | None = None,
        claimed: int | None = None,
        delay: int = 0,
        padding: int = 0,
        padded: Callable[[], bool] = lambda: False,
        limit: Callable[[], int | None] = lambda: None,
        **options: Any,
    ) -> None:
        self._shown = shown
        self._file = open_sndfile(shown, **options)
        shown.start()
        self.rate, self.channels = int(self._file.samplerate), int(self._file.channels)
        self.frames = frames
        self._verdict = verdict
        self._claimed = claimed
        self._drop = delay
        self._padding, self._padded = padding, padded
        self._held = np.empty((0, self.channels), np.float32)
        self._limit = limit
        self._decoded = 0
        self._count = 0
        self._ended = False

    @property
    def announced(self) -> int | None:
        """The frames that libsndfile counts on, or None."""
        frames = int(self._file.frames)
        return frames if 0 < frames < ENDLESS else None

    def read(self, count: int) -> FloatArray:
        """The next frames, float32 (n, channels), at most ``count``; none at the end.

        Raises
        ------
        DamagedError : the decoder gives up here
        """
        while not self._ended:
            frames = self._decode(count)
            if not len(frames):
                self._ended = True
                rest, self._held = self._held, self._held[:0]
                if self._padded():
                    rest = rest[: max(0, len(rest) - self._padding)]
                self._count += len(rest)
                return rest
            dropped = min(self._drop, len(frames))
            self._drop -= dropped
            frames = frames[dropped:]
            if self._padding:
                joined = np.concatenate([self._held, frames])
                frames, self._held = joined[: max(0, len(joined) - self._padding)], joined[-self._padding :]
            if len(frames):
                self._count += len(frames)
                return frames
        return self._held[:0]

    def complaint(self) -> str | None:
        """After the end: what was not read, or None when that was all."""
        return self._verdict(self._count)

    def close(self) -> None:
        """Close libsndfile's side."""
        self._file.close()

    def _decode(self, count: int) -> FloatArray:
        import soundfile

        if self._claimed is not None and self._count < self._claimed:
            count = min(count, self._claimed - self._count)
        try:
            frames: FloatArray = self._file.read(count, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError) as error:
            if self._shown.error is None:
                if self._claimed is not None and self._count >= self._claimed:
                    return np.empty((0, self.channels), np.float32)
                raise DamagedError(sndfile_reason(error)) from error
            frames = np.empty((0, self.channels), np.float32)
        if not len(frames) and self._shown.error is not None:
            raise self._shown.error
        if (limit := self._limit()) is not None:
            frames = frames[: max(0, limit - self._decoded)]
        self._decoded += len(frames)
        return frames


class Fallback(Decoder):
    """A format that only libsndfile decodes: its own reader, its own measure of the length. ``file`` is seekable."""

    def __init__(self, file: Any) -> None:
        super().__init__(_Plain(file), lambda count: _fallback_verdict(self._file, count))  # type: ignore[arg-type]
        self.frames = self.announced


class _Plain:
    """A seekable file as it is."""

    error: BaseException | None = None

    def __init__(self, file: Any) -> None:
        self.seek, self.tell, self.read, self.readinto = file.seek, file.tell, file.read, file.readinto

    def write(self, _data: bytes) -> int:
        raise OSError("read only")

    def start(self) -> None:
        pass


def open_sndfile(shown: Any, **options: Any) -> Any:
    """soundfile's object over a file-like one, which never seeks once it is open.

    Raises
    ------
    DamagedError : libsndfile refuses it
    """
    import soundfile

    try:
        opened = soundfile.SoundFile(shown, **options)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        if getattr(shown, "error", None) is not None:
            raise shown.error from error
        raise DamagedError(sndfile_reason(error)) from error
    # soundfile seeks after every read of a seekable file. In an MP3 that throws away bits which later frames need, and the
    # samples come out wrong; in a FLAC it is slow. We only ever read on.
    opened.seekable = lambda: False
    return opened


def sndfile_reason(error: BaseException) -> str:
    """libsndfile's message, without the Python object that it names."""
    text = str(getattr(error, "error_string", None) or error)
    if "File does not exist" in text:  # libsndfile's words for an MP3 without a frame in it
        return "no audio frame is in it"
    return one_line(text).rstrip(".")


def cut_short(read_s: float, whole_s: float) -> str:
    """The end of a sentence that begins with a name."""
    return f"is cut short: {read_s:.1f} s of {whole_s:.1f} s are there and were read; the rest needs another copy of the file"


def _fallback_verdict(file: Any, count: int) -> str | None:
    promised = file.frames
    match = _SHORTFALL.search(file.extra_info)
    if match and int(match[2]) < int(match[1]) < _UNKNOWN_SIZE:
        promised = max(promised, round(count * int(match[1]) / max(1, int(match[2]))))
    rate = file.samplerate
    return cut_short(count / rate, promised / rate) if _TOLERANCE_S * rate < promised - count < 1 << 50 else None
