"""An output that keeps every record, and fails from a given one on."""

from __future__ import annotations

from realtime_ser.errors import SinkError
from realtime_ser.records import Record


class Collector:
    """Keeps every record; fails from the n-th on with ``fail_at``."""

    def __init__(self, fail_at: int | None = None, *, closed_by_reader: bool = False) -> None:
        self.name = "collector"
        self.records: list[Record] = []
        self.closed = 0
        self._fail_at = fail_at
        self._closed_by_reader = closed_by_reader

    def write(self, record: Record) -> None:
        if self._fail_at is not None and len(self.records) >= self._fail_at:
            raise SinkError("disk full", closed_by_reader=self._closed_by_reader)
        self.records.append(record)

    def close(self) -> None:
        self.closed += 1

    def of(self, kind: type) -> list:
        return [record for record in self.records if isinstance(record, kind)]
