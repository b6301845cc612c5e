"""What a report needs to remember of one stream, in a memory that does not grow with its length."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from realtime_ser.records import Estimate, Health, Notice, Record, Segment, Session, Summary

_BINS = 600
_SEGMENTS = 1500
_NOTICES = 100
_LOSSES = 300
# Latency classes: half a millisecond wide up to 50, then wider by a tenth each, up to ten seconds.
_FINE = 100
_EDGES_MS = [edge / 2 for edge in range(_FINE + 1)]
while _EDGES_MS[-1] < 10_000:
    _EDGES_MS.append(_EDGES_MS[-1] * 1.1)


@dataclass(slots=True)
class Bin:
    """A stretch of stream time: sums over its windows."""

    windows: int = 0
    spoken: int = 0
    smoothed: list[float] = field(default_factory=list)
    energy: float = 0.0
    # Windows by their answer: a label, "unsure" or "no_speech".
    verdicts: Counter[str] = field(default_factory=Counter)

    def add(self, other: Bin) -> None:
        """Take in a neighbour."""
        self.windows += other.windows
        self.spoken += other.spoken
        self.energy += other.energy
        self.verdicts += other.verdicts
        if not self.smoothed:
            self.smoothed = list(other.smoothed)
        elif other.smoothed:
            self.smoothed = [mine + theirs for mine, theirs in zip(self.smoothed, other.smoothed, strict=True)]


class Series:
    """Windows over time in at most 600 bins; when they run out, each two become one.

    Attributes
    ----------
    step_s : length of a bin in seconds of stream time
    bins : by index; a bin without windows is absent
    """

    def __init__(self, step_s: float) -> None:
        self.step_s = max(1e-3, step_s)
        self.bins: dict[int, Bin] = {}

    def add(self, estimate: Estimate) -> None:
        """Count a window in at its end."""
        index = int(max(0.0, estimate.end_s - estimate.hop_s / 2) / self.step_s)
        while index >= _BINS:
            self._halve()
            index //= 2
        smoothed = [value if math.isfinite(value) else 0.0 for value in estimate.smoothed]
        level = estimate.level_dbfs if math.isfinite(estimate.level_dbfs) else -120.0
        verdict = estimate.label if estimate.state == "speech" and estimate.label else estimate.state
        news = Bin(1, int(bool(smoothed)), smoothed, 10 ** (min(level, 20.0) / 10), Counter([verdict]))
        self.bins.setdefault(index, Bin()).add(news)

    def _halve(self) -> None:
        merged: dict[int, Bin] = {}
        for index in sorted(self.bins):
            merged.setdefault(index // 2, Bin()).add(self.bins[index])
        self.bins = merged
        self.step_s *= 2


class Gathered:
    """One stream's data for the report."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.series = Series(session.hop_s)
        self.health = Health()
        self.summary: Summary | None = None
        # None once there were too many to draw one by one.
        self.segments: list[Segment] | None = []
        self.segment_count = 0
        self.notices: list[Notice] = []
        self.notice_count = 0
        self.losses: list[tuple[float, float]] = []
        self.latencies: Counter[int] = Counter()
        self.end_s = 0.0

    def add(self, record: Record) -> None:
        """Take a record of this stream."""
        if isinstance(record, Estimate):
            self._estimate(record)
        elif isinstance(record, Health):
            self.health = record
        elif isinstance(record, Segment):
            self.segment_count += 1
            if self.segments is not None:
                self.segments.append(record)
                if len(self.segments) > _SEGMENTS:
                    self.segments = None
        elif isinstance(record, Notice):
            self.notice_count += 1
            if len(self.notices) < _NOTICES:
                self.notices.append(record)
        elif isinstance(record, Summary):
            self.summary, self.health = record, record.health

    @property
    def duration_s(self) -> float:
        """Length of the stream's timeline in seconds."""
        return max(self.end_s, self.health.captured / max(1, self.session.sample_rate), 1e-3)

    def histogram(self) -> list[tuple[float, float, int]]:
        """Latency classes as (from ms, to ms, windows), without the empty ones at both ends."""
        if not self.latencies:
            return []
        span = range(min(self.latencies), max(self.latencies) + 1)
        return [(_EDGES_MS[at], _EDGES_MS[min(at + 1, len(_EDGES_MS) - 1)], self.latencies[at]) for at in span]

    def _estimate(self, estimate: Estimate) -> None:
        self.series.add(estimate)
        self.end_s = max(self.end_s, estimate.end_s)
        if estimate.lost_samples > 0 and len(self.losses) < _LOSSES:
            begin = estimate.end_s - estimate.hop_s
            self.losses.append((max(0.0, begin - estimate.lost_samples / estimate.sample_rate), begin))
        if estimate.latency_s is not None and math.isfinite(estimate.latency_s):
            value = max(0.0, estimate.latency_s * 1000.0)
            at = int(2 * value) if value < 50 else _FINE + int(math.log(value / 50.0) / math.log(1.1))
            self.latencies[min(at, len(_EDGES_MS) - 2)] += 1
