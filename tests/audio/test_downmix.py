"""Many channels to one: the mean, one of them, or the louder where they cancel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_ser.audio.downmix import CHOOSE_CHANNEL, Downmix, check_channel, check_choice, choose_channel
from realtime_ser.audio.file import FileSource
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.records import Block, Notice

RATE = 16_000
RANDOM = np.random.default_rng(0)
VOICE = (0.2 * RANDOM.standard_normal(3 * RATE)).astype(np.float32)
OTHER = (0.2 * RANDOM.standard_normal(3 * RATE)).astype(np.float32)


def mixed(frames: np.ndarray, size: int, **options: object) -> tuple[np.ndarray, list[Notice]]:
    mixer = Downmix(RATE, name="call.wav", **options)  # type: ignore[arg-type]
    pieces, notices = [], []
    for at in range(0, len(frames), size):
        pieces.append(mixer.push(frames[at : at + size]))
        if (notice := mixer.take_notice()) is not None:
            notices.append(notice)
    return np.concatenate(pieces), notices


def test_opposite_phase_gives_the_voice_and_is_said_once() -> None:
    frames = np.stack([0.8 * VOICE, -VOICE], axis=1)
    samples, notices = mixed(frames, 320)
    np.testing.assert_array_equal(samples[RATE // 10 :], -VOICE[RATE // 10 :])
    (notice,) = notices
    assert notice.kind == "channels_cancel"
    assert "call.wav" in notice.message
    assert "channel 2" in notice.message


@pytest.mark.parametrize(
    "frames",
    [
        np.stack([VOICE, VOICE], axis=1),
        np.stack([VOICE, OTHER], axis=1),
        np.stack([VOICE, np.zeros_like(VOICE)], axis=1),
        np.stack([VOICE] + [np.zeros_like(VOICE)] * 7, axis=1),
        np.stack([VOICE, -0.4 * VOICE], axis=1),
        np.zeros((RATE, 2), np.float32),
    ],
    ids=["alike", "two voices", "one silent", "one of eight", "partly opposite", "silence"],
)
def test_all_else_is_the_mean(frames: np.ndarray) -> None:
    samples, notices = mixed(frames, 1_600)
    np.testing.assert_allclose(samples, frames.mean(axis=1), atol=1e-6)
    assert notices == []


@pytest.mark.parametrize("size", [1, 7, 160, 1_601, 48_000])
def test_blocks_of_any_size_give_the_same_samples(size: int) -> None:
    first = np.stack([VOICE, -VOICE], axis=1)
    second = np.stack([VOICE, OTHER], axis=1)
    frames = np.concatenate([second, first, second])[: 5 * RATE]
    expected, _ = mixed(frames, len(frames))
    samples, _ = mixed(frames[: 2 * RATE] if size == 1 else frames, size)
    np.testing.assert_array_equal(samples, expected[: len(samples)])


def test_channels_that_stop_cancelling_are_mixed_again() -> None:
    frames = np.concatenate([np.stack([VOICE, -VOICE], axis=1), np.stack([VOICE, OTHER], axis=1)])
    samples, _ = mixed(frames, 1_600)
    np.testing.assert_allclose(samples[-RATE:], frames[-RATE:].mean(axis=1), atol=1e-6)


def test_one_channel_is_taken_alone() -> None:
    frames = np.stack([VOICE, OTHER], axis=1)
    np.testing.assert_array_equal(mixed(frames, 1_000, channel=1)[0], VOICE)
    np.testing.assert_array_equal(mixed(frames, 1_000, channel=2)[0], OTHER)
    np.testing.assert_array_equal(choose_channel(VOICE, 1, "mono"), VOICE)


@pytest.mark.parametrize("channel", [0, 3, -1])
def test_a_channel_that_is_not_there(channel: int) -> None:
    with pytest.raises(SourceError, match=r"call\.wav has no channel"):
        check_channel(channel, 2, "call.wav")
    with pytest.raises(ConfigError, match=r"call\.wav has no channel"):
        check_choice(channel, 2, "call.wav")


def test_only_the_command_line_advises_an_option() -> None:
    frames = np.stack([VOICE, -VOICE], axis=1)
    for advice, end in (("", "while they do"), (CHOOSE_CHANNEL, "; --channel N takes one throughout")):
        mixer = Downmix(RATE, advice=advice)
        mixer.push(frames)
        notice = mixer.take_notice()
        assert notice is not None
        assert notice.message.endswith(end)


def test_not_a_number_in_one_channel_stays_for_the_engine() -> None:
    frames = np.stack([VOICE, -VOICE], axis=1).copy()
    frames[RATE, 0] = np.nan
    samples, _ = mixed(frames, 1_600)
    assert len(samples) == len(VOICE)


def test_a_file_of_opposite_phase_is_no_silence(tmp_path: Path) -> None:
    path = tmp_path / "opposite.wav"
    soundfile.write(path, np.stack([VOICE, -VOICE], axis=1), RATE, subtype="FLOAT")
    with FileSource(path) as source:
        items = list(source.blocks())
    level = np.concatenate([item.samples for item in items if isinstance(item, Block)])[RATE:].std()
    assert level == pytest.approx(0.2, rel=0.05)
    assert [item.kind for item in items if isinstance(item, Notice)] == ["channels_cancel"]


def test_a_file_without_the_channel_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mono.wav"
    soundfile.write(path, VOICE, RATE)
    with pytest.raises(ConfigError, match="has no channel 2: it has one channel"), FileSource(path, channel=2):
        pass
