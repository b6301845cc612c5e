"""One recording through the engine, as fast as it goes."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from realtime_ser.audio.open import open_source
from realtime_ser.audio.source import Source
from realtime_ser.batch.answer import joint_answer, speech_s
from realtime_ser.batch.result import Result
from realtime_ser.config import Config, checked
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import SourceError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.pipeline.run import channel_sessions, pull
from realtime_ser.records import Block, Estimate, Notice, Record, Segment, Session, Summary


class Answer:
    """Gathers what a recording's answer needs, a few bytes a window, so that hours fit in little memory.

    Parameters
    ----------
    labels : the model's

    Attributes
    ----------
    segments, summary : of the stream
    too_short : that the recording holds no window, in a line; else None
    """

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = labels
        self._probs, self._seconds = array("f"), array("f")
        self.segments: list[Segment] = []
        self.summary: Summary | None = None
        self.too_short: str | None = None

    def add(self, record: Record) -> None:
        """Take the stream's next record."""
        if isinstance(record, Estimate):
            if record.probs:
                self._probs.extend(record.probs)
                self._seconds.append(speech_s(record))
        elif isinstance(record, Segment):
            self.segments.append(record)
        elif isinstance(record, Summary):
            self.summary = record
        elif isinstance(record, Notice) and record.kind == "too_short":
            self.too_short = record.message

    @property
    def probabilities(self) -> dict[str, float]:
        """By label; empty where nobody speaks."""
        if not self._seconds:
            return {}
        probs = np.frombuffer(self._probs, np.float32).reshape(-1, len(self._labels))
        answer = joint_answer(probs, np.frombuffer(self._seconds, np.float32))
        return dict(zip(self._labels, answer.tolist(), strict=True))


def play(source: Source, engine: Engine, config: Config) -> Iterator[Record]:
    """An opened source as a stream, from its session to its summary, without the blocks; or as a stream a channel.

    Raises
    ------
    SourceError, ModelError : after everything that came before, the summary included
    """
    sessions = channel_sessions(source, engine, config)
    for session in sessions:
        yield session.start(config, source=source.name, source_rate=source.rate, duration_s=source.duration_s)
    fault: Exception | None = None
    try:
        for record in pull(source, sessions):
            if not isinstance(record, Block):
                yield record
    except Exception as error:
        fault = error
    for session in sessions:
        yield from session.close(fault)
    for session in sessions:
        if session.fault is not None:
            raise session.fault


def classify(
    source: str | os.PathLike[str] | bytes | BinaryIO | npt.ArrayLike,
    *,
    sample_rate: int = 16000,
    model: str | Path | Classifier | None = None,
    config: Config | None = None,
) -> Result:
    """One answer to a recording, at full speed.

    Parameters
    ----------
    source : audio file, its content as bytes, a binary file object, or float or integer samples (n,) or (n, channels) at
        ``sample_rate``
    sample_rate : rate of an array, in Hz
    model : shipped name, path of a bundle, or a loaded one; None: the one that ``config`` names
    config : settings; None: the shipped ``config.yaml``

    Returns
    -------
    Result : ``error`` has the reason if the recording could not be read to its end, or is too short

    Raises
    ------
    SourceError : nothing of it can be read
    ConfigError, ModelError
    """
    config = checked(config)
    wanted = config.model if model is None else model
    classifier = wanted if isinstance(wanted, Classifier) else load_model(wanted, vote=config.stream.vote)
    engine = Engine(classifier, config)
    answer = Answer(classifier.labels)
    records: list[Record] = []
    error: str | None = None
    opened = open_recording(source, config, sample_rate)
    with opened:
        try:
            for record in play(opened, engine, config):
                records.append(record)
                answer.add(record)
        except SourceError as fault:
            if not any(isinstance(record, Estimate) for record in records):
                raise
            error = str(fault)
    session, *between, summary = records
    assert isinstance(session, Session)
    assert isinstance(summary, Summary)
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else opened.name
    return Result(path, session, tuple(between), summary, answer.probabilities, error or answer.too_short)


def open_recording(source: Any, config: Config, sample_rate: int = 16000, *, split: bool = False) -> Source:
    """A source over a file or an array, not opened yet; ``split`` keeps the channels of a file apart.

    Raises
    ------
    ConfigError, SourceError : no such thing can be read
    """
    if source is None:  # which would open a microphone, without end
        raise SourceError("classify takes a recording: a file or samples, got None")
    return open_source(source, config.capture, sample_rate=sample_rate, split=split)
