"""Audio files through libsndfile, streamed: a file of any length needs the memory of one block."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from realtime_ser.audio.downmix import downmix
from realtime_ser.audio.source import check_rate, printable
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.records import Block

SUFFIXES = frozenset(
    {".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64"}
)

_MOST_VALUES = 1 << 22  # per read, over all channels: a header may claim a thousand channels
# How libsndfile's log says that the header promises more bytes than the file holds.
_SHORTFALL = re.compile(r"^\s*(?:data|Data Size|SSND)\s*:\s*(\d+)\s*\(should be (\d+)\)", re.MULTILINE)
# A writer that could not go back to fill in the size (a pipe) leaves one of these; the file is whole all the same.
_UNKNOWN_SIZE = 0x7FFF0000


class FileSource:
    """A source over one WAV, FLAC, OGG or MP3 file (or whatever else libsndfile reads), mixed down to mono.

    Parameters
    ----------
    path : the file
    block_s : seconds per block, above 0

    A file that ends before its header says, or becomes unreadable in the middle, delivers what could be read; then ``blocks``
    raises SourceError.
    """

    def __init__(self, path: str | Path, block_s: float = 0.1) -> None:
        if not block_s > 0:
            raise SourceError(f"block_s must be positive, got {block_s}")
        self.path = Path(path)
        self.name = printable(str(path))
        self.rate = 0
        self.duration_s: float | None = None
        self._block_s = block_s
        self._file: Any = None
        self._stopped = False

    def __enter__(self) -> FileSource:
        """Open the file.

        Raises
        ------
        SourceError : missing, unreadable, a folder, empty, no audio, or at a rate nobody uses
        """
        self._check_path()
        import soundfile

        try:
            # As bytes, where the system has them: soundfile refuses a str whose bytes are no UTF-8.
            opened = soundfile.SoundFile(self.path if os.name == "nt" else os.fsencode(self.path))
        except (soundfile.SoundFileError, OSError, RuntimeError, ValueError, TypeError) as error:
            reason = _reason(error)
            if "File does not exist" in reason:  # libsndfile's words for an MP3 without a frame in it: we know that it exists
                reason = "no audio frame is in it"
            raise SourceError(
                f"{self.name} is not audio that can be read ({reason}); expected WAV, FLAC, OGG or MP3"
            ) from error
        try:
            self.rate = check_rate(opened.samplerate, self.name)
            if opened.frames <= 0 or opened.channels < 1:
                raise SourceError(f"{self.name} holds no audio: its header is there and no sample follows")
        except SourceError:
            opened.close()
            raise
        # soundfile seeks after every read of a seekable file. In an MP3 that throws away bits which later frames need, and the
        # samples come out wrong; in a FLAC it is slow. We only ever read on.
        opened.seekable = lambda: False
        self.duration_s = opened.frames / self.rate
        self._file = opened
        self._stopped = False
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def blocks(self) -> Iterator[Block]:
        """Yield the file as float32 mono blocks, ``captured_at`` None.

        Raises
        ------
        SourceError : the file is not open, is truncated or damaged (after everything readable was yielded)
        """
        import soundfile

        if self._file is None:
            raise SourceError(f"{self.name} is not open; read it inside a with statement")
        file = self._file
        count = max(1, min(round(self.rate * self._block_s), _MOST_VALUES // file.channels))
        start = 0
        while not self._stopped:
            try:
                frames = file.read(count, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, OSError, RuntimeError) as error:
                raise SourceError(
                    f"{self.name} is damaged after {start / self.rate:.1f} s ({_reason(error)}); "
                    "what came before was heard, the rest needs another copy of the file"
                ) from error
            if not len(frames):
                self._check_whole(start)
                return
            yield Block(downmix(frames), self.rate, start)
            start += len(frames)

    def stop(self) -> None:
        """End ``blocks()`` after the block under way."""
        self._stopped = True

    def _check_path(self) -> None:
        try:
            if self.path.is_dir():
                raise SourceError(f"{self.name} is a folder; name the audio files in it, or replay the folder")
            if not self.path.exists():
                raise SourceError(f"{self.name} does not exist; check the path")
            if not self.path.is_file():
                raise SourceError(f"{self.name} is no regular file; save the audio to a file first")
            with self.path.open("rb") as file:
                empty = not file.read(1)
        except (OSError, ValueError) as error:
            raise SourceError(f"{self.name} cannot be read: {_reason(error)}; check the path and its permissions") from error
        if empty:
            raise SourceError(f"{self.name} is empty (0 bytes); record or copy it again")

    def _check_whole(self, delivered: int) -> None:
        promised = self._file.frames
        match = _SHORTFALL.search(self._file.extra_info)
        if match and int(match[2]) < int(match[1]) < _UNKNOWN_SIZE:
            promised = max(promised, round(delivered * int(match[1]) / max(1, int(match[2]))))
        if self._file.format == "MP3" and not self._has_length_tag():
            return  # without a tag the length is a guess from the first frames
        if delivered < promised:
            raise SourceError(
                f"{self.name} is cut short: {delivered / self.rate:.1f} s of {promised / self.rate:.1f} s are there and were "
                "heard; the rest needs another copy of the file"
            )

    def _has_length_tag(self) -> bool:
        with self.path.open("rb") as file:
            head = file.read(1 << 16)
        return b"Xing" in head or b"Info" in head


def expand_paths(paths: Sequence[str | Path]) -> list[Path]:
    """The audio files that ``paths`` stand for: a file for itself, whatever its name; a folder for the audio files in it.

    Parameters
    ----------
    paths : files and folders; folders are searched to any depth, hidden files left out

    Returns
    -------
    list of Path, in the given order, each folder's files sorted, no file twice

    Raises
    ------
    ConfigError : nothing given, or a folder without any audio file
    """
    if not paths:
        raise ConfigError("no audio file given; name at least one file or folder")
    found: dict[Path, None] = {}
    for given in map(Path, paths):
        if not given.is_dir():
            found[given] = None
            continue
        inside = sorted(
            path
            for path in given.rglob("*")
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        )
        if not inside:
            raise ConfigError(f"no audio file in {printable(str(given))}; expected WAV, FLAC, OGG or MP3 files there")
        found.update(dict.fromkeys(inside))
    return list(found)


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return printable(" ".join(str(text).split())).rstrip(".")
