"""Window probabilities -> a label that a person can read: a filter over time, hysteresis, and segments.

All settings are in seconds, never in windows, so that changing the hop does not change the behaviour.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import numpy as np
import numpy.typing as npt

from realtime_ser.config import SmoothingConfig
from realtime_ser.label_shift import LabelShift
from realtime_ser.records import FloatArray, Segment, State

UNSURE = "unsure"


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
        self._mean: npt.NDArray[np.float64] | None = None

    def update(self, probs: FloatArray, elapsed_s: float) -> npt.NDArray[np.float64]:
        if self._mean is None or self._time_constant_s == 0:
            self._mean = np.asarray(probs, np.float64)
        else:
            keep = np.exp(-elapsed_s / self._time_constant_s)
            self._mean = keep * self._mean + (1 - keep) * probs
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

    It stays with probability ``stay_probability`` per second and else moves to any other emotion alike. The model's
    probabilities serve as scaled likelihoods under a uniform prior. Windows overlap: each brings little that is new, and counts
    for ``elapsed_s / evidence_s`` of a whole one.
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


class Smoother:
    """Filter plus hysteresis.

    A label changes only when ``config.change`` says so. Below ``unsure_below`` the state is "unsure". After
    ``forget_s`` of silence the filter starts afresh, but the label still stands until another takes over as it must: the same
    voice mostly goes on in the same mood. After ``keep_label_s`` of silence it goes too: another person may speak now.

    Where ``config.neutral_share`` says how much of what is spoken is ordinary, probabilities are shifted to that share first.

    Attributes
    ----------
    smoothed : float64 (C,), the filter's last output; empty before the first window and after forgetting
    """

    def __init__(self, labels: tuple[str, ...], config: SmoothingConfig) -> None:
        self._labels = labels
        self._config = config
        self._filter = make_filter(config)
        self._change = make_change(config)
        self._shift = LabelShift(labels, config.neutral_share)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._filter.reset()
        self._change.reset()
        self._current: int | None = None
        self._silent_s = 0.0  # as far as the filter is concerned
        self._away_s = 0.0
        self.smoothed: npt.NDArray[np.float64] = np.zeros(0)

    def silence(self, elapsed_s: float) -> None:
        """Nobody spoke for another ``elapsed_s``."""
        self._silent_s += elapsed_s
        self._away_s += elapsed_s
        if self._away_s >= max(self._config.forget_s, self._config.keep_label_s):
            self.reset()
        elif self._silent_s >= self._config.forget_s:
            self._filter.reset()
            self._change.reset()
            self._silent_s = 0.0
            self.smoothed = np.zeros(0)

    def speech(self, probs: FloatArray, elapsed_s: float) -> tuple[State, str | None, float]:
        """Take a window's probabilities.

        Parameters
        ----------
        probs : float32 (C,)
        elapsed_s : time since the previous window

        Returns
        -------
        state : "speech" or "unsure"
        label : the current label, None if unsure
        confidence : its smoothed probability
        """
        probs = self._shift(probs)
        # Time passes in short pauses too: the filter must not treat the windows on both sides as neighbours.
        self.smoothed = self._filter.update(probs, elapsed_s + self._silent_s)
        self._silent_s = self._away_s = 0.0
        if self._current is None:
            self._current = int(np.argmax(self.smoothed))
        else:
            self._current = self._change.update(probs, self.smoothed, self._current, elapsed_s)
        confidence = float(self.smoothed[self._current])
        if confidence < self._config.unsure_below:
            return "unsure", None, confidence
        return "speech", self._labels[self._current], confidence


class Segmenter:
    """Joins successive hops of one label into segments; silence and gaps end them."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._open: tuple[str, int, int, float] | None = None  # label, start, end, confidence x samples

    def extend(self, label: str | None, start: int, end: int, confidence: float) -> Segment | None:
        """The hop [start, end) has this label (None: unsure). Returns the segment that this ends, if any."""
        name = label if label is not None else UNSURE
        weight = confidence * (end - start)
        if self._open is not None and self._open[0] == name and self._open[2] == start:
            self._open = (name, self._open[1], end, self._open[3] + weight)
            return None
        ended = self.close()
        self._open = (name, start, end, weight)
        return ended

    def close(self) -> Segment | None:
        """End the open segment, if there is one, and return it."""
        if self._open is None:
            return None
        label, start, end, weight = self._open
        self._open = None
        return Segment(start, end, self._sample_rate, label, weight / (end - start))
