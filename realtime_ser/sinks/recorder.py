"""Records the audio, 24 bits a sample."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.records import Block, FloatArray, Record, Session
from realtime_ser.sinks.files import begin, open_untouched, sink_error
from realtime_ser.text import one_line, printable

_FORMATS = {".flac": "FLAC", ".wav": "WAV"}
_FULL_SCALE = 1 << 23
# Gaps are written in pieces of this many zeros, so that an hour of them costs no memory.
_SILENCE = 1 << 16
# A longer absence starts a file of its own rather than hours of silence.
_LONGEST_GAP_S = 6 * 3600
# A WAV file counts its bytes in 32 bits, three of them a sample.
_WAV_SAMPLES = (2**32 - 2**20) // 3
# libFLAC's default frame of 4096 samples, whole: it writes a frame once it has seen the sample after it.
_HELD = 4096


class RecorderSink:
    """FLAC or WAV of the blocks in the source's order, at the source's rate, with lost samples as zeros.

    Mono, unless the channels of the source are kept apart: then the file has them all.

    Samples in [-1, 1) are kept to 24 bits, so 16- and 24-bit sources come back bit for bit; louder ones clip and NaN becomes
    zero. The length in the file's header follows the audio, so a file whose process was killed opens and lacks less than a
    second. The file appears with the first audio; a stream that brought none leaves none.

    A file is one timeline at one rate. A second stream, a device that returns at another rate, an absence of over six hours and
    a WAV file at its limit of 4 GiB go on in ``NAME-2.flac`` and so on: what was recorded stays whole, and no existing file is
    overwritten that the user did not name.

    Parameters
    ----------
    path : ends in ``.flac`` or ``.wav``; created readable by its owner alone

    Raises
    ------
    ConfigError : another extension
    SinkError : the file cannot be created
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # Through a symbolic link, so that probing and following files mean the place it leads to.
        self._path = Path(os.path.realpath(path))
        if self._path.suffix.lower() not in _FORMATS:
            raise ConfigError(f"cannot record to {printable(str(path))}: the name must end in .flac or .wav")
        self.name = f"recording {printable(os.fspath(path))}"
        self.paths = [self._path]
        self._file: _Growing | None = None
        self._next = 0
        self._fresh = True
        self._closed = False
        try:
            # Report a bad path before the stream starts.
            _probe(self._path)
        except OSError as error:
            raise sink_error(str(self._path), error) from error

    def write(self, record: Record) -> None:
        """Append a block, after zeros for what was lost before it.

        Raises
        ------
        SinkError : full disk, or a rate that the format cannot hold
        """
        if isinstance(record, Session):
            self._fresh = True
        elif isinstance(record, Block) and not self._closed:
            self._block(record)

    def close(self) -> None:
        """Finish the file.

        Raises
        ------
        SinkError : the end could not be written
        """
        self._closed = True
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _block(self, block: Block) -> None:
        file, start = self._file, self._next
        if file is not None and not len(block.samples) and self._too_long(file, block):
            return  # an absence that nothing follows starts no file of its own
        if file is None or self._fresh or block.rate != file.rate or self._too_long(file, block):
            # Whatever was lost before the first block of a stream belongs to the recording; between two files it does not.
            start = 0 if self._fresh else block.start
            file = self._begin(block.rate, 1 if block.samples.ndim == 1 else block.samples.shape[1])
            self._fresh = False
            if block.start - start > _LONGEST_GAP_S * block.rate:
                start = block.start
        try:
            for at in range(start, block.start, _SILENCE):
                file.write(np.zeros((min(_SILENCE, block.start - at), *block.samples.shape[1:]), np.int32))
            # A block that overlaps what is written already adds only what is new: time never runs backward.
            file.write(_as_int24(block.samples[max(0, start - block.start) :]))
        except SinkError:
            self._closed, self._file = True, None
            raise
        self._next = max(start, block.end)

    def _too_long(self, file: _Growing, block: Block) -> bool:
        if block.start - self._next > _LONGEST_GAP_S * block.rate:
            return True
        return file.format == "WAV" and (file.written + block.end - self._next) * file.channels > _WAV_SAMPLES

    def _begin(self, rate: int, channels: int) -> _Growing:
        if self._file is not None:
            path = self._following()
            self.paths.append(path)
            file, self._file = self._file, None
            file.close()
        else:
            path = self.paths[-1]
        self._file = _Growing(path, rate, channels)
        return self._file

    def _following(self) -> Path:
        for count in range(len(self.paths) + 1, 10_000):
            path = self._path.with_name(f"{self._path.stem}-{count}{self._path.suffix}")
            if not os.path.lexists(path):
                return path
        raise SinkError(f"cannot write {self.name}: ten thousand files of that name exist; choose another")


