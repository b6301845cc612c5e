"""Classifies recordings one after the other with one engine, in any process, and converts the answers to JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from realtime_ser.audio.source import Source
from realtime_ser.batch.one import Answer, open_recording, play
from realtime_ser.batch.result import Row, make_row
from realtime_ser.config import Config
from realtime_ser.config_build import build
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import SerError
from realtime_ser.model.classifier import Classifier, list_bundles, load_model
from realtime_ser.pipeline.session import session_record
from realtime_ser.records import Block, Session
from realtime_ser.text import one_line


@dataclass(frozen=True)
class Judged:
    """A recording's row, and what files of its segments need.

    Attributes
    ----------
    row : see ``columns``
    segments : (start, end, label, confidence), times in samples at the model's rate
    source_rate : Hz; 0 if nothing could be read
    captured : length in samples at the model's rate
    others : the answers to the recording's other channels, where each is a stream of its own
    """

    row: Row
    segments: tuple[tuple[int, int, str, float], ...] = ()
    source_rate: int = 0
    captured: int = 0
    others: tuple[Judged, ...] = ()

    @property
    def channels(self) -> tuple[Judged, ...]:
        """The answer to each channel; one, where there is one stream."""
        return (self, *self.others)

    def without_segments(self) -> Judged:
        """The rows alone."""
        return replace(self, segments=(), others=tuple(each.without_segments() for each in self.others))

    def as_json(self) -> dict[str, Any]:
        """What ``from_json`` makes the same object of; JSON keeps every bit of a float."""
        values = {"row": self.row, "segments": self.segments, "source_rate": self.source_rate, "captured": self.captured}
        return values | ({"others": [each.as_json() for each in self.others]} if self.others else {})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Judged:
        """The inverse of ``as_json``; raises KeyError, TypeError or ValueError for anything else."""
        segments = tuple((int(a), int(b), str(label), float(sure)) for a, b, label, sure in values["segments"])
        others = tuple(cls.from_json(each) for each in values.get("others", ()))
        return cls(dict(values["row"]), segments, int(values["source_rate"]), int(values["captured"]), others)


class Judge:
    """Classifies recordings one after the other, each as a stream of its own, with one engine.

    Parameters
    ----------
    classifier : shared by any number of judges
    config : settings
    split : each channel of a recording is a stream of its own, with a row of its own

    Raises
    ------
    ModelError : the config sets what the model was not trained for
    """

    def __init__(self, classifier: Classifier, config: Config, *, split: bool = False) -> None:
        self._engine, self._config, self._split = Engine(classifier, config), config, split

    def judge(self, path: str, source: Source | None = None, *, stopped: Callable[[], bool] = lambda: False) -> Judged | None:
        """The answer to a recording; None if ``stopped`` returned True before its end.

        A recording that cannot be read, or not to its end, or that is too short, has that in its row's ``error``, as has any
        other fault.

        Parameters
        ----------
        path : the file, and its name in the row
        source : where the audio comes from instead, not opened yet
        """
        engine = self._engine
        begun: dict[int | None, tuple[Session, Answer]] = {}  # by channel
        error: str | None = None
        try:
            with source or open_recording(path, self._config, split=self._split) as opened:
                for record in play(opened, engine, self._config):
                    if stopped():
                        return None
                    if isinstance(record, Session):
                        begun[record.channel] = record, Answer(engine.model.labels)
                    elif not isinstance(record, Block):
                        for channel, (_, answer) in begun.items():
                            if channel == record.channel:
                                answer.add(record)
        except SerError as fault:
            error = str(fault)
        except Exception as fault:  # one recording's fault is its row, whatever it is
            error = f"{type(fault).__name__}: {one_line(fault)}"
        if not begun:
            begun[None] = session_record(engine, self._config, source=path), Answer(engine.model.labels)
        first, *others = [_judged(path, session, answer, error) for session, answer in begun.values()]
        return replace(first, others=tuple(others))


def _judged(path: str, session: Session, answer: Answer, error: str | None) -> Judged:
    segments = tuple((each.start, each.end, each.label, each.confidence) for each in answer.segments)
    captured = answer.summary.health.captured if answer.summary is not None else 0
    row = make_row(path, session, answer.probabilities, answer.summary, error or answer.too_short)
    return Judged(row, segments, session.source_rate, captured)


def settings(classifier: Classifier, config: Config, *, split: bool = False) -> dict[str, Any]:
    """What another process needs to make the same judge: the model and the settings, as JSON.

    A shipped model goes by its name, as another machine may have it elsewhere.
    """
    path = Path(classifier.card.path).resolve()
    shipped = any(path == each.resolve() for each in list_bundles())
    return {"model": path.stem if shipped else str(path), "config": config.as_dict(), "split": split}


def judge_from(values: Mapping[str, Any]) -> Judge:
    """A judge from another process's ``settings``; loads the model."""
    config = build(Config, values["config"], "the settings handed over", "")
    return Judge(load_model(values["model"], vote=config.stream.vote), config, split=bool(values.get("split")))


def failed(path: str, like: Row, error: str) -> Judged:
    """The answer to a recording that no judge could give one to; ``like`` is any row of the same model."""
    row: Row = dict.fromkeys(like)
    row |= {"path": path, "model": like["model"], "model_sha256": like["model_sha256"], "error": error}
    return Judged(row)
