"""Audio files, streamed: a file of any length needs the memory of one block."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from realtime_ser.audio.byte_reader import ByteReader, nothing_in
from realtime_ser.audio.decode import raw_stream, streams
from realtime_ser.audio.decoder import DamagedError, Decoder, Fallback
from realtime_ser.audio.downmix import CHOOSE_CHANNEL, Apart, Downmix, check_choice, check_split
from realtime_ser.audio.ffmpeg import Ffmpeg, find_ffmpeg
from realtime_ser.audio.foreign import SUFFIXES as FOREIGN_SUFFIXES
from realtime_ser.audio.foreign import conversion, foreign_kind
from realtime_ser.audio.raw import Raw
from realtime_ser.audio.resample import Resampler
from realtime_ser.audio.source import check_rate
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, FloatArray, Notice
from realtime_ser.text import one_line, printable

_MOST_VALUES = 1 << 22  # per read, over all channels: a header may claim a thousand channels


class FileSource:
    """A source over one WAV, FLAC, OGG or MP3 file (or whatever else libsndfile reads), mixed down to mono.

    Parameters
    ----------
    source : path, bytes, or a binary file object (which stays open; it need not be able to seek)
    block_s : seconds per block, above 0
    channel : 1 is the first (left); None: the mean over all, see ``Downmix``
    split : keep the channels apart instead: blocks have samples (n, channels), and there are two channels or more
    raw : the format of a file without a header
    name : what messages and sinks call it; None: the path
    ffmpeg : what is not decoded here (m4a, AAC, WebM, video) goes through ffmpeg, if there is one on the path; False: refused

    The samples are read to the file's true end, whatever number its header states. A file that ends before its header's
    length, or becomes unreadable in the middle, delivers what could be read; then ``blocks`` raises SourceError.
    """

    channels: int = 1
    speed: float = 1.0
    waiting_s: float = 0.0

    def __init__(
        self,
        source: str | Path | bytes | Any,
        block_s: float = 0.1,
        *,
        channel: int | None = None,
        split: bool = False,
        raw: Raw | None = None,
        name: str | None = None,
        ffmpeg: bool = True,
    ) -> None:
        if not block_s > 0:
            raise SourceError(f"block_s must be positive, got {block_s}")
        self.path = Path(source) if isinstance(source, str | os.PathLike) else None
        self._given: Any = io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
        self.name = printable(name or _name(source))
        self.rate = 0
        self.duration_s: float | None = None
        self._block_s = block_s
        self._channel, self._split = channel, split
        self._raw, self._convert_others = raw, ffmpeg
        self._ffmpeg: Ffmpeg | None = None
        self._decoder: Decoder | None = None
        self._first: FloatArray = np.empty((0, 1), np.float32)
        self._file: Any = None
        self._reader: ByteReader | None = None
        self._stopped = False

    def __enter__(self) -> FileSource:
        """Open the file and read its header.

        Raises
        ------
        SourceError : missing, unreadable, a folder, empty, no audio, or at a rate nobody uses
        ConfigError : it has no such channel as was chosen, or is to be split and has one channel, or more than 32
        """
        self._stopped = False
        try:
            self._file = self._open()
            self._reader = ByteReader(self._file)
            self._begin(self._reader)
        except BaseException as error:
            self._close()
            if isinstance(error, OSError | ValueError | TypeError | AttributeError):
                raise SourceError(f"{self.name} cannot be read: {_reason(error)}") from error
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._close()

    def blocks(self) -> Iterator[Block | Notice]:
        """Yield the file as float32 blocks, ``captured_at`` None, and a ``Notice`` when the channels cancel each other.

        Raises
        ------
        SourceError : the file is not open, is truncated or damaged (after everything readable was yielded)
        """
        if self._reader is None:
            raise SourceError(f"{self.name} is not open; read it inside a with statement")
        mixer: Apart | Downmix = Downmix(self.rate, channel=self._channel, name=self.name, advice=CHOOSE_CHANNEL)
        if self._split:
            mixer = Apart(self.channels, self.name)
        start = 0
        complaint: str | None = None
        try:
            for frames in self._frames():
                if self._stopped:
                    return
                if isinstance(frames, str):
                    complaint = complaint or frames
                    continue
                samples = mixer.push(frames)
                if (notice := mixer.take_notice()) is not None:
                    yield notice
                yield Block(samples, self.rate, start)
                start += len(samples)
        except DamagedError as error:
            complaint = (
                f"is damaged after {start / self.rate:.1f} s ({error}); what came before was read, the rest needs another "
                "copy of the file"
            )
        except (OSError, ValueError, TypeError) as error:
            raise SourceError(f"{self.name} cannot be read beyond {start / self.rate:.1f} s: {_reason(error)}") from error
        if self._stopped:
            return
        if self._ffmpeg is not None and (detail := self._ffmpeg.complaint(start / self.rate)) is not None:
            complaint = f"was read for {start / self.rate:.1f} s, and what follows is damaged or cut short ({detail})"
        if complaint is not None:
            raise SourceError(f"{self.name} {complaint}")

    def stop(self) -> None:
        """End ``blocks()`` after the block under way."""
        self._stopped = True
        if self._reader is not None:
            self._reader.stop()

    def _frames(self) -> Iterator[FloatArray | str]:
        """Frames (n, channels) at the first stream's rate, and what is reported of a stream after its end."""
        frames, self._first = self._first, np.empty((0, 1), np.float32)
        while self._decoder is not None:
            decoder = self._decoder
            same = decoder.rate == self.rate
            resamplers = [] if same else [Resampler(decoder.rate, self.rate) for _ in range(decoder.channels)]
            count = max(1, min(round(decoder.rate * self._block_s), _MOST_VALUES // decoder.channels))
            while True:
                if not len(frames):
                    frames = decoder.read(count)
                ended = not len(frames)
                if resamplers:
                    columns = [each.push(frames[:, index], last=ended) for index, each in enumerate(resamplers)]
                    frames = np.stack(columns, axis=1)
                if len(frames):
                    yield frames
                frames = frames[:0]
                if ended or self._stopped:
                    break
            if (complaint := decoder.complaint()) is not None:
                yield complaint
            decoder.close()
            self._decoder = None if self._stopped else next(self._streams, None)

    def _begin(self, reader: ByteReader) -> None:
        head = reader.peek(64)
        if not head:
            raise SourceError(f"{self.name} {nothing_in(self._given)}")
        if self._raw is not None:
            self._start(reader, raw_stream(reader, self._raw))
            return
        kind = foreign_kind(head)
        try:
            if kind is None:
                self._start(reader, streams(reader))
                return
        except DamagedError as error:
            if not self._may_be_foreign(head) or (program := self._program()) is None:
                hint = f"; or convert it: {conversion(self.name)}" if self._may_be_foreign(head) else ""
                if isinstance(self._given, io.BytesIO):
                    hint = '; decode raw samples first, 16-bit ones by np.frombuffer(data, "<i2")'
                raise SourceError(
                    f"{self.name} is not audio that can be read ({error}); expected WAV, FLAC, OGG or MP3{hint}"
                ) from error
            reason = f"is not audio that can be read ({error}); expected WAV, FLAC, OGG or MP3"
        else:
            program = self._program()
            if program is None:
                remedy = "install ffmpeg, or convert it first" if self._convert_others else "convert it first"
                raise SourceError(f"{self.name} is {kind}, which is not decoded here; {remedy}: {conversion(self.name)}")
            reason = f"is {kind} and could not be read"
            if kind.startswith("MP4") and not reader.seekable:
                reason += " from a pipe, which an index at its end does not allow; give the file"
        self._convert(program, reader, reason)

    def _may_be_foreign(self, head: bytes) -> bool:
        """Whether ffmpeg may know more: a codec inside a known container, or the name of one."""
        suffix = Path(self.name).suffix.lower()
        return suffix in FOREIGN_SUFFIXES or head[:4] in (b"caff", b"OggS", b"RIFF", b"FORM", b"RF64", b".snd")

    def _program(self) -> str | None:
        return find_ffmpeg() if self._convert_others else None

    def _convert(self, program: str, reader: ByteReader, reason: str) -> None:
        reader.restart()
        self._ffmpeg = Ffmpeg(program, reader if self.path is None else self.path.absolute())
        self._reader = ByteReader(self._ffmpeg.output)
        try:
            if not self._reader.peek(12):
                raise DamagedError("nothing in it can be decoded")
            self._start(self._reader, streams(self._reader))
        except (DamagedError, SourceError) as error:
            detail = self._ffmpeg.complaint() or str(error)
            raise SourceError(f"{self.name} {reason} ({detail})") from error
        self.duration_s = self._ffmpeg.duration_s

    def _start(self, reader: ByteReader, found: Iterator[Decoder | None]) -> None:
        """Read up to the first samples.

        Raises
        ------
        DamagedError : not readable
        SourceError : no audio, or a rate nobody uses
        ConfigError : without the chosen channel, or not to be split
        """
        self._streams = found
        decoder = next(found)
        while True:
            if decoder is None:
                decoder = self._fall_back(reader)
            self._decoder = decoder
            rate = check_rate(decoder.rate, self.name)
            check_choice(self._channel, decoder.channels, self.name)
            if self._split:
                self.channels = check_split(decoder.channels, self.name)
            self._first = decoder.read(max(1, min(round(rate * self._block_s), _MOST_VALUES // decoder.channels)))
            if len(self._first) or self._stopped:
                break
            decoder.close()
            decoder = next(found, None) if not isinstance(decoder, Fallback) else None
            if decoder is None:
                raise SourceError(f"{self.name} holds no audio: its header is there and no sample follows")
        reader.forget()
        self.rate = rate
        self.duration_s = None if decoder.frames is None else decoder.frames / rate

    def _fall_back(self, reader: ByteReader) -> Decoder:
        if not reader.seekable:
            raise DamagedError("unknown format")
        reader.rewind(0)
        return Fallback(self._file)

    def _open(self) -> Any:
        if self.path is None:
            if not hasattr(self._given, "read"):
                raise TypeError(f"expected a path, bytes or a binary file object, got {type(self._given).__name__}")
            return self._given
        if self.path.is_dir():
            raise SourceError(f"{self.name} is a folder; name the audio files in it, or replay the folder")
        if not self.path.exists():
            raise SourceError(f"{self.name} does not exist; check the path")
        if not self.path.is_file():
            raise SourceError(f"{self.name} is no regular file; save the audio to a file first")
        try:
            return self.path.open("rb")
        except OSError as error:
            raise SourceError(f"{self.name} cannot be read: {_reason(error)}; check the path and its permissions") from error

    def _close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
        if self._ffmpeg is not None:
            self._ffmpeg.close()
            self._ffmpeg = None
        if self._file is not None and self.path is not None:
            self._file.close()
        self._file = self._reader = None


def _name(source: Any) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source) if isinstance(os.fspath(source), str) else os.fsdecode(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else "bytes" if isinstance(source, bytes | bytearray | memoryview) else "file"


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return one_line(text).rstrip(".")
