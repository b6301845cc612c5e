"""One function makes a source of whatever is named."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_ser.audio.array import ArraySource
from realtime_ser.audio.file import FileSource
from realtime_ser.audio.folder import find_files
from realtime_ser.audio.microphone import MicSource
from realtime_ser.audio.open import open_source
from realtime_ser.audio.raw import RAW_FORMATS, raw_format
from realtime_ser.audio.realtime import PacedSource
from realtime_ser.audio.source import Source
from realtime_ser.config import CaptureConfig
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.records import Block

RATE = 16_000
SAMPLES = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
CONFIG = CaptureConfig()


@pytest.fixture
def wav() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, RATE, format="WAV", subtype="FLOAT")
    return file.getvalue()


def samples_of(source: Source) -> np.ndarray:
    with source:
        return np.concatenate([item.samples for item in source.blocks() if isinstance(item, Block)])


def test_a_path_bytes_a_file_object_and_an_array_are_one_recording(wav: bytes, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(wav)
    with path.open("rb") as file:
        for given in (path, str(path), wav, bytearray(wav), io.BytesIO(wav), file, SAMPLES):
            np.testing.assert_array_equal(samples_of(open_source(given, CONFIG, sample_rate=RATE)), SAMPLES)
        assert not file.closed


def test_which_source_it_is(tmp_path: Path) -> None:
    assert isinstance(open_source(None, CONFIG), MicSource)
    assert isinstance(open_source(tmp_path / "talk.wav", CONFIG), FileSource)
    assert isinstance(open_source([0.0, 0.1], CONFIG), ArraySource)
    paced = open_source(SAMPLES, CONFIG, speed=4)
    assert isinstance(paced, PacedSource)
    assert paced.speed == 4
    for source in (open_source(None, CONFIG), open_source(SAMPLES, CONFIG), paced):
        assert (source.waiting_s, source.speed > 0) == (0.0, True)


def test_a_channel_comes_from_the_settings_or_the_call(wav: bytes) -> None:
    stereo = np.stack([SAMPLES, -0.5 * SAMPLES], axis=1)
    settings = CaptureConfig(channel=2)
    np.testing.assert_array_equal(samples_of(open_source(stereo, settings, sample_rate=RATE)), stereo[:, 1])
    np.testing.assert_array_equal(samples_of(open_source(stereo, settings, sample_rate=RATE, channel=1)), SAMPLES)
    with pytest.raises(ConfigError, match="no channel 2"):
        samples_of(open_source(wav, settings))
    with pytest.raises(ConfigError, match="no channel 2"):
        open_source(SAMPLES, settings, sample_rate=RATE)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b"", "is empty"),
        (b"hello, world " * 20, "not audio"),
        (io.StringIO("text"), "binary mode"),
        (b"\0\0" * 999, "frombuffer"),
    ],
)
def test_what_is_no_recording_is_one_line(given: object, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        samples_of(open_source(given, CONFIG))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", RAW_FORMATS)
def test_every_raw_format_is_read_back(name: str) -> None:
    raw = raw_format(name, RATE)
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, RATE, format="RAW", subtype=raw.subtype, endian=raw.endian)
    tolerance = 0.02 if name in ("u8", "s8", "mulaw", "alaw") else 1e-4
    np.testing.assert_allclose(samples_of(open_source(file.getvalue(), CONFIG, raw=raw)), SAMPLES, atol=tolerance)


def test_raw_formats_as_arecord_names_them() -> None:
    assert raw_format("S16_LE", RATE) == raw_format("s16le", RATE)
    assert raw_format("FLOAT_LE", RATE) == raw_format("f32le", RATE)
    with pytest.raises(ConfigError, match="unknown sample format"):
        raw_format("s17le", RATE)
    with pytest.raises(SourceError, match="outside 1000"):
        raw_format("s16le", 10)


def test_a_folder_says_what_it_leaves_out(tmp_path: Path) -> None:
    for name in ("a.wav", "b.m4a", "c.MP4", "d.aifc", "e.txt", ".f.m4a"):
        (tmp_path / name).touch()
    found = find_files([tmp_path])
    assert [path.name for path in found.files] == ["a.wav", "d.aifc"]
    note = found.note() or ""
    assert note.startswith("2 files left out (.m4a, .mp4)")
    assert f"ffmpeg -i {tmp_path / 'b.m4a'} b.wav" in note
    everything = find_files([tmp_path], with_ffmpeg=True)
    assert [path.name for path in everything.files] == ["a.wav", "b.m4a", "c.MP4", "d.aifc"]
    assert everything.note() is None
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "g.webm").touch()
    with pytest.raises(ConfigError, match=r"no audio file in .*; 1 file left out"):
        find_files([tmp_path / "only"])


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        (SAMPLES, {"channel": "1"}, "channel='1': give a whole number"),
        (SAMPLES, {"channel": 1.5}, "channel=1.5: give a whole number"),
        ("talk.wav", {"device": "usb"}, "device='usb' is a microphone, and a recording is read"),
    ],
)
def test_what_would_be_ignored_is_refused(source: object, options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        open_source(source, CONFIG, **options)  # type: ignore[arg-type]


def test_no_samples_and_no_name_are_said() -> None:
    with pytest.raises(SourceError, match="an array of no samples"):
        open_source(SAMPLES[:0], CONFIG)
    with pytest.raises(SourceError, match="an empty name is no file"):
        open_source("", CONFIG)


def test_a_file_object_at_its_end_is_not_called_empty(wav: bytes) -> None:
    file = io.BytesIO(wav)
    file.seek(0, io.SEEK_END)
    with pytest.raises(SourceError, match=r"is at its end; seek\(0\) first"), open_source(file, CONFIG):
        pass
    with pytest.raises(SourceError, match=r"is empty \(0 bytes\)"), open_source(io.BytesIO(), CONFIG):
        pass
