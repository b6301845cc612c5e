"""From a recording's windows to its one answer; training scores clips by the same rule."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from realtime_ser.engine.label_shift import LabelShift
from realtime_ser.records import Estimate, FloatArray

# Windows together are more often right than each alone, so their mean is too modest (Ranjan and Gneiting 2010,
# https://doi.org/10.1111/j.1467-9868.2009.00726.x). Measured on corpora left out of training: docs/decisions/0058.
SURER = 0.2


def speech_s(estimate: Estimate) -> float:
    """Seconds of speech in a window."""
    return estimate.speech_ratio * (estimate.end_s - estimate.start_s)


def joint_answer(probs: FloatArray, seconds: FloatArray) -> FloatArray:
    """A recording's probabilities: the mean over its windows, each weighed by its speech, made surer.

    The mean is raised to a power that goes from 1, for a single window, to ``1 + SURER``, for many.

    Parameters
    ----------
    probs : float32 (windows, C), of the windows with speech
    seconds : float32 (windows,), of speech in each; all 0, as with a gate that asks for none: each window weighs the same

    Returns
    -------
    float32 (C,), summing to one; zeros where there is no window
    """
    if not len(probs):
        return np.zeros(probs.shape[1], np.float32)
    weights = seconds if seconds.any() else np.ones_like(seconds)
    # float64: hours have a hundred thousand windows.
    powered = np.average(probs.astype(np.float64), axis=0, weights=weights) ** (1 + SURER * (1 - 1 / len(probs)))
    # A sum of 0 is a scored clip without a probability among the labels that are compared.
    return np.asarray(powered / max(powered.sum(), np.finfo(np.float64).tiny), np.float32)


def decided(probabilities: Mapping[str, float], neutral_share: float | None) -> tuple[str | None, float]:
    """A recording's label and its confidence: as live labels, at the share of neutral speech that the settings expect.

    Parameters
    ----------
    probabilities : by label, the model's own; empty where nobody speaks
    neutral_share : ``smoothing.neutral_share``; None: labels are not shifted

    Returns
    -------
    None and 0 where nobody speaks
    """
    if not probabilities:
        return None, 0.0
    shifted = LabelShift(tuple(probabilities), neutral_share)(np.fromiter(probabilities.values(), np.float32))
    best = int(np.argmax(shifted))
    return tuple(probabilities)[best], float(shifted[best])