class _Growing:
    """A sound file whose header has its true length at any moment.

    libsndfile writes the length when it closes a file; until then a FLAC has "unknown", which libsndfile itself then cannot
    read. So the length of what surely lies in the file is put into the header as it grows, through a handle of its own. The
    first frame is held back until it is whole, so that there is never a file without audio.
    """

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path, self.rate, self.channels, self.written = path, rate, channels, 0
        self.format = _FORMATS[path.suffix.lower()]
        self._told = 0
        self._held: list[npt.NDArray[np.int32]] = []
        self._sound: soundfile.SoundFile | None = None
        self._frame, self._data = 0, 0

    def write(self, samples: npt.NDArray[np.int32]) -> None:
        """Append samples (n,) or (n, channels), 24 bits in the upper part of 32.

        Raises
        ------
        SinkError : full disk, or a rate that the format cannot hold
        """
        self.written += len(samples)
        if self._sound is not None:
            self._append(self._sound, samples)
        elif len(samples):
            self._held.append(samples)
            if self.written > _HELD:
                self._open()

    def close(self) -> None:
        """Write the rest and the final length."""
        if self._sound is None and self._held:
            self._open()
        if self._sound is None:
            return
        try:
            self._sound.close()
        except (soundfile.SoundFileError, OSError) as error:
            self._abandon()
            raise self._explain(str(error)) from error
        finally:
            with contextlib.suppress(OSError):
                self._header.close()

    def _open(self) -> None:
        name: Any = os.fsencode(self.path) if sys.platform != "win32" else str(self.path)
        try:
            # No lock: libsndfile opens the file once more, and on a Windows share what another descriptor locks is refused.
            fd, _ = open_untouched(self.path, locked=False)
            begin(fd)
            os.close(fd)
            sound = self._sound = soundfile.SoundFile(name, "w", self.rate, self.channels, "PCM_24", format=self.format)
            self._header = self.path.open("r+b", buffering=0)
        except OSError as error:
            raise sink_error(str(self.path), error) from error
        except (soundfile.SoundFileError, ValueError, OverflowError) as error:
            raise self._explain(f"{self.format} at {self.rate} Hz, channels {self.channels}: {error}") from error
        held, self._held = np.concatenate(self._held), []
        self._append(sound, held)

    def _append(self, sound: soundfile.SoundFile, samples: npt.NDArray[np.int32]) -> None:
        try:
            sound.write(samples)
            if not self._frame:
                self._read_header()
            # The encoder keeps the frame it has begun and looks one sample ahead.
            safe = (self.written - 1) // self._frame * self._frame
            if safe > self._told and (not self._told or safe - self._told >= self.rate // 8):
                self._tell(safe)
        except (soundfile.SoundFileError, AssertionError, OSError) as error:
            self._abandon()
            raise self._explain(str(error)) from error

    def _read_header(self) -> None:
        # It is there only after the first write. FLAC: the samples in a frame, from STREAMINFO. WAV: where the audio starts.
        head = self._header.read(4096)
        self._frame = int.from_bytes(head[8:10], "big") if self.format == "FLAC" else 1
        self._data = head.find(b"data") + 8
        if self._frame < 1 or (self.format == "WAV" and self._data < 44):
            raise OSError(errno.EIO, "its header is not what it should be")

    def _tell(self, samples: int) -> None:
        if self.format == "FLAC":
            # STREAMINFO starts at byte 8; in its bytes 10 to 17 the lowest 36 bits are the number of samples.
            self._header.seek(18)
            packed = int.from_bytes(self._header.read(8), "big")
            self._header.seek(18)
            self._header.write(((packed >> 36 << 36) | samples).to_bytes(8, "big"))
        else:
            self._header.seek(self._data - 4)
            size = 3 * samples * self.channels
            self._header.write(struct.pack("<I", size))
            self._header.seek(4)
            self._header.write(struct.pack("<I", self._data - 8 + size))
        self._told = samples

    def _abandon(self) -> None:
        """Leave a file that opens, with the length that surely lies on the disk."""
        with contextlib.suppress(soundfile.SoundFileError, AssertionError, OSError):
            if self._sound is not None:
                self._sound.close()
        with contextlib.suppress(OSError, ValueError):
            self._tell(self._told)
        with contextlib.suppress(OSError):
            self._header.close()

    def _explain(self, reason: str) -> SinkError:
        # libsndfile does not pass the system's reason on; a full disk is by far the likeliest, and can be checked.
        with contextlib.suppress(OSError, AttributeError):
            room = os.statvfs(self.path.parent)
            if room.f_bavail * room.f_frsize < 1 << 16:
                return sink_error(str(self.path), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        reason = one_line(reason).rstrip(".") or "the system refused"
        return SinkError(f"cannot write {printable(str(self.path))}: {reason}; check the disk and the path")


def _as_int24(samples: FloatArray) -> npt.NDArray[np.int32]:
    """float32 full scale [-1, 1) -> int32 of the same shape, the 24 bits in the upper part, as libsndfile takes them."""
    scaled = np.nan_to_num(samples.astype(np.float64), nan=0.0, posinf=1.0, neginf=-1.0) * _FULL_SCALE
    whole = np.clip(np.rint(scaled), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int32)
    return np.left_shift(whole, 8)


def _probe(path: Path) -> None:
    """Find out whether a file can be written and no other run does so, leaving things as they were; raises OSError if not."""
    fd, new = open_untouched(path)
    os.close(fd)
    if new:
        path.unlink()
