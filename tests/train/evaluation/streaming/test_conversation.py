"""Streams of known truth."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from synthetic_rows import made_rows

from train.evaluation.streaming.conversation import PAUSE_S, conversation, steady, voiced_span

RATE = 16_000


def test_the_voice_is_found_between_its_silences() -> None:
    clip = np.zeros(3 * RATE, np.float32)
    clip[RATE : 2 * RATE] = 0.1 * np.sin(np.arange(RATE))
    clip += np.random.default_rng(0).normal(0, 1e-4, len(clip)).astype(np.float32)
    first, last = voiced_span(clip, RATE)
    assert first == pytest.approx(RATE, abs=0.02 * RATE)
    assert last == pytest.approx(2 * RATE, abs=0.02 * RATE)
    assert voiced_span(np.zeros(RATE, np.float32), RATE) == (0, RATE)
    assert voiced_span(np.zeros(7, np.float32), RATE) == (0, 7)


@pytest.mark.slow
def test_the_truth_says_where_each_voice_is(tmp_path: Path) -> None:
    rows = made_rows(tmp_path, emotions=("happy", "sad", "angry"), each=5)
    scene = conversation(tmp_path, rows, RATE, seed=3)
    assert scene.duration_s == len(scene.samples) / RATE
    assert Counter(one.emotion for one in scene.utterances) == {"happy": 5, "sad": 5, "angry": 5}
    sounding = np.zeros(len(scene.samples), bool)
    for one in scene.utterances:
        sounding[round(one.start_s * RATE) : round(one.end_s * RATE)] = True
    power = scene.samples.astype(float) ** 2
    assert 10 * np.log10(power[sounding].mean() / power[~sounding].mean()) > 25
    for before, after in pairwise(scene.utterances):
        assert PAUSE_S[0] <= after.start_s - before.end_s <= PAUSE_S[1] + 0.15


@pytest.mark.slow
def test_another_emotion_follows_after_two_to_four_clips(tmp_path: Path) -> None:
    rows = made_rows(tmp_path, emotions=("happy", "sad", "angry", "calm"), each=8)
    for seed in range(5):
        scene = conversation(tmp_path, rows, RATE, seed=seed)
        lengths = [sum(s.start_s <= one.start_s < s.end_s for one in scene.utterances) for s in scene.stretches]
        assert all(2 <= length <= 5 for length in lengths), lengths


@pytest.mark.slow
def test_a_seed_repeats_itself_and_another_differs(tmp_path: Path) -> None:
    rows = made_rows(tmp_path, emotions=("happy", "sad"), each=4)
    one, same, other = (conversation(tmp_path, rows, RATE, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.samples, same.samples)
    assert one.utterances == same.utterances
    assert one.utterances != other.utterances


def test_steady_speech_has_one_emotion(tmp_path: Path) -> None:
    rows = made_rows(tmp_path, emotions=("happy", "sad"), each=3)
    scenes = list(steady(tmp_path, rows, RATE, seed=0))
    assert [{one.emotion for one in scene.utterances} for scene in scenes] == [{"happy"}, {"sad"}]
    assert all(len(scene.utterances) == 3 and len(scene.stretches) == 1 for scene in scenes)


def test_clips_of_another_rate_are_resampled(tmp_path: Path) -> None:
    (row,) = made_rows(tmp_path, emotions=("happy",), each=1)
    samples, rate = soundfile.read(tmp_path / row.path)
    soundfile.write(tmp_path / row.path, np.repeat(samples, 3), 3 * rate, subtype="PCM_16")
    scene = conversation(tmp_path, [row], RATE, seed=0)
    (one,) = scene.utterances
    assert one.end_s - one.start_s == pytest.approx(0.8, abs=0.1)
