"""What fuzzing found in damaged files, one test a finding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from command import SAMPLE, assert_accounted, realtime_ser, records


@pytest.fixture
def mp3(tmp_path: Path) -> Path:
    audio, rate = soundfile.read(SAMPLE, dtype="float32")
    path = tmp_path / "talk.mp3"
    soundfile.write(path, audio[: 4 * rate], rate)
    return path


@pytest.mark.slow
def test_the_mp3_decoder_does_not_speak_between_our_lines(mp3: Path, bundles: dict[str, Path]) -> None:
    content = bytearray(mp3.read_bytes())
    content[len(content) // 2 :: 97] = b"\xff" * len(content[len(content) // 2 :: 97])
    mp3.write_bytes(content)
    result = realtime_ser("replay", mp3, "--speed", "max", "--model", bundles["flatstats"], "--jsonl", "-")
    assert "mpg123" not in result.stderr
    assert result.stderr.count("\n") == (1 if result.returncode else 0)


@pytest.mark.slow
def test_an_mp3_without_a_frame_is_not_said_to_be_missing(mp3: Path, bundles: dict[str, Path]) -> None:
    mp3.write_bytes(mp3.read_bytes()[:200])
    result = realtime_ser("replay", mp3, "--speed", "max", "--model", bundles["flatstats"])
    assert result.returncode == 1
    assert "no audio frame" in result.stderr
    assert "exist" not in result.stderr


def test_numbers_beyond_all_audio_are_lost_audio(tmp_path: Path, bundles: dict[str, Path]) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="float32")
    audio = audio[: 6 * rate]
    audio[3 * rate : 3 * rate + 50] = np.float32(3e38)
    path = tmp_path / "huge.wav"
    soundfile.write(path, audio, rate, subtype="FLOAT")
    result = realtime_ser("replay", path, "--speed", "max", "--model", bundles["flatstats"], "--jsonl", "-")
    assert result.returncode == 0
    summary = records(result.stdout)[-1]
    assert_accounted(summary)
    assert 50 <= summary["dropped_samples"] <= rate
