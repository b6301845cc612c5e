"""The model's view of a stream: which audio it is given, and what a gap and a new stream make it forget."""

from __future__ import annotations

import numpy as np
import pytest

from bundles import RATE, MakeBundle, Samples
from realtime_ser.config import StreamConfig
from realtime_ser.errors import ModelError
from realtime_ser.model import Classifier, load_model
from realtime_ser.window_classifier import WindowClassifier

HOP = RATE // 4


@pytest.fixture
def model(make_bundle: MakeBundle) -> Classifier:
    """Log-mel, relative to a running mean that learns quickly."""
    bands = 64
    prior = {"mean": [-5.0] * bands, "deviation": [8.0] * bands, "prior_s": 0.5, "memory_s": 20.0}
    return load_model(make_bundle("stacked", normalisation=prior))


def test_a_gap_forgets_the_audio_and_keeps_the_voice(model: Classifier, talk: Samples) -> None:
    """The same words again: after a gap they are heard relative to what was said before it, in a new stream as at first."""
    windows = WindowClassifier(model, StreamConfig(recent_s=0.0))
    windows.push(talk[: 2 * RATE])
    first = windows.classify(HOP, recent=False)
    windows.forget_audio()
    assert not windows.ready
    windows.push(talk[: 2 * RATE])
    after_gap = windows.classify(HOP, recent=False)
    assert np.abs(after_gap - first).max() > 1e-6
    windows.reset()
    assert not windows.ready
    windows.push(talk[: 2 * RATE])
    np.testing.assert_array_equal(windows.classify(HOP, recent=False), first)


def test_the_last_seconds_are_heard_but_teach_nothing(model: Classifier, talk: Samples) -> None:
    """Hearing them once more must not make the running mean learn the same audio twice."""
    config = StreamConfig(recent_s=1.0, recent_share=0.5)
    asked, plain = WindowClassifier(model, config), WindowClassifier(model, config)
    for start in range(0, 4 * RATE, HOP):
        for windows in (asked, plain):
            windows.push(talk[start : start + HOP])
    assert asked.reaches_back
    assert not np.array_equal(asked.classify(HOP, recent=True), plain.classify(HOP, recent=False))
    np.testing.assert_array_equal(asked.classify(HOP, recent=False), plain.classify(HOP, recent=False))


@pytest.mark.parametrize("config", [StreamConfig(recent_s=0.0), StreamConfig(recent_share=0.0)])
def test_nothing_is_heard_twice_where_it_would_not_count(model: Classifier, talk: Samples, config: StreamConfig) -> None:
    windows = WindowClassifier(model, config)
    windows.push(talk[: 4 * RATE])
    assert windows.recent_s == 0
    assert not windows.reaches_back


@pytest.mark.parametrize("config", [StreamConfig(window_s=30.0), StreamConfig(min_window_s=0.2)])
def test_windows_that_the_model_was_not_trained_for_are_refused(model: Classifier, config: StreamConfig) -> None:
    with pytest.raises(ModelError, match="takes windows of"):
        WindowClassifier(model, config)
