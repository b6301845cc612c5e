"""Filters over the probabilities of successive windows.

Settings are in seconds, so that the behaviour does not depend on the hop.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import numpy as np
import numpy.typing as npt

from realtime_ser.config import SmoothingConfig
from realtime_ser.records import FloatArray


class Filter(Protocol):
    """A filter over the probabilities of successive windows."""

    def update(self, probs: FloatArray, elapsed_s: float) -> npt.NDArray[np.float64]:
        """Take a window's probabilities (C,) after ``elapsed_s``; return the filtered ones (C,), summing to one."""

    def reset(self) -> None:
        """Forget the past."""


class EmaFilter:
    """Exponential moving average: a window's weight falls by e every ``time_constant_s``."""

    def __init__(self, time_constant_s: float) -> None:
        self._time_constant_s = time_constant_s
        self._elapsed_s, self._keep = 0.0, np.exp(0.0)
        self._mean: npt.NDArray[np.float64] | None = None

    def update(self, probs: FloatArray, elapsed_s: float) -> npt.NDArray[np.float64]:
        if self._mean is None or self._time_constant_s == 0:
            self._mean = np.asarray(probs, np.float64)
        else:
            if elapsed_s != self._elapsed_s:  # nearly always it is the hop
                self._elapsed_s, self._keep = elapsed_s, np.exp(-elapsed_s / self._time_constant_s)
            self._mean = self._keep * self._mean + (1 - self._keep) * probs
        return self._mean

    def reset(self) -> None:
        self._mean = None


class MajorityFilter:
    """Share of the last ``span_s`` in which each label led."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._votes: deque[tuple[int, float]] = deque()

    def update(self, probs: FloatArray, elapsed_s: float) -> npt.NDArray[np.float64]:
        self._votes.append((int(np.argmax(probs)), elapsed_s))
        total = sum(seconds for _, seconds in self._votes)
        while len(self._votes) > 1 and total - self._votes[0][1] >= self._span_s:
            total -= self._votes.popleft()[1]
        shares = np.zeros(len(probs))
        for label, seconds in self._votes:
            shares[label] += seconds
        return np.asarray(shares / shares.sum())

    def reset(self) -> None:
        self._votes.clear()


class HmmFilter:
    """Forward filter of a hidden Markov model (Rabiner 1989, eq. 19-20, normalised) whose state is the emotion.

    The state stays the same with probability ``stay_probability`` per second, otherwise it moves to any other emotion with
    equal probability. The model's probabilities serve as scaled likelihoods under a uniform prior. Because windows overlap,
    each is weighted by ``elapsed_s / evidence_s``.
    """

    def __init__(self, stay_probability: float, evidence_s: float = 1.0) -> None:
        self._stay = stay_probability
        self._evidence_s = evidence_s
        self._belief: npt.NDArray[np.float64] | None = None

    def update(self, probs: FloatArray, elapsed_s: float) -> npt.NDArray[np.float64]:
        count = len(probs)
        if self._belief is None:
            predicted, weight = np.full(count, 1 / count), 1.0
        else:
            # A two-rate chain has a closed form for any elapsed time: the pull towards uniform decays geometrically.
            mixing = max(0.0, (self._stay - (1 - self._stay) / max(1, count - 1))) ** elapsed_s
            predicted = mixing * self._belief + (1 - mixing) / count
            weight = min(1.0, elapsed_s / self._evidence_s)
        joint = predicted * np.maximum(probs, 1e-6) ** weight
        self._belief = joint / joint.sum()
        return self._belief

    def reset(self) -> None:
        self._belief = None


class NoFilter:
    """The window's own probabilities."""

    def update(self, probs: FloatArray, elapsed_s: float) -> npt.NDArray[np.float64]:  # noqa: ARG002
        return np.asarray(probs, np.float64)

    def reset(self) -> None:
        pass


def make_filter(config: SmoothingConfig) -> Filter:
    """The filter that ``config.method`` names."""
    if config.method == "majority":
        return MajorityFilter(config.span_s)
    if config.method == "hmm":
        return HmmFilter(config.stay_probability, config.evidence_s)
    return EmaFilter(config.time_constant_s) if config.method == "ema" else NoFilter()
