"""How much of what is spoken is ordinary: a prior that the user sets, as a shift of the log-probabilities (label shift).

A model that learned every label equally often answers as if a neutral voice were as rare as a disgusted one. Bayes' rule moves
its probabilities to another share of neutral and calm; where they were calibrated they stay so (Saerens et al. 2002,
https://doi.org/10.1162/089976602753284446).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realtime_ser.records import FloatArray

PLAIN = ("neutral", "calm")


class LabelShift:
    """Multiplies probabilities by what each label's share changes, and scales them to sum to one.

    Parameters
    ----------
    labels : of the model, which is taken to have learned each equally often
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
