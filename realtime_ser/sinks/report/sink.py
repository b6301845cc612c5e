"""One self-contained HTML file about a run."""

from __future__ import annotations

import os
from collections.abc import Mapping

from realtime_ser.records import Block, Record, Session, Summary
from realtime_ser.sinks.files import WholeFile
from realtime_ser.sinks.report.data import Gathered
from realtime_ser.sinks.report.page import card, heading, overview, page, stream, title
from realtime_ser.text import printable, valid

# A page of many recordings stays readable and small: the first are drawn finely, then coarsely, then only listed.
_FINE_BYTES, _COARSE_BYTES = 900_000, 1_500_000
_ROWS = 1000


class ReportSink:
    """Gathers a run in bounded memory and writes the page when it is closed: whole or not at all.

    Parameters
    ----------
    path : the file; readable by its owner alone

    Raises
    ------
    SinkError : nothing can be written there
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = WholeFile(path)
        self.name = f"report {printable(os.fspath(path))}"
        self._gathered: Gathered | None = None
        self._parts: list[tuple[str, str]] = []
        self._size = 0
        self._rows: list[tuple[str, float, Mapping[str, float], float]] = []
        self._sessions = 0
        self._seconds = 0.0
        self._session: Session | None = None
        self._closed = False

    def write(self, record: Record) -> None:
        """Gather a record."""
        if self._closed or isinstance(record, Block):
            return
        if isinstance(record, Session):
            self._finish()
            self._gathered = Gathered(record)
            self._session = record
        elif self._gathered is not None:
            self._gathered.add(record)
            if isinstance(record, Summary):
                self._finish()

    def close(self) -> None:
        """Write the page.

        Raises
        ------
        SinkError : full disk
        """
        if self._closed:
            return
        self._closed = True
        self._finish()
        source = self._rows[0][0] if self._rows else "no audio"
        parts = [heading(max(1, self._sessions), self._seconds, source)]
        if self._sessions > 1:
            parts.append(overview(self._rows, self._sessions - len(self._rows)))
        for name, part in self._parts:
            parts += [title(name), part] if self._sessions > 1 else [part]
        generator = "realtime-ser"
        if self._session is not None:
            # One run has one model.
            parts.append(card(self._session))
            generator += f" {printable(self._session.version)}"
        text = page(parts, f"Emotion in speech: {printable(source)}", generator)
        self._file.save(valid(text).encode())

    def _finish(self) -> None:
        data, self._gathered = self._gathered, None
        if data is None:
            return
        self._sessions += 1
        self._seconds += data.duration_s
        if len(self._rows) < _ROWS:
            by_label = data.summary.seconds_by_label if data.summary is not None else {}
            lost = data.health.dropped / max(1, data.session.sample_rate)
            self._rows.append((data.session.source, data.duration_s, by_label, lost))
        if self._size < _COARSE_BYTES:
            part = stream(data, points=600 if self._size < _FINE_BYTES else 80)
            self._parts.append((data.session.source, part))
            self._size += len(part)
