"""Audio files, whole, damaged and hostile."""

import os
import tracemalloc

import numpy as np
import pytest
import soundfile

from realtime_ser.audio.file import FileSource
from realtime_ser.errors import SourceError
from realtime_ser.records import Block

RATE = 16_000


def voice(seconds=2.0, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 220 * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2).astype(np.float32)


def heard(path, **options):
    with FileSource(path, **options) as source:
        return np.concatenate([item.samples for item in source.blocks() if isinstance(item, Block)])


def refusal(path):
    with pytest.raises(SourceError) as caught, FileSource(path) as source:
        list(source.blocks())
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize(("name", "tolerance"), [("a.wav", 1e-4), ("a.flac", 1e-4), ("a.ogg", 0.05), ("a.mp3", 0.05)])
def test_formats_are_read_as_written(tmp_path, name, tolerance):
    path = tmp_path / name
    samples = voice()
    soundfile.write(path, samples, RATE)
    with FileSource(path) as source:
        assert (source.rate, source.duration_s, source.name) == (RATE, pytest.approx(2.0, abs=0.01), str(path))
        blocks = list(source.blocks())
    assert {block.rate for block in blocks} == {RATE}
    assert all(block.captured_at is None for block in blocks)
    assert [block.start for block in blocks[1:]] == [block.end for block in blocks[:-1]]
    out = np.concatenate([block.samples for block in blocks])
    assert out.dtype == np.float32
    assert len(out) == len(samples)
    np.testing.assert_allclose(out[2000:-2000], samples[2000:-2000], atol=tolerance)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_any_rate(tmp_path, rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, voice(0.5, rate), rate)
    with FileSource(path) as source:
        assert source.rate == rate
        assert sum(len(block.samples) for block in source.blocks()) == rate // 2


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg"])
def test_blocks_of_a_compressed_file_equal_one_read_of_it(tmp_path, name):
    """A seek between the blocks of an MP3 would damage it."""
    path = tmp_path / name
    soundfile.write(path, voice(10) + np.random.default_rng(0).normal(0, 0.05, 10 * RATE).astype(np.float32), RATE)
    whole, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_allclose(heard(path), whole, atol=1e-6, rtol=0)


def test_channels_are_averaged(tmp_path):
    path = tmp_path / "stereo.wav"
    left = voice()
    soundfile.write(path, np.stack([left, np.zeros_like(left)], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(heard(path), left / 2, atol=1e-7)


@pytest.mark.parametrize("block_s", [0.001, 0.0333, 0.25, 10.0])
def test_the_block_length_changes_nothing(tmp_path, block_s):
    path = tmp_path / "a.flac"
    soundfile.write(path, voice(), RATE)
    np.testing.assert_array_equal(heard(path, block_s=block_s), heard(path))


@pytest.mark.slow
def test_a_long_file_is_streamed(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for _ in range(60):
            file.write(np.zeros(RATE * 10, dtype=np.float32))
    tracemalloc.start()
    with FileSource(path) as source:
        count = sum(len(block.samples) for block in source.blocks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 600 * RATE
    # The file has 37 MiB as samples; what other threads of this process allocate meanwhile counts too.
    assert peak < 8 << 20


def test_stop_ends_the_file_early(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, voice(), RATE)
    with FileSource(path) as source:
        starts = []
        for block in source.blocks():
            starts.append(block.start)
            source.stop()
    assert starts == [0]


def test_nan_is_left_for_the_engine_to_refuse(tmp_path):
    path = tmp_path / "nan.wav"
    soundfile.write(path, np.array([0, np.nan, np.inf], dtype=np.float32), RATE, subtype="FLOAT")
    assert np.isnan(heard(path)[1])


@pytest.mark.parametrize("name", ["cut.wav", "cut.flac", "cut.mp3", "cut.aiff"])
def test_a_file_cut_in_the_middle_is_heard_to_the_cut_and_then_said(tmp_path, name):
    path = tmp_path / name
    soundfile.write(path, voice(10), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    samples = []

    def hear():
        with FileSource(path) as source:
            samples.extend(block.samples for block in source.blocks())

    with pytest.raises(SourceError, match=r"cut short|damaged") as caught:
        hear()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    expected = {"cut.flac": 3.0}.get(name, 4.5)
    assert len(np.concatenate(samples)) > expected * RATE


def test_a_wav_written_to_a_pipe_has_no_length_and_is_whole(tmp_path):
    path = tmp_path / "piped.wav"
    soundfile.write(path, voice(), RATE)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(heard(path)) == 2 * RATE


def test_missing(tmp_path):
    assert "does not exist" in refusal(tmp_path / "absent.wav")


def test_folder(tmp_path):
    assert "is a folder" in refusal(tmp_path)


def test_empty(tmp_path):
    path = tmp_path / "empty.wav"
    path.touch()
    assert "is empty" in refusal(path)


def test_header_without_samples(tmp_path):
    path = tmp_path / "header.wav"
    soundfile.write(path, np.zeros(0, dtype=np.float32), RATE)
    assert "no audio" in refusal(path)


@pytest.mark.parametrize(
    "content", [b"hello, this is text", b"RIFF", b"\x00" * 500, b"fLaC" + b"\xff" * 100, b"OggS" + b"\x01" * 64]
)
def test_not_audio(tmp_path, content):
    path = tmp_path / "text.wav"
    path.write_bytes(content)
    message = refusal(path)
    assert "expected WAV, FLAC, OGG or MP3" in message or "no audio" in message


def test_absurd_rate(tmp_path):
    path = tmp_path / "fast.wav"
    soundfile.write(path, voice(0.1), RATE)
    content = bytearray(path.read_bytes())
    content[24:28] = (2_000_000_000).to_bytes(4, "little")
    path.write_bytes(content)
    assert "outside 1000 to 768000 Hz" in refusal(path)


def test_a_pipe_is_refused_without_waiting(tmp_path):
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    assert "no regular file" in refusal(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path):
    path = tmp_path / "secret.wav"
    soundfile.write(path, voice(), RATE)
    path.chmod(0)
    assert "permission" in refusal(path).lower()


def test_names_cannot_drive_a_terminal(tmp_path):
    path = tmp_path / "\x1b[31mred\nline.wav"
    with pytest.raises(SourceError) as caught, FileSource(path):
        pass
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nul_in_a_path_is_a_source_error():
    with pytest.raises(SourceError), FileSource("a\0b.wav"):
        pass


def test_blocks_outside_with_are_refused(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, voice(), RATE)
    with pytest.raises(SourceError, match="with statement"):
        next(FileSource(path).blocks())
