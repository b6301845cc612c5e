"""Scores of known screens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realtime_ser.config import Config, SmoothingConfig, StreamConfig
from realtime_ser.engine.engine import Engine
from stub_model import StubClassifier
from train.evaluation.streaming.conversation import Scene, Utterance
from train.evaluation.streaming.scores import (
    NO_SPEECH,
    UNSURE,
    Shown,
    Tally,
    delay,
    emotions_shown,
    flips,
    listen,
    shown,
    smoothed_again,
)


def screen(*labels: str, hop_s: float = 0.5) -> list[Shown]:
    return [Shown(i * hop_s, (i + 1) * hop_s, label) for i, label in enumerate(labels)]


def scene(*utterances: tuple[float, float, str], duration_s: float = 4.0) -> Scene:
    return Scene("s", np.zeros(0, np.float32), 1, tuple(Utterance(*one) for one in utterances), duration_s)


def test_each_emotion_counts_alike_and_only_voice_counts() -> None:
    tally = Tally()
    tally.add(
        scene((0.0, 1.0, "sad"), (2.0, 4.0, "happy")),
        screen("sad", "happy", "angry", "angry", "happy", "happy", UNSURE, NO_SPEECH),
    )
    assert tally.uar == pytest.approx((50 + 50) / 2)
    assert tally.unsure == pytest.approx(25 / 2)
    assert tally.undetected == pytest.approx(25 / 2)
    assert tally.uar_where_sure == pytest.approx((50 + 100) / 2)


def test_a_window_is_shared_between_what_it_covers() -> None:
    tally = Tally()
    tally.add(scene((0.25, 0.75, "sad")), screen("sad", "happy"))
    assert tally.uar == pytest.approx(50)


def test_what_no_window_covered_was_not_heard() -> None:
    tally = Tally()
    tally.add(scene((0.0, 2.0, "sad")), [Shown(1.0, 1.5, "sad"), Shown(1.5, 2.0, "sad")])
    assert (tally.uar, tally.undetected) == (pytest.approx(50), pytest.approx(50))


def test_the_delay_runs_from_the_first_sound_to_the_label() -> None:
    said = screen("happy", "happy", "sad", "sad", "happy")
    assert delay(Utterance(0.8, 3.0, "sad"), 3.0, said) == pytest.approx(1.5 - 0.8)
    assert np.isnan(delay(Utterance(0.8, 3.0, "angry"), 3.0, said))
    # A label that comes with the next emotion is too late; one that was right before the emotion began does not count.
    assert np.isnan(delay(Utterance(0.0, 1.0, "sad"), 1.5, said))
    assert delay(Utterance(1.5, 3.0, "happy"), 3.0, said) == pytest.approx(1.0)


def test_delays_are_of_stretches_and_those_that_never_come_are_told() -> None:
    tally = Tally()
    tally.add(
        scene((0.0, 0.5, "sad"), (1.0, 1.5, "sad"), (2.0, 3.0, "happy")), screen("sad", "sad", "sad", "sad", "sad", "sad")
    )
    assert len(tally.delays_s) == 2
    assert tally.onset(50) == pytest.approx(0.5)
    assert tally.never == pytest.approx(50)
    assert np.isnan(tally.half_by)
    tally.add(scene((0.0, 1.0, "sad")), screen("sad", "sad"))
    assert tally.half_by == pytest.approx(0.5)


def test_flips_are_from_one_emotion_to_another() -> None:
    assert flips(screen("sad", "sad", UNSURE, "sad", NO_SPEECH, "sad")) == 0
    assert flips(screen("sad", "happy", "sad")) == 2
    assert flips(screen("sad", NO_SPEECH, "happy")) == 1
    assert flips([]) == 0


def test_every_appearance_of_an_emotion_where_nobody_speaks_is_false() -> None:
    assert emotions_shown(screen(NO_SPEECH, UNSURE, NO_SPEECH)) == 0
    assert emotions_shown(screen("sad", "sad", NO_SPEECH, "sad", "happy")) == 3


def test_nothing_said_is_nothing_right() -> None:
    tally = Tally()
    tally.add(scene((0.0, 1.0, "sad")), [])
    assert (tally.uar, tally.undetected, tally.flips_per_minute) == (0.0, pytest.approx(100), 0.0)
    assert np.isnan(tally.onset(50))
    assert tally.as_dict()["stretches"] == 1
    assert tally.as_dict()["onset_to_label_s"] == {"p50": None, "p90": None}


def test_smoothing_again_gives_what_the_engine_would_have_shown() -> None:
    """The same windows under another smoother: as if the stream had been played anew."""
    classifier = StubClassifier()
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 40_000).astype(np.float32)
    noise[12_000:20_000] = 0
    gate = replace(Config().gate, vad=False)
    base = replace(Config(), gate=gate, stream=StreamConfig(hop_s=0.1))
    first = listen(Engine(classifier, base), noise, 4000)  # type: ignore[arg-type]
    assert {each.state for each in first} >= {"no_speech", "speech"}
    for smoothing in (
        SmoothingConfig(method="none", margin=0.0, hold_s=0.0),
        SmoothingConfig(method="hmm", unsure_below=0.5, forget_s=0.3),
        SmoothingConfig(method="majority", span_s=1.0, hold_s=0.2),
    ):
        anew = listen(Engine(classifier, replace(base, smoothing=smoothing)), noise, 4000)  # type: ignore[arg-type]
        assert smoothed_again(first, smoothing) == shown(anew)
