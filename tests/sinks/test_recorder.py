"""The recording equals the audio: bit for bit, in order, with gaps as silence, also after a kill or on a full disk."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.records import Block, Session
from realtime_ser.sinks.recorder import RecorderSink

SESSION = Session("0", "mlp", ("a",), 16000, 3.0, 0.25, "mic", "now")


def noise(count: int, seed: int = 0, bits: int = 16) -> np.ndarray:
    full = 1 << (bits - 1)
    whole = np.random.default_rng(seed).integers(-full, full, count)
    return (whole / full).astype(np.float32)


def record(path: Path, blocks: list[Block], session: Session | None = SESSION) -> RecorderSink:
    sink = RecorderSink(path)
    if session is not None:
        sink.write(session)
    for block in blocks:
        sink.write(block)
    sink.close()
    return sink


@pytest.mark.parametrize("extension", ["flac", "wav", "FLAC"])
@pytest.mark.parametrize("bits", [16, 24])
def test_comes_back_bit_for_bit(tmp_path, extension, bits):
    path = tmp_path / f"out.{extension}"
    heard = noise(20_000, bits=bits)
    record(path, [Block(part, 44100, 1000 * index) for index, part in enumerate(np.split(heard, 20))])
    back, rate = soundfile.read(path, dtype="float32")
    assert rate == 44100
    assert soundfile.info(path).subtype == "PCM_24"
    np.testing.assert_array_equal(back, heard)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 70_000)), min_size=1, max_size=6), st.booleans())
def test_gaps_are_silence_in_their_place(tmp_path_factory, pieces, wav):
    path = tmp_path_factory.mktemp("rec") / ("out.wav" if wav else "out.flac")
    blocks, expected, at = [], [], 0
    for seed, (count, gap) in enumerate(pieces):
        at += gap
        blocks.append(Block(noise(count, seed), 16000, at))
        expected += [np.zeros(gap, np.float32), blocks[-1].samples]
        at += count
    record(path, blocks)
    expected = np.concatenate(expected)
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0] if path.exists() else [], expected)


@pytest.mark.slow
def test_a_gap_of_hours_takes_no_memory(tmp_path):
    path = tmp_path / "out.flac"
    sink = RecorderSink(path)
    sink.write(SESSION)
    sink.write(Block(noise(16000), 16000, 0))
    tracemalloc.start()
    sink.write(Block(noise(160), 16000, 3600 * 16000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    sink.close()
    assert soundfile.info(path).frames == 3600 * 16000 + 160
    assert peak < 2_000_000


def test_an_absence_of_days_starts_another_file(tmp_path):
    blocks = [Block(noise(8000), 16000, 0), Block(noise(8000, 1), 16000, 3 * 86400 * 16000)]
    sink = record(tmp_path / "out.flac", blocks)
    assert [soundfile.info(path).frames for path in sink.paths] == [8000, 8000]


def test_an_absence_at_the_end_is_silence_and_one_of_hours_no_file(tmp_path):
    first, nothing = noise(100), np.zeros(0, np.float32)
    for end, frames in ((700, 700), (7 * 3600 * 8000, 100)):
        sink = record(tmp_path / f"{end}.wav", [Block(first, 8000, 0), Block(nothing, 8000, end)])
        assert sink.paths == [tmp_path / f"{end}.wav"]
        assert soundfile.info(sink.paths[0]).frames == frames


def test_a_new_rate_and_a_new_stream_go_on_in_a_further_file(tmp_path):
    path = tmp_path / "out.flac"
    (tmp_path / "out-2.flac").write_bytes(b"mine")
    sink = RecorderSink(path)
    sink.write(SESSION)
    sink.write(Block(noise(9000), 48000, 0))
    sink.write(Block(noise(8000, 1), 16000, 100_000))
    sink.write(SESSION)
    sink.write(Block(noise(7000, 2), 16000, 500))
    sink.close()
    assert [item.name for item in sink.paths] == ["out.flac", "out-3.flac", "out-4.flac"]
    assert (tmp_path / "out-2.flac").read_bytes() == b"mine"
    lengths = [(soundfile.info(item).samplerate, soundfile.info(item).frames) for item in sink.paths]
    assert lengths == [(48000, 9000), (16000, 8000), (16000, 7500)]


def test_clips_and_survives_nan(tmp_path):
    path = tmp_path / "out.flac"
    record(path, [Block(np.array([2.0, -3.0, np.nan, np.inf, -np.inf, 0.5], np.float32), 8000, 0)])
    back = soundfile.read(path)[0]
    np.testing.assert_allclose(back, [1, -1, 0, 1, -1, 0.5], atol=2e-7)


def test_an_overlapping_block_adds_only_its_news(tmp_path):
    path = tmp_path / "out.flac"
    heard = noise(10_000)
    record(path, [Block(heard[:6000], 16000, 0), Block(heard[5000:], 16000, 5000), Block(heard[:100], 16000, 0)])
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], heard)


def test_no_audio_no_file_and_nothing_destroyed(tmp_path):
    old = tmp_path / "old.flac"
    old.write_bytes(b"precious")
    record(old, [])
    record(tmp_path / "new.flac", [])
    assert old.read_bytes() == b"precious"
    assert not (tmp_path / "new.flac").exists()


def test_wrong_names_are_said_at_once(tmp_path):
    with pytest.raises(ConfigError, match=r"must end in \.flac or \.wav"):
        RecorderSink(tmp_path / "out.mp3")
    with pytest.raises(SinkError, match="create its folder first"):
        RecorderSink(tmp_path / "no" / "out.flac")


def test_an_impossible_rate_is_a_sink_error(tmp_path):
    with pytest.raises(SinkError, match="FLAC at 5000000 Hz"):
        record(tmp_path / "out.flac", [Block(noise(9000), 5_000_000, 0)])


KILLED = """
import sys, time
import numpy as np
from realtime_ser.records import Block
from realtime_ser.sinks.recorder import RecorderSink
path, rate = sys.argv[1], int(sys.argv[2])
sink, at, step = RecorderSink(path), 0, rate // 50
while True:
    # The sample's own index, so that the test sees whether it is in its place.
    sink.write(Block(((at + np.arange(step)) % 30000 / 32768).astype(np.float32), rate, at))
    at += step
    print(at, flush=True)
    time.sleep(0.02)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("extension", "rate"), [("flac", 8000), ("flac", 48000), ("wav", 16000)])
