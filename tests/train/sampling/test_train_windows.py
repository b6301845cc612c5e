"""Windows lie where the engine's would, and across two utterances as a stream's do."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from realtime_ser.features.spec import FrontEndSpec
from train.data.features import Frames
from train.data.manifest import Row
from train.sampling.windows import NEW_S, Clip, Earlier, streamed_windows, valid_ends, window_across

SPEC = FrontEndSpec("stacked")
PER_S = SPEC.sample_rate / SPEC.hop_length


def made(clips: int, frames: int, first: int, last: int) -> Frames:
    """Clips whose frames ``first`` to ``last`` are speech; every column holds its own number."""
    log_mel = np.tile(np.arange(frames, dtype=np.float16), (64, clips))
    speech = np.tile((np.arange(frames) >= first) & (np.arange(frames) < last), clips)
    return Frames(log_mel, speech, np.arange(clips + 1) * frames)


def test_a_window_needs_a_little_speech_and_some_of_it_lately() -> None:
    speech = np.zeros(256, bool)
    speech[64:96] = True  # from 1.0 to 1.5 s
    ends = valid_ends(speech, 64, SPEC)
    assert ends[0] == 64 + 11  # 0.16 s is ten and a quarter frames
    assert ends[-1] == 95 + 26  # 0.4 s
    assert not len(valid_ends(np.zeros(256, bool), 64, SPEC))


def test_streamed_windows_grow_to_three_seconds_and_then_slide() -> None:
    windows = streamed_windows(made(2, 260, 0, 260), 1, SPEC)
    longest = SPEC.frames_in(3.0)
    assert [w.shape[1] for w in windows] == [*range(63, longest + 1, 16), *[longest] * ((260 - longest) // 16)]
    assert windows[-1][0, -1] == 63 + 16 * (len(windows) - 1) - 1


def numbered(frames: int, first: int, last: int, offset: int) -> Clip:
    """A clip whose frames ``first`` to ``last`` are speech, and whose columns hold their own number plus ``offset``."""
    columns = np.arange(frames)
    return np.tile((columns + offset).astype(np.float16), (4, 1)), (columns >= first) & (columns < last)


def test_a_window_across_is_the_end_of_one_clip_a_pause_and_the_beginning_of_the_next() -> None:
    earlier, clip = numbered(250, 60, 180, 0), numbered(250, 70, 190, 1000)
    rng = np.random.default_rng(0)
    pauses = []
    for _ in range(200):
        window = window_across(earlier, clip, 188, SPEC, rng, least_s=NEW_S)
        assert window is not None
        assert window.shape == (4, 188)
        columns = window[0]
        (seam,) = np.flatnonzero(np.diff(columns) != 1)
        before, after = columns[: seam + 1], columns[seam + 1 :] - 1000
        assert before[0] < 180, "speech of the first clip"
        assert before[-1] >= 179, "all that it had left to say"
        assert after[0] <= 70
        assert after[-1] >= 70 + NEW_S * PER_S - 1, "half a second of the second"
        assert after[-1] < 190 + 0.75 * PER_S, "some speech lately"
        pauses.append((before[-1] - 179 + 70 - after[0]) / PER_S)
    assert 0.25 < min(pauses) < 0.5
    assert 1.8 < max(pauses) < 2.05


@pytest.mark.parametrize("silent", [0, 1])
def test_without_speech_on_both_sides_there_is_no_window_across(silent: int) -> None:
    clips = [numbered(250, 60, 180, 0), numbered(250, 60, 180, 1000)]
    clips[silent] = numbered(250, 0, 0, 0)
    assert window_across(clips[0], clips[1], 188, SPEC, np.random.default_rng(0), least_s=0.2) is None


def test_too_little_of_the_new_emotion_is_no_window() -> None:
    brief = numbered(80, 20, 40, 0)
    assert window_across(numbered(250, 60, 180, 0), brief, 188, SPEC, np.random.default_rng(0), least_s=NEW_S) is None
    assert window_across(numbered(250, 60, 180, 0), brief, 188, SPEC, np.random.default_rng(0), least_s=0.2) is not None


def test_silence_at_a_clips_edge_is_as_long_as_it_is() -> None:
    abrupt = numbered(120, 0, 120, 0)  # nothing but speech
    window = window_across(abrupt, numbered(120, 0, 120, 1000), 188, SPEC, np.random.default_rng(0), least_s=0.2)
    assert window is not None
    assert set(np.diff(window[0])) == {1.0, 1000 - 119}


def test_an_earlier_clip_is_of_the_same_voice_and_mostly_of_the_same_mood() -> None:
    rows = [
        Row(f"{i}.wav", "tess", f"s{i % 2}", ("sad", "happy", "angry")[i % 3], "", "", "", "speech", 2.0, f"{i}")
        for i in range(60)
    ]
    earlier = Earlier(rows)
    rng = np.random.default_rng(0)
    count: Counter[bool] = Counter()
    for _ in range(2000):
        other, least_s = earlier.draw(7, rng)
        assert rows[other].speaker == rows[7].speaker
        same = rows[other].emotion == rows[7].emotion
        assert (least_s == NEW_S) == (not same)
        count[same] += 1
    # Six in ten are drawn so, and one in three of the others by chance.
    assert 0.69 < count[True] / 2000 < 0.78
