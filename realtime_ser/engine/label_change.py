"""Rules for switching the label: cumulative sums of evidence (CUSUM), or a lead held for some time."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from realtime_ser.config import SmoothingConfig
from realtime_ser.records import FloatArray


class Change(Protocol):
    """Decides when to switch from the current label to another."""

    def update(self, probs: FloatArray, smoothed: npt.NDArray[np.float64], current: int, elapsed_s: float) -> int:
        """Take a window's probabilities (C,) and the filter's (C,) after ``elapsed_s``; return the current label."""

    def reset(self) -> None:
        """Forget the evidence for other labels."""


class CusumChange:
    """CUSUM, the quickest detector of a change for a given rate of false alarms.

    Page 1954, "Continuous inspection schemes", https://doi.org/10.1093/biomet/41.1-2.100. For each label, its log-probability
    relative to the current one, less ``drift``, is summed over time and clipped at zero. The label switches to the first sum
    that reaches ``threshold``, if its filtered probability is higher too.

    Parameters
    ----------
    drift : nats; a smaller difference is no evidence
    threshold : nat-seconds
    """

    _FLOOR = 0.02  # added to each probability: differences between very small probabilities are noise

    def __init__(self, drift: float, threshold: float) -> None:
        self._drift, self._threshold = drift, threshold
        self._sums: list[float] = []

    def update(self, probs: FloatArray, smoothed: npt.NDArray[np.float64], current: int, elapsed_s: float) -> int:
        # Plain numbers: for so few labels they take a fifth of NumPy's time.
        nats = [math.log(prob + self._FLOOR) for prob in probs.tolist()]
        own, drift = nats[current], self._drift
        sums = self._sums or [0.0] * len(nats)
        sums = [max(0.0, total + elapsed_s * (other - own - drift)) for total, other in zip(sums, nats, strict=True)]
        sums[current] = 0.0
        self._sums = sums
        highest = max(sums)
        first = sums.index(highest)
        # Tolerance: the sums of many hops carry rounding errors.
        if highest < self._threshold - 1e-9 or first == current or smoothed[first] < smoothed[current]:
            return current
        self.reset()
        return first

    def reset(self) -> None:
        self._sums = []


class LeadChange:
    """Switches to a label once it has led the filter's output by ``margin`` for ``hold_s``."""

    def __init__(self, margin: float, hold_s: float) -> None:
        self._margin, self._hold_s = margin, hold_s
        self._challenger: int | None = None
        self._led_s = 0.0

    def update(
        self,
        probs: FloatArray,  # noqa: ARG002
        smoothed: npt.NDArray[np.float64],
        current: int,
        elapsed_s: float,
    ) -> int:
        leader = int(np.argmax(smoothed))
        if leader == current or smoothed[leader] - smoothed[current] < self._margin:
            self._challenger = None
            return current
        self._led_s = self._led_s + elapsed_s if leader == self._challenger else elapsed_s
        self._challenger = leader
        # Tolerance of half a millisecond for rounding: 2 x 0.25 s must count as 0.5 s.
        if self._led_s < self._hold_s - 5e-4:
            return current
        self.reset()
        return leader

    def reset(self) -> None:
        self._challenger, self._led_s = None, 0.0


def make_change(config: SmoothingConfig) -> Change:
    """The rule that ``config.change`` names."""
    if config.change == "cusum":
        return CusumChange(config.cusum_drift, config.cusum_threshold)
    return LeadChange(config.margin, config.hold_s)
