"""One row per window, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence

from realtime_ser.errors import SinkError
from realtime_ser.records import Estimate, Record, Session
from realtime_ser.sinks.lines import Lines
from realtime_ser.sinks.text import number
from realtime_ser.text import printable


class CsvSink:
    """Rows of windows: times, state, label, a probability and a smoothed probability per label, level, latency, losses, source.

    One header for all the streams of a run. What is unknown is an empty cell. A text cell that a spreadsheet would take for a
    formula gets an apostrophe in front.

    Parameters
    ----------
    path : the file, created readable by its owner alone

    Raises
    ------
    SinkError : the file cannot be created
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._lines = Lines(path)
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
            head = ["start_s", "end_s", "state", "label", "confidence"]
            head += [f"p_{printable(label)}" for label in session.labels]
            head += [f"smoothed_{printable(label)}" for label in session.labels]
            head += ["speech_ratio", "level_dbfs", "latency_ms", "lost_samples", "source"]
            self._put(head)
        elif self._labels != session.labels:
            raise SinkError(f"cannot write {self.name}: the model's labels changed; write a file per model")

    def _row(self, estimate: Estimate) -> None:
        if self._labels is None:
            raise SinkError(f"cannot write {self.name}: a window came before its session")
        count = len(self._labels)
        row: list[float | str | None] = [number(estimate.start_s, 4), number(estimate.end_s, 4), estimate.state]
        row += [_safe(estimate.label or ""), number(estimate.confidence, 4)]
        row += _cells(estimate.probs, count)
        row += _cells(estimate.smoothed, count)
        row += [number(estimate.speech_ratio, 4), number(estimate.level_dbfs, 2)]
        row += [None if estimate.latency_s is None else number(estimate.latency_s * 1000.0, 2)]
        row += [estimate.lost_samples, _safe(self._source)]
        self._put(row)

    def _put(self, row: Sequence[float | str | None]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(row)
        self._lines.write(text.getvalue())


def _cells(values: Sequence[float], count: int) -> list[float | str | None]:
    cells: list[float | str | None] = [number(float(value), 4) for value in values[:count]]
    return cells + [None] * (count - len(cells))


def _safe(text: str) -> str:
    text = printable(text)
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@", "＝", "＋", "－", "＠") and text else text
