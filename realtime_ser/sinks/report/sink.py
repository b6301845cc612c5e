"""One self-contained HTML file about a run."""

from __future__ import annotations

import os
from collections.abc import Mapping

from realtime_ser.records import Block, Record, Session, Summary
from realtime_ser.sinks.files import WholeFile
from realtime_ser.sinks.report.data import Gathered
from realtime_ser.sinks.report.page import card, heading, overview, page, stream, title
from realtime_ser.sinks.text import stream_name
from realtime_ser.text import printable, valid

# A page of many recordings stays readable and small: the first are drawn finely, then coarsely, then only listed.
_FINE_BYTES, _COARSE_BYTES = 900_000, 1_500_000
_ROWS = 1000


class ReportSink:
    """Gathers a run in bounded memory and writes the page when it is closed: whole or not at all. A run that never began writes
    nothing.

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
        self._gathered: dict[int | None, Gathered] = {}  # the streams under way by channel
        self._parts: list[tuple[str, str]] = []
        self._size = 0
        self._rows: list[tuple[str, float, Mapping[str, float], float]] = []
        self._sessions = self._channels = 0
        self._streams = 0
        self._seconds = 0.0
        self._session: Session | None = None
        self._source = ""  # the first one's
        self._closed = False

    def write(self, record: Record) -> None:
        """Gather a record."""
        if self._closed or isinstance(record, Block):
            return
        if isinstance(record, Session):
            if record.channel in (None, 1):
                self._finish()
            self._gathered[record.channel] = Gathered(record)
            self._session = record
            self._source = self._source or record.source
            return
        for channel, gathered in self._gathered.items():
            if record.channel in (channel, None):  # what concerns all channels stands in each one's part
                gathered.add(record)
        if isinstance(record, Summary) and all(each.summary is not None for each in self._gathered.values()):
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
        if self._session is None:
            self._file.discard()
            return
        self._finish()
        source = self._source or "no audio"
        parts = [heading(max(1, self._sessions), self._seconds, source, channels=self._channels)]
        several = len(self._rows) > 1 or self._sessions > 1
        if several:
            parts.append(overview(self._rows, self._streams - len(self._rows)))
        for name, part in self._parts:
            parts += [title(name), part] if several else [part]
        generator = f"realtime-ser {printable(self._session.version)}"
        text = page(
            parts, f"Emotion in speech: {printable(source)}", generator, card=card(self._session)
        )  # one run has one model
        self._file.save(valid(text).encode())

    def _finish(self) -> None:
        streams, self._gathered = list(self._gathered.values()), {}
        if not streams:
            return
        self._sessions += 1
        self._seconds += max(data.duration_s for data in streams)
        if streams[0].session.channel is not None:
            self._channels = max(self._channels, len(streams))
        for data in streams:
            self._finish_stream(data)

    def _finish_stream(self, data: Gathered) -> None:
        self._streams += 1
        name = stream_name(data.session)
        if len(self._rows) < _ROWS:
            by_label = data.summary.seconds_by_label if data.summary is not None else {}
            lost = data.health.dropped / max(1, data.session.sample_rate)
            self._rows.append((name, data.duration_s, by_label, lost))
        if self._size < _COARSE_BYTES:
            part = stream(data, points=600 if self._size < _FINE_BYTES else 80)
            self._parts.append((name, part))
            self._size += len(part)
