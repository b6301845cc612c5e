"""A prior of ordinary speech moves labels and confidence, never the model's own probabilities, and keeps calibration."""

from __future__ import annotations

import numpy as np
import pytest

from realtime_ser.config import SmoothingConfig
from realtime_ser.engine.label_shift import LabelShift
from realtime_ser.engine.smoother import Smoother

LABELS = ("angry", "calm", "happy", "neutral")


def test_bayes_rule_at_another_share() -> None:
    probs = np.array([0.4, 0.1, 0.2, 0.3], np.float32)
    shifted = LabelShift(LABELS, 0.8)(probs)
    # Learned half and half: plain labels count 0.8 / 0.5, the others 0.2 / 0.5.
    expected = probs * np.array([0.4, 1.6, 0.4, 1.6])
    np.testing.assert_allclose(shifted, expected / expected.sum(), rtol=1e-6)
    assert shifted.dtype == np.float32


@pytest.mark.parametrize("share", [None, 0.5])
def test_the_share_that_was_learned_changes_nothing(share: float | None) -> None:
    probs = np.array([0.4, 0.1, 0.2, 0.3], np.float32)
    np.testing.assert_allclose(LabelShift(LABELS, share)(probs), probs, rtol=1e-6)


def test_a_model_of_no_plain_label_is_left_alone() -> None:
    probs = np.array([0.4, 0.6], np.float32)
    np.testing.assert_array_equal(LabelShift(("angry", "happy"), 0.9)(probs), probs)


def test_calibrated_answers_stay_calibrated() -> None:
    """Draw truths from a prior of nine in ten plain: shifted confidence equals how often it is right."""
    rng = np.random.default_rng(0)
    prior = np.array([0.05, 0.45, 0.05, 0.45])
    truth = rng.choice(4, 40_000, p=prior)
    evidence = rng.normal(0, 1, (40_000, 4))
    evidence[np.arange(40_000), truth] += 1.5
    likelihood = np.exp(1.5 * evidence)
    probs = (likelihood / likelihood.sum(axis=1, keepdims=True)).astype(np.float32)  # right where all are alike
    shift = LabelShift(LABELS, 0.9)
    shifted = np.stack([shift(row) for row in probs])
    for low in (0.5, 0.7, 0.9):
        chosen = (shifted.max(axis=1) >= low) & (shifted.max(axis=1) < low + 0.1)
        right = (shifted.argmax(axis=1) == truth)[chosen].mean()
        assert right == pytest.approx(shifted.max(axis=1)[chosen].mean(), abs=0.02)
    # Each label's mean probability is how often it is true; unshifted, a rare one's is far more.
    np.testing.assert_allclose(shifted.mean(axis=0), prior, atol=0.01)
    assert probs[:, 0].mean() > 0.1


def test_labels_and_confidence_are_shifted() -> None:
    probs = np.array([0.4, 0.1, 0.2, 0.3], np.float32)
    _, label, plain_confidence = Smoother(LABELS, SmoothingConfig(neutral_share=None)).speech(probs, 0.25)
    assert label == "angry"
    assert plain_confidence == pytest.approx(0.4)
    shifted = Smoother(LABELS, SmoothingConfig(neutral_share=0.8))
    state, label, confidence = shifted.speech(probs, 0.25)
    assert (state, label) == ("speech", "neutral")
    assert confidence == pytest.approx(0.3 * 1.6 / (0.6 * 0.4 + 0.4 * 1.6), rel=1e-5)
    assert shifted.smoothed.sum() == pytest.approx(1, abs=1e-6)
