"""Source + engine + sinks, on one screen.

What runs at once: the audio thread (or the pacing thread of a replay) fills a ring; the calling thread reads the ring, runs the
engine and writes the sinks; the dashboard draws on a thread of its own from the latest values. The first two meet in the ring,
the last two in the dashboard's cell. Only the calling thread may block on a disk or pipe, and then the ring absorbs, or counts,
the audio.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from realtime_ser import __version__
from realtime_ser.audio.source import Source
from realtime_ser.backlog import Backlog
from realtime_ser.config import Config
from realtime_ser.engine import Engine
from realtime_ser.errors import SourceError
from realtime_ser.latency import LatencyHistogram
from realtime_ser.model import Classifier, load_model
from realtime_ser.records import Block, Estimate, FloatArray, Notice, Record, Session, Summary
from realtime_ser.sinks.group import SinkGroup


def run(source: Source, engine: Engine, sinks: SinkGroup, config: Config, *, duration_s: float | None = None) -> Summary:
    """Hear an opened source to its end and write everything to the sinks.

    Parameters
    ----------
    source : opened; ``stop()`` ends the run with everything flushed
    engine : reset here
    sinks : get the session first and the summary last, also when the source fails
    config : recorded in the session
    duration_s : stop after this much stream time

    Raises
    ------
    SourceError : the source failed; the summary has been written
    """
    sinks.write(describe(source, engine, config))
    latencies, seconds = LatencyHistogram(), defaultdict[str, float](float)
    fault: SourceError | None = None
    try:
        for record in listen(source, engine, duration_s=duration_s, max_lag_s=config.stream.max_lag_s):
            if isinstance(record, Estimate):
                latencies.add(record.latency_s or 0.0)
                seconds[record.label or record.state] += record.hop_s
            sinks.write(record)
            if sinks.exhausted:
                source.stop()
    except SourceError as error:
        fault = error
        sinks.write(Notice("source_failed", str(error), engine.health.captured, engine.sample_rate))
    summary = Summary(engine.health, engine.sample_rate, latencies.percentiles_ms(), dict(seconds))
    sinks.write(summary)
    if fault is not None:
        raise fault
    return summary


def listen(
    source: Source,
    engine: Engine,
    *,
    duration_s: float | None = None,
    max_lag_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Record]:
    """Hear an opened source: its blocks and notices, and the engine's estimates (with latency), segments and health.

    A source that fails is heard to the end first: the estimates of its last samples come before the SourceError. A live or
    paced source skips to its newest audio when estimates would come over ``max_lag_s`` late (None: never), see ``Backlog``.
    """
    engine.reset()
    backlog = Backlog(engine, source, max_lag_s, clock)
    fault: SourceError | None = None
    try:
        for item in source.blocks():
            if isinstance(item, Notice):
                if item.kind == "device_lost":
                    # Nothing more of this piece will come: classify what was heard now and not when the device returns.
                    yield from _results(engine, engine.flush(), clock(), clock)
                yield item if item.at else replace(item, at=engine.health.captured, sample_rate=engine.sample_rate)
                continue
            block, last = _limit(item, duration_s)
            heard_at = clock()
            yield block
            for piece in backlog.pieces(block):
                if isinstance(piece, Notice):
                    yield piece
                else:
                    yield from _results(engine, engine.push(piece), heard_at, clock)
            if last:
                break
    except SourceError as error:
        fault = error
    yield from _results(engine, engine.flush(), clock(), clock)
    if fault is not None:
        raise fault


def describe(source: Source, engine: Engine, config: Config) -> Session:
    """The session record of a source that is about to be heard."""
    card = engine.model.card
    return Session(
        version=__version__,
        model=card.name,
        labels=engine.model.labels,
        sample_rate=engine.sample_rate,
        window_s=round(engine.window / engine.sample_rate, 4),
        hop_s=round(engine.hop / engine.sample_rate, 4),
        source=source.name,
        started_at=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        config=config.as_dict(),
        source_rate=source.rate,
        duration_s=source.duration_s,
        card=card.raw,
    )


def stream(
    source: str | Path | FloatArray | None = None,
    *,
    mic: bool = False,
    device: int | str | None = None,
    sample_rate: int = 16000,
    model: str | Path | Classifier = "mlp",
    config: Config | None = None,
    speed: float | None = None,
) -> Iterator[Estimate]:
    """Estimates of a file, an array or the microphone, as they come.

    Parameters
    ----------
    source : audio file, or float or integer samples (n,) or (n, channels) at ``sample_rate``
    mic : hear the microphone instead; ends when the loop is left
    device : which microphone: index or unique part of the name; None: the default
    sample_rate : rate of an array, in Hz
    model : shipped name, path of a bundle, or a loaded one
    config : settings; None: the shipped ``config.yaml``
    speed : None: as fast as possible; 1: real time, paced like a microphone

    Yields
    ------
    Estimate : one per hop

    Raises
    ------
    ConfigError, ModelError, SourceError
    """
    from realtime_ser.config import load_config

    config = config or load_config()
    classifier = model if isinstance(model, Classifier) else load_model(model)
    engine = Engine(classifier, config)
    with _open(source, mic, device, sample_rate, config, speed) as opened:
        for record in listen(opened, engine, max_lag_s=config.stream.max_lag_s):
            if isinstance(record, Estimate):
                yield record


def _open(
    source: str | Path | FloatArray | None,
    mic: bool,
    device: int | str | None,
    sample_rate: int,
    config: Config,
    speed: float | None,
) -> Source:
    if mic == (source is not None):
        raise SourceError("give either a file or samples, or mic=True")
    if source is None:
        from realtime_ser.audio.mic import MicSource

        return MicSource(config.capture.device if device is None else device, config.capture)
    opened: Source
    if isinstance(source, str | Path):
        from realtime_ser.audio.file import FileSource

        opened = FileSource(source)
    else:
        from realtime_ser.audio.array import ArraySource

        opened = ArraySource(source, sample_rate)
    if speed is None:
        return opened
    from realtime_ser.audio.paced import PacedSource

    return PacedSource(opened, speed, block_ms=config.capture.block_ms, ring_s=config.capture.ring_s)


def _limit(block: Block, duration_s: float | None) -> tuple[Block, bool]:
    """Cut a block at ``duration_s`` of stream time; true when that is the end."""
    if duration_s is None:
        return block, False
    end = round(duration_s * block.rate)
    if block.end < end:
        return block, False
    return replace(block, samples=block.samples[: max(0, end - block.start)], start=min(block.start, end)), True


def _results(engine: Engine, estimates: list[Estimate], heard_at: float, clock: Callable[[], float]) -> Iterator[Record]:
    """What a push gave, stamped with its latency: from capture where that is known, else from when the block was in hand."""
    for estimate in estimates:
        since = heard_at if estimate.captured_at is None else estimate.captured_at
        yield replace(estimate, latency_s=max(0.0, clock() - since))
    yield from engine.take_segments()
    if estimates:
        yield engine.health
