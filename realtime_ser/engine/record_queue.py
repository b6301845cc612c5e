"""What an engine found, in the order of the stream, until it is taken."""

from __future__ import annotations

from realtime_ser.records import Estimate, Notice, Segment


class RecordQueue:
    """Estimates, segments and notices in the order of the stream."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Empty it."""
        self._records: list[Estimate | Segment | Notice] = []
        self._old = 0  # number of them from earlier pushes

    def add(self, record: Estimate | Segment | Notice | None) -> None:
        """Append a record; None: nothing."""
        if record is not None:
            self._records.append(record)

    def take(self) -> list[Estimate | Segment | Notice]:
        """All records; the queue is empty then."""
        records, self._records, self._old = self._records, [], 0
        return records

    def drop_estimates(self) -> None:
        """Drop estimates that were already returned, so that they do not accumulate when only ``push`` is called."""
        if len(self._records) == self._old:
            return
        self._records[self._old :] = [record for record in self._records[self._old :] if not isinstance(record, Estimate)]
        self._old = len(self._records)
