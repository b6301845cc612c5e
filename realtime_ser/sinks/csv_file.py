"""One row per window, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from typing import TypeAlias

from realtime_ser.errors import SinkError
from realtime_ser.records import Estimate, Record, Session
from realtime_ser.sinks.file_lines import Lines
from realtime_ser.sinks.text import number
from realtime_ser.text import printable

Cell: TypeAlias = float | str | None


class CsvSink:
    """Rows of windows: times, state, label, a probability and a smoothed probability per label, level, latency, losses, source.

    Where the channels of a source are streams of their own, the last column is the channel. One header for all the streams of
    a run. What is unknown is an empty cell. A text cell that a spreadsheet would take for a formula gets an apostrophe in
    front.

    Parameters
    ----------
    path : the file, created readable by its owner alone, or ``"-"`` for standard output
    whole : the file appears when it is closed, whole, or not at all

    Raises
    ------
    SinkError : the file cannot be created
    """

    def __init__(self, path: str | os.PathLike[str], *, whole: bool = False) -> None:
        self._lines = Lines(path, allow_stdout=True, whole=whole)
        self.name = f"csv {printable(self._lines.path)}"
        self._labels: tuple[str, ...] | None = None
        self._source = ""

    def write(self, record: Record) -> None:
        """Write the header at the first session, then a row at each estimate.

        Raises
        ------
        SinkError : full disk, a pipe whose reader is gone, or a second stream with other labels than the first
        """
        if isinstance(record, Session):
            self._begin(record)
        elif isinstance(record, Estimate):
            self._row(record)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _begin(self, session: Session) -> None:
        self._source = session.source
        if self._labels is None:
            self._labels = session.labels
            self._put([printable(name) for name, _ in window_columns(session.labels, channels=session.channel is not None)])
        elif self._labels != session.labels:
            raise SinkError(f"cannot write {self.name}: the model's labels changed; write a file per model")

    def _row(self, estimate: Estimate) -> None:
        if self._labels is None:
            raise SinkError(f"cannot write {self.name}: a window came before its session")
        row = window_row(estimate, len(self._labels), self._source)
        self._put([_safe(cell) if isinstance(cell, str) else cell for cell in row])

    def _put(self, row: Sequence[Cell]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(row)
        self._lines.write(text.getvalue())


def window_columns(labels: Sequence[str], *, channels: bool = False) -> list[tuple[str, type]]:
    """Name and type of each column of a table of windows; of ``channels`` that are streams of their own, one names them."""
    return [
        *(("start_s", float), ("end_s", float), ("state", str), ("label", str), ("confidence", float)),
        *((f"p_{label}", float) for label in labels),
        *((f"smoothed_{label}", float) for label in labels),
        *(("speech_ratio", float), ("level_dbfs", float), ("latency_ms", float), ("lost_samples", int), ("source", str)),
        *([("channel", int)] if channels else []),
    ]


def window_row(estimate: Estimate, labels: int, source: str) -> list[Cell]:
    """A window's cells, in the order of ``window_columns``; None where nothing is known."""
    return [
        *(number(estimate.start_s, 4), number(estimate.end_s, 4), estimate.state, estimate.label),
        number(estimate.confidence, 4),
        *_numbers(estimate.probs, labels),
        *_numbers(estimate.smoothed, labels),
        *(number(estimate.speech_ratio, 4), number(estimate.level_dbfs, 2)),
        None if estimate.latency_s is None else number(estimate.latency_s * 1000.0, 2),
        *(estimate.lost_samples, source),
        *([] if estimate.channel is None else [estimate.channel]),
    ]


def _numbers(values: Sequence[float], count: int) -> list[Cell]:
    cells: list[Cell] = [number(float(value), 4) for value in values[:count]]
    return cells + [None] * (count - len(cells))


def _safe(text: str) -> str:
    text = printable(text)
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@", "＝", "＋", "－", "＠") and text else text
