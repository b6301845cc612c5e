"""A push-style stream: samples and losses in, records out, in the order of the stream.

``run``, ``listen`` and ``stream()`` push the blocks of a source, a server those of a client. This module starts no thread and
does no I/O, and takes the clock as a parameter. A session is used by one thread at a time; any number of sessions, each with
its own engine, may share a loaded model.
"""

from __future__ import annotations

import numbers
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime_ser import __version__
from realtime_ser.audio.samples import check_block, check_samples, to_mono
from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ModelError, SerError, SourceError
from realtime_ser.latency import LatencyHistogram
from realtime_ser.pipeline.catch_up import Backlog
from realtime_ser.records import Block, Estimate, Health, Notice, Record, Segment, Session, Summary
from realtime_ser.text import one_line

_EMPTY = np.zeros(0, np.float32)
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (SourceError, "source_failed"),
    (ModelError, "model_failed"),
    (Exception, "failed"),
)


class StreamSession:
    """One stream: engine, latency of estimates, skipping when processing lags, notices and summary.

    Call ``start`` once, ``push`` and ``gap`` as audio arrives, and ``close`` once, also after a failure.

    Parameters
    ----------
    engine : reset here; belongs to this session until it is closed
    max_lag_s : blocks with ``captured_at`` are skipped, and counted as dropped, when their estimates would come later than
        this; None: never
    speed : pace of the stream in seconds of audio per second of the clock; 1 for a microphone
    health : also give a ``Health`` after the records of each push that completed a window
    clock : monotonic, in seconds, the clock of ``Block.captured_at``
    channel : what its records say, where the channels of a source are streams of their own

    Attributes
    ----------
    engine : for ``engine.health`` at any moment
    fault : the exception that ended the stream, or None

    Examples
    --------
    >>> session = StreamSession(Engine(model, config))                  # doctest: +SKIP
    >>> send(session.start(config, source="client 7", source_rate=48000))
    >>> for samples in received:
    ...     send(session.push(Block(samples, 48000, start, captured_at=time.monotonic())))
    >>> send(session.close())
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_lag_s: float | None = None,
        speed: float = 1.0,
        health: bool = False,
        clock: Callable[[], float] = time.monotonic,
        channel: int | None = None,
    ) -> None:
        engine.reset()
        self.engine = engine
        self.channel = channel
        self.fault: Exception | None = None
        self._backlog = Backlog(engine, max_lag_s, clock, speed=speed)
        self._clock = clock
        self._with_health = health
        self._latencies, self._seconds = LatencyHistogram(), defaultdict[str, float](float)
        self._rate, self._source = engine.sample_rate, "the stream"
        self._end = 0  # source index of the next sample, at ``_rate``
        self._held: list[Record] = []  # records of a push that failed, from before the failure
        self._engine_failed = self._closed = False

    def start(self, config: Config, *, source: str, source_rate: int = 0, duration_s: float | None = None) -> Session:
        """The first record: model, source and settings.

        Parameters
        ----------
        config : recorded
        source : name of the audio, for its user
        source_rate : in Hz; the rate of ``gap`` and of arrays until a block has another; 0: the model's
        duration_s : length, if known
        """
        self._rate, self._source = source_rate or self._rate, source
        record = session_record(self.engine, config, source=source, source_rate=source_rate, duration_s=duration_s)
        return replace(record, channel=self.channel)

    def push(self, item: Block | npt.ArrayLike | Notice, *, waiting_s: float = 0.0) -> list[Record]:
        """Take the next samples or the source's next notice.

        Parameters
        ----------
        item : a ``Block``; a notice (without a time it gets the stream's); or samples as ``Engine.push`` takes them, at the
            model's rate, or at ``source_rate`` if that was given, that follow the last ones and are live: captured now.
            Channels are averaged, as there
        waiting_s : audio that waits behind this block in the caller's queue, in seconds of the clock

        Returns
        -------
        estimates (with latency), segments, notices and health that follow from it, in the order of the stream

        Raises
        ------
        SourceError : as ``Engine.push`` does
        ModelError : the model failed; ``close`` returns the records from before the failure
        """
        records: list[Record] = []
        try:
            for record in self.records(item, waiting_s=waiting_s):
                records.append(record)  # one by one, to keep those from before an exception
        except Exception:
            self._held = records
            raise
        return records

    def records(self, item: Block | npt.ArrayLike | Notice, *, waiting_s: float = 0.0) -> Iterator[Record]:
        """As ``push``, but yields each record as soon as it exists, so that records come before an exception.

        Processing happens during iteration, which must be complete before the next push.
        """
        if self._closed:
            raise SourceError("the session is closed; start another for more audio")
        if isinstance(item, Notice):
            if item.kind == "device_lost":
                # The piece is over: classify its last hop now instead of when the device returns.
                yield from self._results(self.engine.flush, self._clock())
            if item.at is None:
                item = replace(item, at=self.engine.health.captured, sample_rate=self._model_rate)
            yield replace(item, channel=self.channel)
            return
        began = self._clock()
        if isinstance(item, Block):
            item = check_block(item)
        else:
            item = Block(to_mono(check_samples(item, "push")), self._rate, self._end, captured_at=began)
        for piece in self._backlog.pieces(item, waiting_s):
            if isinstance(piece, Notice):
                # Skipping may end a segment.
                yield from (replace(record, channel=self.channel) for record in self.engine.take_records())
                yield replace(piece, channel=self.channel)
            else:
                yield from self._results(partial(self.engine.push, piece), began)
        self._rate, self._end = item.rate, item.end

    def gap(self, samples: int) -> list[Record]:
        """``samples`` at the source's rate were lost after the last ones: they count as dropped, and no window spans them.

        Returns
        -------
        as ``push``

        Raises
        ------
        SourceError : no whole number, or one below 0
        """
        given: Any = samples
        if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < 0:
            raise SourceError(f"a gap of {given!r:.40} samples; it must be a whole number, 0 or more")
        return self.push(Block(_EMPTY, self._rate, self._end + int(given)))

    def close(self, fault: Exception | None = None) -> list[Record]:
        """End the stream: the last, shorter hop is classified too.

        Parameters
        ----------
        fault : the source's exception, if it failed; kept in ``fault`` unless there is one already

        Returns
        -------
        the last records; a notice of kind "source_failed", "model_failed" or "failed" if there was a fault, or "too_short" if
        there was too little for a window; the summary. A second call returns nothing. A model that fails here sets ``fault``
        and raises nothing.
        """
        if self._closed:
            return []
        records, self._held = self._held, []
        # An engine whose model failed would fail again.
        if not self._engine_failed:
            try:
                for record in self._results(self.engine.flush, self._clock()):
                    records.append(record)
            except Exception as error:  # reported below
                self.fault = self.fault or error
        self._closed = True
        self.fault = self.fault or fault
        health = self.engine.health
        if self.fault is None and 0 < health.captured < self.engine.shortest and not self._seconds:
            records.append(self._too_short(health.captured))
        if self.fault is not None:
            kind = next(kind for error, kind in _KINDS if isinstance(self.fault, error))
            records.append(Notice(kind, _described(self.fault), health.captured, self._model_rate, self.channel))
        latencies = self._latencies.percentiles_ms()
        records.append(Summary(health, self._model_rate, latencies, dict(self._seconds), self.channel))
        return records

    def _too_short(self, captured: int) -> Notice:
        rate = self._model_rate
        # Rounded to milliseconds, what there is down and what is needed up, so that the two never look alike.
        is_s, needs_s = captured * 1000 // rate / 1000, -(-self.engine.shortest * 1000 // rate) / 1000
        message = f"{self._source}: {is_s:g} s are too short to classify; a window takes {needs_s:g} s or more"
        return Notice("too_short", message, captured, rate, self.channel)

    @property
    def _model_rate(self) -> int:
        return self.engine.sample_rate

    def _results(self, step: Callable[[], list[Estimate]], began: float) -> Iterator[Estimate | Segment | Notice | Health]:
        """Records of a step of the engine, with latency: from capture if known, otherwise from ``began``."""
        fault: Exception | None = None
        try:
            step()
        except SourceError:
            raise  # the engine is unchanged
        except Exception as error:
            fault = self.fault = error
            self._engine_failed = True
        windows = 0
        for record in self.engine.take_records():
            if not isinstance(record, Estimate):
                yield replace(record, channel=self.channel)
                continue
            windows += 1
            since = began if record.captured_at is None else record.captured_at
            latency_s = max(0.0, self._clock() - since)
            self._latencies.add(latency_s)
            self._seconds[record.label or record.state] += record.hop_s
            yield replace(record, latency_s=latency_s, channel=self.channel)
        if windows and self._with_health:
            yield replace(self.engine.health, channel=self.channel)
        if fault is not None:
            raise fault


def session_record(
    engine: Engine, config: Config, *, source: str, source_rate: int = 0, duration_s: float | None = None
) -> Session:
    """The record that starts a stream; see ``StreamSession.start``."""
    card = engine.model.card
    return Session(
        version=__version__,
        model=card.name,
        labels=engine.model.labels,
        sample_rate=engine.sample_rate,
        window_s=round(engine.window / engine.sample_rate, 4),
        hop_s=round(engine.hop / engine.sample_rate, 4),
        source=source,
        started_at=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        config=config.as_dict(),
        source_rate=source_rate,
        duration_s=duration_s,
        card=card.raw,
    )


def _described(fault: Exception) -> str:
    """A fault in one line; an exception that is not a SerError with its type."""
    text = one_line(fault)
    if isinstance(fault, SerError):
        return text
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__
