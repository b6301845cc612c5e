"""Connects a source, the engine and the sinks.

Threads: the audio thread (or the pacing thread of a replay) fills a ring; the calling thread reads the ring, runs the engine
and writes the sinks; the dashboard draws the latest values on its own thread. The first two share the ring, the last two the
dashboard's cell. Only the calling thread may block on a disk or pipe; meanwhile the ring buffers the audio, and counts what it
overwrites.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from realtime_ser.audio.open import open_source
from realtime_ser.audio.source import Source
from realtime_ser.config import Config, checked
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.pipeline.session import StreamSession
from realtime_ser.records import Block, Estimate, Notice, Record, Summary
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
    """Read an opened source to its end and write everything to the sinks; returns the summary, of several channels the first's.

    The channels of a source that keeps them apart are streams of their own, each with its session, estimates and summary. They
    share the model; every channel after the first gets an engine like ``engine``.

    Parameters
    ----------
    source : opened; ``stop()`` ends the run with everything flushed
    engine : reset here
    sinks : get the session first and the summary last, also after a failure; of several channels all the sessions and all the
        summaries
    config : recorded in the session
    duration_s : stop after this much stream time
    notices : written after the session

    Raises
    ------
    SourceError, ModelError : the source or the model failed; a notice about it and the summary have been written. Any other
        exception of the source or the engine is raised in the same way.
    """
    sessions = channel_sessions(source, engine, config, max_lag_s=config.stream.max_lag_s, health=True)
    for session in sessions:
        sinks.write(session.start(config, source=source.name, source_rate=source.rate, duration_s=source.duration_s))
    for notice in notices:
        sinks.write(replace(notice, sample_rate=engine.sample_rate))
    fault: Exception | None = None
    try:
        for record in pull(source, sessions, duration_s):
            sinks.write(record)
            if sinks.exhausted:
                source.stop()
    except Exception as error:  # of any kind: finish the outputs first
        fault = error
    last = [session.close(fault) for session in sessions]
    for record in [record for records in last for record in records[:-1]] + [records[-1] for records in last]:
        sinks.write(record)
    for session in sessions:
        if session.fault is not None:
            raise session.fault
    summary = last[0][-1]
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

    Raises
    ------
    SourceError, ModelError : the source or the model failed
    ConfigError : the source keeps its channels apart, so that there would be several streams; ``run`` plays those
    """
    if source.channels > 1:
        raise ConfigError(f"{source.name} keeps {source.channels} channels apart; listen takes one stream, run takes several")
    session = StreamSession(engine, max_lag_s=max_lag_s, speed=source.speed, health=True, clock=clock)
    fault: Exception | None = None
    try:
        yield from pull(source, [session], duration_s, clock)
    except Exception as error:  # of any kind: it is raised again below
        fault = error
    yield from session.close(fault)[: -1 if session.fault is None else -2]
    if session.fault is not None:
        raise session.fault


def channel_sessions(
    source: Source, engine: Engine, config: Config, *, max_lag_s: float | None = None, health: bool = False
) -> list[StreamSession]:
    """A session for the source's stream, or for each of the channels that it keeps apart.

    Parameters
    ----------
    source : opened
    engine : of the first; every other one gets one like it, with the same model
    config : ``engine``'s
    max_lag_s, health : as of ``StreamSession``
    """
    engines = [engine, *(Engine(engine.model, config) for _ in range(source.channels - 1))]
    numbers: list[int | None] = [None] if len(engines) == 1 else [*range(1, len(engines) + 1)]
    return [
        StreamSession(each, max_lag_s=max_lag_s, speed=source.speed, health=health, channel=number)
        for each, number in zip(engines, numbers, strict=True)
    ]


def pull(
    source: Source,
    sessions: Sequence[StreamSession],
    duration_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Record]:
    """Everything up to the end of the source; each block goes before what follows from it.

    Parameters
    ----------
    source : opened
    sessions : one, or one a channel
    duration_s : stop after this much stream time
    clock : in seconds
    """
    for item in source.blocks():
        if isinstance(item, Notice):
            for session in sessions:
                yield from session.records(item)
            continue
        if len(sessions) > 1 and np.shape(item.samples)[1:] != (len(sessions),):
            shape = np.shape(item.samples)
            raise SourceError(
                f"{source.name}: a block of shape {shape}; its {len(sessions)} channels need (n, {len(sessions)})"
            )
        block, last = _limit(item, duration_s)
        waiting_s = source.waiting_s
        began = clock()
        yield block
        try:
            for index, session in enumerate(sessions):
                part = block if len(sessions) == 1 else replace(block, samples=np.ascontiguousarray(block.samples[:, index]))
                # While the other channels were processed, more of this one came.
                late_s = clock() - began if index else 0.0
                yield from session.records(part, waiting_s=waiting_s + late_s)
        except SourceError as error:  # add the source's name
            raise SourceError(f"{source.name}: {error}") from error
        if last:
            break


def stream(
    source: str | os.PathLike[str] | bytes | BinaryIO | npt.ArrayLike | None = None,
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
    channel : the only channel to read, from 1; None: as in ``config``, and then all of them, mixed
    speed : "max" or None: as fast as possible; 1: real time, paced like a microphone

    Yields
    ------
    Estimate : one per hop

    Raises
    ------
    ConfigError, ModelError, SourceError
    """
    config = checked(config)
    pace = _pace(speed)
    wanted = config.model if model is None else model
    classifier = wanted if isinstance(wanted, Classifier) else load_model(wanted, vote=config.stream.vote)
    engine = Engine(classifier, config)
    if mic == (source is not None):
        raise SourceError("give either a file or samples, or mic=True")
    if mic and pace is not None:
        raise ConfigError(f"speed={speed!r}: a microphone has a pace of its own; leave it out")
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
