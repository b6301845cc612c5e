"""When another label takes over: by cumulative sums of evidence (CUSUM), or by a lead that lasts."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from realtime_ser.config import SmoothingConfig
from realtime_ser.records import FloatArray


class Change(Protocol):
    """Decides when another label takes the place of the one that stands."""

    def update(self, probs: FloatArray, smoothed: npt.NDArray[np.float64], current: int, elapsed_s: float) -> int:
        """Take a window's probabilities (C,) and the filter's (C,) after ``elapsed_s``; return the label that stands now."""

    def reset(self) -> None:
        """Forget what has been gathered against the label that stands."""


class CusumChange:
    """Cumulative sums, the quickest detector of a change for a given rate of false ones.

    Page 1954, "Continuous inspection schemes", https://doi.org/10.1093/biomet/41.1-2.100. By how many nats each label was more
    probable than the one that stands, less ``drift``, is summed over time and never below zero. The first sum to reach
    ``threshold`` takes over, if the filter agrees that it is ahead.

    Parameters
    ----------
    drift : nats; less than this is no evidence
    threshold : nat-seconds
    """

    _FLOOR = 0.02  # added to each probability: how improbable the improbable is, is noise

    def __init__(self, drift: float, threshold: float) -> None:
        self._drift, self._threshold = drift, threshold
        self._sums: npt.NDArray[np.float64] = np.zeros(1)

    def update(self, probs: FloatArray, smoothed: npt.NDArray[np.float64], current: int, elapsed_s: float) -> int:
        nats = np.log(np.asarray(probs, np.float64) + self._FLOOR)
        self._sums = np.maximum(0.0, self._sums + elapsed_s * (nats - nats[current] - self._drift))
        self._sums[current] = 0.0
        first = int(np.argmax(self._sums))
        # A hair of slack: the sums of many hops are rounded.
        if self._sums[first] < self._threshold - 1e-9 or first == current or smoothed[first] < smoothed[current]:
            return current
        self.reset()
        return first

    def reset(self) -> None:
        self._sums = np.zeros(1)


class LeadChange:
    """Another label takes over once it has led the filter's output by ``margin`` for ``hold_s``."""

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
        # Half a millisecond of slack: hops are seconds in binary, and 2 x 0.25 must count as 0.5.
        if self._led_s < self._hold_s - 5e-4:
            return current
        self.reset()
        return leader

    def reset(self) -> None:
        self._challenger, self._led_s = None, 0.0


def make_change(config: SmoothingConfig) -> Change:
    """What ``config.change`` names."""
    if config.change == "cusum":
        return CusumChange(config.cusum_drift, config.cusum_threshold)
    return LeadChange(config.margin, config.hold_s)
