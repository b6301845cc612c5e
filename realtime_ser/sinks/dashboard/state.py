"""The latest values that the dashboard shows: written by the engine's thread, read by the one that draws."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from realtime_ser.records import Block, Estimate, Health, Notice, Record, Session, State, Summary

FLOOR_DBFS = -120.0
_NOTICE_S = 8.0
# Kinds of notices that are said again after the end, and how many: the newest.
_KEPT = ("device_lost", "paused", "profile_unlike", "too_short")
_MOST_KEPT = 8
_STALE_S = 0.4
_PEAK_FALL_DB_PER_S = 15.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A piece of the timeline, in seconds of stream time."""

    start_s: float
    end_s: float
    state: State
    label: str | None
    confidence: float
    lost: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one picture needs.

    ``rms_dbfs`` and ``peak_dbfs`` cover the blocks since the last picture; ``receiving`` is false while none come. ``notice``
    is the newest kind and message, None once it is old; ``lost`` is the message of a device that is away.
    """

    session: Session | None = None
    estimate: Estimate | None = None
    health: Health = field(default_factory=Health)
    timeline: tuple[Moment, ...] = ()
    timeline_s: float = 60.0
    now_s: float = 0.0
    latencies_ms: tuple[float, ...] = ()
    rms_dbfs: float = FLOOR_DBFS
    peak_dbfs: float = FLOOR_DBFS
    receiving: bool = False
    notice: tuple[str, str] | None = None
    lost: str | None = None
    recording: str | None = None
    sent_to: tuple[str, ...] = ()


class Ended(NamedTuple):
    """A stream that has ended, with the notices that its user should still see."""

    session: Session | None
    summary: Summary
    notices: tuple[Notice, ...]


class Cell:
    """The latest-value cell: ``put`` never waits longer than it takes to copy a few references.

    Parameters
    ----------
    timeline_s : how much stream time the timeline holds, in seconds
    monotonic : clock in seconds, for the age of notices and of the level
    """

    def __init__(
        self, timeline_s: float, monotonic: Callable[[], float], recording: str | None = None, sent_to: Sequence[str] = ()
    ) -> None:
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._step_s = timeline_s / 1000.0
        self._latest = Snapshot(timeline_s=timeline_s, recording=recording, sent_to=tuple(sent_to))
        self._timeline: deque[Moment] = deque()
        self._latencies: deque[float] = deque(maxlen=500)
        self._square, self._count, self._peak = 0.0, 0, 0.0
        self._level_at = self._taken_at = self._noticed_at = -math.inf
        self._noticed: deque[Notice] = deque(maxlen=_MOST_KEPT)
        self._finished: list[Ended] = []

    def put(self, record: Record) -> None:
        """Take a record."""
        if isinstance(record, Block):
            self._put_block(record)
            return
        with self._lock:
            if isinstance(record, Estimate):
                self._put_estimate(record)
            elif isinstance(record, Health):
                self._latest = replace(self._latest, health=record)
            elif isinstance(record, Notice):
                self._put_notice(record)
            elif isinstance(record, Session):
                self._timeline.clear()
                self._latencies.clear()
                kept = self._latest
                self._latest = Snapshot(
                    session=record, timeline_s=kept.timeline_s, recording=kept.recording, sent_to=kept.sent_to
                )
            elif isinstance(record, Summary):
                self._latest = replace(self._latest, health=record.health)
                self._finished.append(Ended(self._latest.session, record, tuple(self._noticed)))
                self._noticed.clear()

    def take(self) -> Snapshot:
        """The values to draw now; resets the level."""
        now = self._monotonic()
        with self._lock:
            latest, square, count, peak = self._latest, self._square, self._count, self._peak
            self._square, self._count, self._peak = 0.0, 0, 0.0
            level_at, noticed_at, taken_at = self._level_at, self._noticed_at, self._taken_at
            timeline, latencies = tuple(self._timeline), tuple(self._latencies)
            self._taken_at = now
        receiving = now - level_at < _STALE_S
        # Keep the old level between two blocks, so that the meter does not flicker.
        rms = _dbfs(math.sqrt(square / count)) if count else (latest.rms_dbfs if receiving else FLOOR_DBFS)
        fallen = latest.peak_dbfs - _PEAK_FALL_DB_PER_S * min(10.0, max(0.0, now - taken_at))
        peak_dbfs = max(_dbfs(peak), fallen, FLOOR_DBFS)
        with self._lock:
            self._latest = replace(self._latest, rms_dbfs=rms, peak_dbfs=peak_dbfs)
        return replace(
            latest,
            timeline=timeline,
            latencies_ms=latencies,
            rms_dbfs=rms,
            peak_dbfs=peak_dbfs,
            receiving=receiving,
            notice=latest.notice if now - noticed_at < _NOTICE_S else None,
        )

    def finished(self, *, forget: bool = False) -> list[Ended]:
        """The streams that have ended."""
        with self._lock:
            ended = list(self._finished)
            if forget:
                self._finished.clear()
        return ended

    def _put_block(self, block: Block) -> None:
        if not len(block.samples):
            return
        samples = block.samples
        peak = max(float(samples.max()), -float(samples.min()))
        # NaN fails every comparison; checking costs a tenth of cleaning.
        if not peak < 2.0:
            samples = np.clip(np.nan_to_num(samples, nan=0.0), -1.0, 1.0)
            peak = float(np.abs(samples).max())
        square = float(np.dot(samples, samples))
        now = self._monotonic()
        with self._lock:
            self._square += square
            self._count += len(samples)
            self._peak = max(self._peak, peak)
            self._level_at = now

    def _put_estimate(self, estimate: Estimate) -> None:
        self._latest = replace(self._latest, estimate=estimate, now_s=estimate.end_s)
        if estimate.latency_s is not None and math.isfinite(estimate.latency_s):
            self._latencies.append(estimate.latency_s * 1000.0)
        start_s = estimate.end_s - estimate.hop_s
        confidence = estimate.confidence if math.isfinite(estimate.confidence) else 0.0
        moment = Moment(start_s, estimate.end_s, estimate.state, estimate.label, confidence, estimate.lost_samples > 0)
        if estimate.lost_samples > 0 and self._timeline:
            gap_s = estimate.lost_samples / estimate.sample_rate
            self._timeline.append(Moment(start_s - gap_s, start_s, "no_speech", None, 0.0, lost=True))
        last = self._timeline[-1] if self._timeline else None
        # Hops finer than the picture can show are merged, so that the timeline stays small.
        if last is not None and not last.lost and not moment.lost and moment.end_s - last.start_s < self._step_s:
            self._timeline[-1] = replace(moment, start_s=last.start_s)
        else:
            self._timeline.append(moment)
        while self._timeline and self._timeline[0].end_s < estimate.end_s - 1.1 * self._latest.timeline_s:
            self._timeline.popleft()

    def _put_notice(self, notice: Notice) -> None:
        self._noticed_at = self._monotonic()
        lost = self._latest.lost
        if notice.kind == "device_lost":
            lost = notice.message
        elif notice.kind == "device_back":
            # What was before says nothing of now.
            self._latest, lost = replace(self._latest, estimate=None), None
        if notice.kind in _KEPT:
            self._noticed.append(notice)
        self._latest = replace(self._latest, notice=(notice.kind, notice.message), lost=lost)


class Cells:
    """A cell for each channel that is a stream of its own; one, where there is one stream.

    Parameters
    ----------
    timeline_s, monotonic, recording, sent_to : as of ``Cell``
    """

    def __init__(
        self, timeline_s: float, monotonic: Callable[[], float], recording: str | None = None, sent_to: Sequence[str] = ()
    ) -> None:
        self._make = partial(Cell, timeline_s, monotonic, recording, sent_to)
        self._cells: tuple[Cell, ...] = (self._make(),)  # replaced and never changed: another thread draws them
        self._ended: list[Ended] = []

    def put(self, record: Record) -> None:
        """Take a record."""
        if isinstance(record, Block):
            for index, cell in enumerate(self._cells):
                cell.put(record if record.samples.ndim == 1 else replace(record, samples=record.samples[:, index]))
            return
        channel = record.channel
        if channel is None:
            for cell in self._cells:
                cell.put(record)
            return
        while len(self._cells) < channel:
            self._cells = (*self._cells, self._make())
        if isinstance(record, Session) and channel == 1:
            self._cells = self._cells[:1]  # the next recording may have fewer
        self._cells[channel - 1].put(record)
        if isinstance(record, Summary):
            self._ended += self._cells[channel - 1].finished(forget=True)

    def take(self) -> list[Snapshot]:
        """What to draw now, in the order of the channels."""
        return [cell.take() for cell in self._cells]

    def finished(self) -> list[Ended]:
        """The streams that have ended."""
        return self._ended + [ended for cell in self._cells for ended in cell.finished()]


def _dbfs(amplitude: float) -> float:
    return max(FLOOR_DBFS, 20.0 * math.log10(amplitude)) if amplitude > 1e-6 else FLOOR_DBFS
