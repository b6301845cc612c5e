"""Connects a source, the engine and the sinks.

Threads: the audio thread (or the pacing thread of a replay) fills a ring; the calling thread reads the ring, runs the engine
and writes the sinks; the dashboard draws the latest values on its own thread. The first two share the ring, the last two the
dashboard's cell. Only the calling thread may block on a disk or pipe; meanwhile the ring buffers the audio, and counts what it
overwrites.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from realtime_ser.audio.open import open_source
from realtime_ser.audio.source import Source
from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.pipeline.session import StreamSession
from realtime_ser.records import Block, Estimate, FloatArray, Notice, Record, Summary
from realtime_ser.sinks.group import SinkGroup


def run(
    source: Source,
    engine: Engine,
    sinks: SinkGroup,
    config: Config,
    *,
    duration_s: float | None = None,
    notices: Iterable[Notice] = (),
) -> Summary:
    """Read an opened source to its end and write everything to the sinks.

    Parameters
    ----------
    source : opened; ``stop()`` ends the run with everything flushed
    engine : reset here
    sinks : get the session first and the summary last, also after a failure
    config : recorded in the session
    duration_s : stop after this much stream time
    notices : written after the session

    Raises
    ------
    SourceError, ModelError : the source or the model failed; a notice about it and the summary have been written. Any other
        exception of the source or the engine is raised in the same way.
    """
    session = _session(source, engine, config.stream.max_lag_s)
    sinks.write(session.start(config, source=source.name, source_rate=source.rate, duration_s=source.duration_s))
    for notice in notices:
        sinks.write(replace(notice, sample_rate=engine.sample_rate))
    fault: Exception | None = None
    try:
        for record in _pull(source, session, duration_s):
            sinks.write(record)
            if sinks.exhausted:
                source.stop()
    except Exception as error:  # of any kind: finish the outputs first
        fault = error
    last = session.close(fault)
    for record in last:
        sinks.write(record)
    if session.fault is not None:
        raise session.fault
    summary = last[-1]
    assert isinstance(summary, Summary)
    return summary


def listen(
    source: Source,
    engine: Engine,
    *,
    duration_s: float | None = None,
    max_lag_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Record]:
    """Read an opened source: its blocks and notices, and the engine's estimates (with latency), segments and health.

    When the source or the model fails, all earlier records are yielded before the exception. A live or paced source skips to
    its newest audio when estimates would come over ``max_lag_s`` late (None: never), see ``Backlog``.
    """
    session = _session(source, engine, max_lag_s, clock)
    fault: Exception | None = None
    try:
        yield from _pull(source, session, duration_s)
    except Exception as error:  # of any kind: it is raised again below
        fault = error
    yield from session.close(fault)[: -1 if session.fault is None else -2]
    if session.fault is not None:
        raise session.fault


def _session(
    source: Source, engine: Engine, max_lag_s: float | None, clock: Callable[[], float] = time.monotonic
) -> StreamSession:
    return StreamSession(engine, max_lag_s=max_lag_s, speed=source.speed, health=True, clock=clock)


def _pull(source: Source, session: StreamSession, duration_s: float | None) -> Iterator[Record]:
    """All records up to the end of the source; each block comes before the records that follow from it."""
    for item in source.blocks():
        if isinstance(item, Notice):
            yield from session.records(item)
            continue
        block, last = _limit(item, duration_s)
        waiting_s = source.waiting_s
        yield block
        try:
            yield from session.records(block, waiting_s=waiting_s)
        except SourceError as error:  # add the source's name
            raise SourceError(f"{source.name}: {error}") from error
        if last:
            break


def stream(
    source: str | Path | bytes | BinaryIO | FloatArray | None = None,
    *,
    mic: bool = False,
    device: int | str | None = None,
    sample_rate: int = 16000,
    model: str | Path | Classifier | None = None,
    config: Config | None = None,
    speed: float | str | None = None,
    channel: int | None = None,
) -> Iterator[Estimate]:
    """Estimates of a file, an array or the microphone, as they are computed.

    Parameters
    ----------
    source : audio file ("-": standard input), its content as bytes, a binary file object, or float or integer samples (n,) or
        (n, channels) at ``sample_rate``
    mic : read the microphone instead; ends when the loop is left
    device : which microphone: index or unique part of the name; None: the default
    sample_rate : rate of an array, in Hz
    model : shipped name, path of a bundle, or a loaded one; None: the one that ``config`` names
    config : settings; None: the shipped ``config.yaml``
    channel : the only channel to read, from 1; None: as ``config`` says, and then all of them, mixed
    speed : "max" or None: as fast as possible; 1: real time, paced like a microphone

    Yields
    ------
    Estimate : one per hop

    Raises
    ------
    ConfigError, ModelError, SourceError
    """
    from realtime_ser.config import load_config

    config = config or load_config()
    pace = _pace(speed)
    classifier = model if isinstance(model, Classifier) else load_model(config.model if model is None else model)
    engine = Engine(classifier, config)
    if mic == (source is not None):
        raise SourceError("give either a file or samples, or mic=True")
    opened = open_source(
        source, config.capture, device=device, sample_rate=sample_rate, speed=None if mic else pace, channel=channel
    )
    with opened:
        for record in listen(opened, engine, max_lag_s=config.stream.max_lag_s):
            if isinstance(record, Estimate):
                yield record


def _pace(speed: float | str | None) -> float | None:
    """None: as fast as possible."""
    if speed is None or speed == "max":
        return None
    if isinstance(speed, bool) or not isinstance(speed, int | float):
        raise ConfigError(f'speed={speed!r}: give a number (1 is real time), or "max" for as fast as possible')
    return speed


def _limit(block: Block, duration_s: float | None) -> tuple[Block, bool]:
    """Cut a block at ``duration_s`` of stream time; true when that is the end."""
    if duration_s is None:
        return block, False
    end = round(duration_s * block.rate)
    if block.end < end:
        return block, False
    return replace(block, samples=block.samples[: max(0, end - block.start)], start=min(block.start, end)), True
