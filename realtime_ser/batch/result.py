"""What one recording's answer is, as an object, as a row, as a data frame and as a page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, cast

from realtime_ser.batch.answer import decided
from realtime_ser.records import Estimate, Record, Segment, Session, Summary
from realtime_ser.sinks.text import number

Row = dict[str, str | float | None]


@dataclass(frozen=True, eq=False)
class Result:
    """The answer to one recording.

    Attributes
    ----------
    path : the recording, as it was given
    session, summary : the stream's first and last record: model, labels, settings; where every sample went
    between : the records between them, in the order of the stream
    windows : the estimates among them
    segments : the stretches under one label ("unsure" is one)
    probabilities : by label, the model's own, of all windows together (``joint_answer``); empty where nobody speaks, or without
        a window. ``label`` and ``confidence`` are of these, shifted to ``smoothing.neutral_share``
    error : why not all of the recording could be read, or that it is too short; None otherwise

    Examples
    --------
    >>> result = realtime_ser.classify("talk.wav")      # doctest: +SKIP
    >>> result.label, result.confidence
    ('happy', 0.61)
    """

    path: str
    session: Session
    between: tuple[Record, ...]
    summary: Summary
    probabilities: Mapping[str, float]
    error: str | None = None

    @cached_property
    def windows(self) -> tuple[Estimate, ...]:
        return tuple(record for record in self.between if isinstance(record, Estimate))

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        return tuple(record for record in self.between if isinstance(record, Segment))

    @property
    def label(self) -> str | None:
        """The most probable label of the whole recording, at the expected share of neutral speech; None where nobody speaks."""
        return self._decided[0]

    @property
    def confidence(self) -> float:
        """The label's probability at that share, 0 to 1; 0 where nobody speaks."""
        return self._decided[1]

    @cached_property
    def _decided(self) -> tuple[str | None, float]:
        return decided(self.probabilities, _neutral_share(self.session))

    @property
    def duration_s(self) -> float:
        """Length in seconds, with what was lost."""
        return self.summary.health.captured / self.summary.sample_rate

    def row(self) -> Row:
        """The recording's row in a table; see ``columns``."""
        return make_row(self.path, self.session, self.probabilities, self.summary, self.error)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with a row a window; pandas must be installed."""
        import pandas

        labels = self.session.labels
        empty = [None] * len(labels)
        return pandas.DataFrame(
            [
                {
                    "start_s": window.start_s,
                    "end_s": window.end_s,
                    "state": window.state,
                    "label": window.label,
                    "confidence": window.confidence,
                    **dict(zip((f"p_{label}" for label in labels), window.probs or empty, strict=True)),
                    **dict(zip((f"smoothed_{label}" for label in labels), window.smoothed or empty, strict=True)),
                    "speech_ratio": window.speech_ratio,
                    "level_dbfs": window.level_dbfs,
                    "lost_samples": window.lost_samples,
                }
                for window in self.windows
            ]
        )

    def records(self) -> Iterator[Record]:
        """The stream again, for any sink."""
        yield self.session
        yield from self.between
        yield self.summary

    def _repr_html_(self) -> str:
        """The report, in a frame: what a notebook shows."""
        from realtime_ser.sinks.report.sink import ReportSink

        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "report.html"
            sink = ReportSink(page)
            for record in self.records():
                sink.write(record)
            sink.close()
            text = page.read_text(encoding="utf-8")
        return f'<iframe srcdoc="{escape(text)}" style="width:100%;height:720px;border:0" sandbox></iframe>'


def make_row(
    path: str, session: Session, probabilities: Mapping[str, float], summary: Summary | None, error: str | None
) -> Row:
    """A recording's row; without a summary (nothing could be read) only its path, model and error.

    Parameters
    ----------
    probabilities : by label; empty where nobody speaks
    """
    labels = session.labels
    row = dict.fromkeys(columns(labels))
    if session.channel is not None:
        row["channel"] = session.channel
    row |= {"path": path, "model": session.model, "model_sha256": str(session.card.get("sha256", "")), "error": error}
    if summary is None:
        return row
    rate, health = summary.sample_rate, summary.health
    row["duration_s"] = number(health.captured / rate, 3)
    if probabilities:
        row["label"], confidence = decided(probabilities, _neutral_share(session))
        row["confidence"] = number(confidence, 4)
    for label in labels:
        row[f"probability_{label}"] = number(probabilities.get(label), 4)
        row[f"seconds_{label}"] = number(summary.seconds_by_label.get(label, 0.0), 3)
    row["speech_s"] = number(health.classified / rate, 3)
    row["dropped_s"] = number(health.dropped / rate, 3)
    return row


def columns(labels: tuple[str, ...], *, split: bool = False) -> list[str]:
    """The columns of a table of recordings, in order; of one with a row a channel, if ``split``."""
    return [
        *("path", "duration_s", "label", "confidence"),
        *(f"probability_{label}" for label in labels),
        *(f"seconds_{label}" for label in labels),
        *("speech_s", "dropped_s", "model", "model_sha256", "error"),
        *(["channel"] if split else []),
    ]


def _neutral_share(session: Session) -> float | None:
    smoothing = session.config.get("smoothing", {})
    return cast("float | None", smoothing.get("neutral_share"))