def test_a_killed_run_leaves_a_file_that_opens(tmp_path, extension, rate):
    path = tmp_path / f"out.{extension}"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path), str(rate)], stdout=subprocess.PIPE, text=True)
    written = 0
    with process, process.stdout:
        for line in process.stdout:
            written = int(line)
            if written > 1.7 * rate:
                os.kill(process.pid, signal.SIGKILL)
                break
    back = soundfile.read(path, dtype="float32")[0]
    assert written - rate < len(back)
    np.testing.assert_array_equal(back, (np.arange(len(back)) % 30000 / 32768).astype(np.float32))


def test_killed_before_the_first_whole_frame_leaves_no_broken_file(tmp_path):
    path = tmp_path / "out.flac"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path), "8000"], stdout=subprocess.PIPE, text=True)
    with process, process.stdout:
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert not path.exists()


@pytest.mark.parametrize("extension", ["flac", "wav"])
def test_a_full_disk_ends_the_sink_and_the_file_opens(small_disk, extension):
    path = small_disk / f"out.{extension}"
    sink = RecorderSink(path)
    blocks = iter(Block(noise(16000, index, bits=24), 16000, 16000 * index) for index in range(100))
    with pytest.raises(SinkError, match=r"No space left on device; free some space"):
        any(map(sink.write, blocks))
    sink.write(Block(noise(160), 16000, 10**8))
    sink.close()
    back = soundfile.read(path, dtype="float32")[0]
    assert len(back) > 16000
    np.testing.assert_array_equal(back[:16000], noise(16000, 0, bits=24))
