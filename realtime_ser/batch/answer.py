"""From a recording's windows to its one answer; training scores clips by the same rule."""

from __future__ import annotations

import numpy as np

from realtime_ser.records import Estimate, FloatArray

FULLEST = 0.9  # a recording's answer comes from windows with at least this share of the speech of the one that has most


def speech_s(estimate: Estimate) -> float:
    """Seconds of speech in a window."""
    return estimate.speech_ratio * (estimate.end_s - estimate.start_s)


def fullest_mean(probs: FloatArray, seconds: FloatArray) -> FloatArray:
    """A recording's probabilities: the mean over its fullest windows.

    Windows with little speech, such as a recording's first ones, are left out.

    Parameters
    ----------
    probs : float32 (windows, C), of the windows with speech
    seconds : float32 (windows,), of speech in each

    Returns
    -------
    float32 (C,), summing to one; zeros where there is no window
    """
    if not len(probs):
        return np.zeros(probs.shape[1], np.float32)
    return np.asarray(probs[seconds >= FULLEST * seconds.max()].mean(axis=0), np.float32)
