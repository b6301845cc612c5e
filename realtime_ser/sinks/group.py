"""Several sinks as one: one that fails ends alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from realtime_ser.errors import SinkError
from realtime_ser.records import Notice, Record
from realtime_ser.sinks.sink import Sink


class SinkGroup:
    """Hands every record to every sink; a sink that fails is closed and left out, and the others are told.

    Attributes
    ----------
    failures : what went wrong, in order
    """

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self._sinks = list(sinks)
        self.failures: list[SinkError] = []

    @property
    def exhausted(self) -> bool:
        """Every output has failed: nobody is left to write for."""
        return bool(self.failures) and not self._sinks

    def write(self, record: Record) -> None:
        """Hand a record to the sinks that still work."""
        failed: list[tuple[Sink, SinkError]] = []
        for sink in self._sinks:
            try:
                sink.write(record)
            except SinkError as error:
                failed.append((sink, error))
        for sink, failure in failed:
            self._sinks.remove(sink)
            self.failures.append(failure)
            with contextlib.suppress(SinkError):
                sink.close()
        for _, failure in failed:
            self.write(Notice("sink_failed", str(failure)))

    def close(self) -> None:
        """Finish every sink, whatever the others do."""
        while self._sinks:
            sink = self._sinks.pop()
            try:
                sink.close()
            except SinkError as error:
                self.failures.append(error)
