"""Correction for label shift: the user sets the share of neutral speech, and log-probabilities are shifted to that prior.

A model trained on every label equally often assumes that neutral voices are as rare as disgusted ones. Bayes' rule converts its
probabilities to another share of neutral and calm, and keeps them calibrated (Saerens et al. 2002,
https://doi.org/10.1162/089976602753284446).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realtime_ser.records import FloatArray

PLAIN = ("neutral", "calm")


class LabelShift:
    """Multiplies each probability by the ratio of its label's new and old share, and scales the sum to one.

    Parameters
    ----------
    labels : of the model, assumed to be trained on each equally often
    share : of neutral and calm together, 0 to 1; None: no shift
    """

    def __init__(self, labels: Sequence[str], share: float | None) -> None:
        plain = np.array([label in PLAIN for label in labels])
        self._factors: FloatArray | None = None
        if share is not None and plain.any() and not plain.all():
            learned = float(plain.mean())
            self._factors = np.where(plain, share / learned, (1 - share) / (1 - learned)).astype(np.float32)

    def __call__(self, probs: FloatArray) -> FloatArray:
        """float32 (C,) -> float32 (C,), both summing to one."""
        if self._factors is None:
            return probs
        shifted = probs * self._factors
        return np.asarray(shifted / shifted.sum(), np.float32)
