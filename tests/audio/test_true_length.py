"""Recordings whose headers lie about their length: all that is there is read, and a cut one is said to be cut."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from realtime_ser.audio.file import FileSource
from realtime_ser.errors import SourceError
from realtime_ser.records import Block

RATE = 16_000
SECONDS = 3.0
COUNT = round(SECONDS * RATE)
LIST = b"LIST" + struct.pack("<I", 20) + b"INFOISFT" + struct.pack("<I", 8) + b"abcdefg\0"
ID3V1 = b"TAG" + b"x" * 125


def voice(rate: int = RATE) -> np.ndarray:
    t = np.arange(round(SECONDS * rate)) / rate
    noise = np.random.default_rng(0).normal(0, 0.02, len(t))
    return (0.3 * np.sin(2 * np.pi * 220 * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2 + noise).astype(np.float32)


class Pipe(io.RawIOBase):
    """Bytes that come in small pieces and cannot be sought in."""

    def __init__(self, content: bytes, piece: int = 777) -> None:
        self._content, self._piece = io.BytesIO(content), piece

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, count: int = -1) -> bytes:
        return self._content.read(self._piece if count < 0 else min(count, self._piece))


def read(content: bytes, *, pipe: bool = False) -> tuple[np.ndarray, str | None, float | None]:
    """The samples, what was complained of, and the length that was announced."""
    source: Any = Pipe(content) if pipe else content
    pieces: list[np.ndarray] = []
    with FileSource(source, name="talk") as opened:
        announced = opened.duration_s
        try:
            pieces.extend(item.samples for item in opened.blocks() if isinstance(item, Block))
        except SourceError as error:
            return np.concatenate(pieces), str(error), announced
    return np.concatenate(pieces), None, announced


def written(kind: str, subtype: str | None = None, samples: np.ndarray | None = None, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, voice(rate) if samples is None else samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def patched(content: bytes, at: int, form: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(form, changed, at, value)
    return bytes(changed)


def wav(claimed: int, tail: bytes = b"", subtype: str = "PCM_16") -> bytes:
    """A WAV whose header claims ``claimed`` bytes of samples."""
    content = written("WAV", subtype)
    at = content.index(b"data") + 4
    return patched(patched(content, at, "<I", claimed), 4, "<I", min(0xFFFFFFFF, claimed + 36)) + tail


def size(bytes_a_sample: float = 2) -> int:
    return round(COUNT * bytes_a_sample)


WHOLE: dict[str, Callable[[], bytes]] = {
    "the writer was killed": lambda: wav(3_200),
    "a size of 0": lambda: wav(0),
    "a size of -1": lambda: wav(0xFFFFFFFF),
    "sox's size on a pipe": lambda: wav(0x7FFFFFFF - 36),
    "arecord's size on a pipe": lambda: wav(0x80000000),
    "44 bytes too many": lambda: wav(size() + 44),
    "an odd byte at the end": lambda: wav(size(), b"\x01"),
    "a chunk behind the samples": lambda: wav(size(), LIST),
    "an unknown chunk behind the samples": lambda: wav(size(), b"zZ9 " + struct.pack("<I", 4) + b"abcd"),
    "a tag behind the samples": lambda: wav(size(), ID3V1),
    "a few zeros behind the samples": lambda: wav(size(), bytes(5)),
    "24 bits, killed": lambda: wav(4_800, subtype="PCM_24"),
    "float, a size of 0": lambda: wav(0, subtype="FLOAT"),
    "mu-law, killed": lambda: wav(800, subtype="ULAW"),
    "RF64": lambda: written("RF64"),
    "RF64 of unknown size": lambda: _rf64(0),
    "RF64, killed": lambda: _rf64(3_200),
    "W64": lambda: written("W64"),
    "W64 of unknown size": lambda: _w64(24),
    "W64, killed": lambda: _w64(24 + 3_200),
    "AIFF": lambda: written("AIFF"),
    "AIFF of unknown size": lambda: _aiff(0),
    "AIFF, killed": lambda: _aiff(8 + 3_200),
    "AU of unknown size": lambda: patched(written("AU"), 8, ">I", 0xFFFFFFFF),
    "AU, killed": lambda: patched(written("AU"), 8, ">I", 3_200),
    "CAF": lambda: written("CAF"),
    "CAF of unknown size": lambda: _caf(-1),
    "CAF, killed": lambda: _caf(4 + 3_200),
    "NIST": lambda: _nist(COUNT),
    "NIST without a count": lambda: _nist(0),
    "FLAC": lambda: written("FLAC"),
    "FLAC of unknown length": lambda: _flac(0),
    "FLAC whose header says too little": lambda: _flac(3_200),
    "FLAC with a tag behind": lambda: written("FLAC") + ID3V1,
    "FLAC with a tag before": lambda: _id3(300) + written("FLAC"),
    "Ogg Vorbis": lambda: written("OGG", "VORBIS"),
    "Ogg Opus": lambda: written("OGG", "OPUS"),
    "Ogg with a tag behind": lambda: written("OGG", "VORBIS") + ID3V1,
    "MP3": lambda: written("MP3"),
    "MP3 behind 3 MB of tags": lambda: _id3(3 << 20) + written("MP3"),
    "MP3 with a tag behind": lambda: written("MP3") + ID3V1,
}
CODED: dict[str, str] = {"GSM": "GSM610", "MS ADPCM": "MS_ADPCM", "IMA ADPCM": "IMA_ADPCM"}


def _rf64(claimed: int) -> bytes:
    content = written("RF64")
    at = content.index(b"ds64") + 8
    return patched(patched(content, at, "<Q", claimed + 96), at + 8, "<Q", claimed)


def _w64(claimed: int) -> bytes:
    content = written("W64")
    return patched(content, content.index(b"data\xf3\xac") + 16, "<Q", claimed)


def _aiff(claimed: int) -> bytes:
    content = written("AIFF")
    return patched(content, content.index(b"SSND") + 4, ">I", claimed)


def _caf(claimed: int) -> bytes:
    content = written("CAF")
    return patched(content, content.index(b"data") + 4, ">q", claimed)


def _nist(count: int) -> bytes:
    fields = f"sample_count -i {count}\n" if count else ""
    head = f"NIST_1A\n   1024\nchannel_count -i 1\n{fields}sample_rate -i {RATE}\nsample_n_bytes -i 2\n"
    head += "sample_byte_format -s2 01\nsample_coding -s3 pcm\nend_head\n"
    return head.encode().ljust(1024, b"\n") + (voice() * 32767).astype("<i2").tobytes()


def _flac(count: int) -> bytes:
    content = written("FLAC")
    packed = int.from_bytes(content[18:26], "big")
    return content[:18] + ((packed >> 36 << 36) | count).to_bytes(8, "big") + content[26:]


def _id3(length: int) -> bytes:
    sizes = bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + sizes + b"\xff\xfb" * (length // 2)


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("name", WHOLE)
def test_what_is_there_is_read_to_its_end(name: str, pipe: bool) -> None:
    samples, complaint, announced = read(WHOLE[name](), pipe=pipe)
    assert complaint is None
    assert len(samples) == pytest.approx(COUNT, abs=RATE * 0.05)
    expected = voice()[: len(samples)]
    # The codecs that lose something keep the shape; what is exact is exact to 16 bits.
    assert np.corrcoef(samples[: len(expected)], expected)[0, 1] > 0.95
    # FLAC has no sizes from which a true length could be told in advance.
    assert announced is None or name.startswith("FLAC whose") or announced == pytest.approx(SECONDS, abs=0.3)


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("claimed", [None, 0, 0xFFFFFFFF])
@pytest.mark.parametrize("name", CODED)
def test_a_codec_inside_wav_may_pad_its_last_block(name: str, claimed: int | None, pipe: bool) -> None:
    content = written("WAV", CODED[name])
    if claimed is not None:
        content = patched(content, content.index(b"data") + 4, "<I", claimed)
    samples, complaint, _ = read(content, pipe=pipe)
    assert complaint is None
    assert COUNT - 700 <= len(samples) <= COUNT + 2_100


CUT: dict[str, Callable[[], bytes]] = {
    "WAV": lambda: written("WAV"),
    "float": lambda: written("WAV", "FLOAT"),
    "GSM": lambda: written("WAV", "GSM610"),
    "W64": lambda: written("W64"),
    "RF64": lambda: written("RF64"),
    "AIFF": lambda: written("AIFF"),
    "AU": lambda: written("AU"),
    "CAF": lambda: written("CAF"),
    "NIST": lambda: _nist(COUNT),
    "FLAC": lambda: written("FLAC"),
    "Vorbis": lambda: written("OGG", "VORBIS"),
    "Opus": lambda: written("OGG", "OPUS"),
    "MP3": lambda: written("MP3"),
}


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("name", CUT)
def test_a_cut_file_is_read_to_the_cut_and_said(name: str, pipe: bool) -> None:
    content = CUT[name]()
    samples, complaint, _ = read(content[: len(content) * 2 // 3], pipe=pipe)
    assert complaint is not None
    assert "cut short" in complaint
    assert "\n" not in complaint
    assert 0.25 * COUNT < len(samples) < 0.75 * COUNT


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_files_joined_end_to_end_are_all_read(kind: str) -> None:
    content = written(kind)
    samples, complaint, _ = read(content + content)
    assert complaint is None
    assert len(samples) == pytest.approx(2 * COUNT, abs=RATE * 0.1)
    np.testing.assert_allclose(samples[:COUNT][2000:-2000], samples[-COUNT:][2000:-2000], atol=1e-3)


def test_a_joined_file_at_another_rate_and_width_is_converted() -> None:
    samples, complaint, _ = read(written("MP3") + written("MP3", rate=32_000))
    assert complaint is None
    assert len(samples) == pytest.approx(2 * COUNT, abs=RATE * 0.1)


def test_a_wav_over_four_gib_is_announced_and_read_beyond_its_size(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    claimed = 1 << 20  # of 4 GiB and 1 MiB
    path.write_bytes(wav(claimed)[:44])
    with path.open("r+b") as file:  # sparse: it takes no room
        file.truncate(44 + (1 << 32) + claimed)
    with FileSource(path, block_s=10) as source:
        assert source.duration_s == ((1 << 32) + claimed) / 2 / RATE
        read_s = 0.0
        for block in source.blocks():
            assert isinstance(block, Block)
            read_s += len(block.samples) / RATE
            if read_s > 2 * claimed / 2 / RATE:
                source.stop()
    assert read_s > 2 * claimed / 2 / RATE


def test_garbage_inside_an_mp3_is_passed_over_and_said() -> None:
    content = bytearray(written("MP3"))
    middle = len(content) // 2
    content[middle : middle + 1500] = np.random.default_rng(1).bytes(1500)
    samples, complaint, _ = read(bytes(content))
    assert complaint is not None
    assert "damaged" in complaint or "cut short" in complaint
    assert len(samples) > 0.6 * COUNT


def test_mp3_frames_of_many_sizes_without_an_index(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    silence, loud = np.zeros(RATE * 4, np.float32), voice()
    soundfile.write(tmp_path / "a.wav", np.concatenate([loud, silence, loud]), RATE)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-q:a", "4", "-write_xing", "0", tmp_path / "a.mp3"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    for pipe in (False, True):
        samples, complaint, _ = read((tmp_path / "a.mp3").read_bytes(), pipe=pipe)
        assert complaint is None
        assert len(samples) >= 10 * RATE


def test_mp3_inside_wav_is_read(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    soundfile.write(tmp_path / "a.wav", voice(), RATE)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-c:a", "libmp3lame", "-f", "wav", tmp_path / "b.wav"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    samples, complaint, _ = read((tmp_path / "b.wav").read_bytes())
    assert complaint is None
    assert len(samples) >= COUNT


@pytest.mark.parametrize("kind", ["wav", "au", "aiff", "caf", "w64", "flac", "ogg", "mp3"])
def test_what_ffmpeg_writes_to_a_pipe(kind: str, tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    soundfile.write(tmp_path / "a.wav", voice(), RATE)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-f", kind, "-"]
    content = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout
    samples, complaint, announced = read(content)
    assert complaint is None
    assert len(samples) == pytest.approx(COUNT, abs=RATE * 0.15)
    assert announced is None or announced == pytest.approx(SECONDS, abs=0.2)
