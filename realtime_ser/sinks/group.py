"""Several sinks as one: one that fails, with whatever exception, ends alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from realtime_ser.errors import SinkError, described
from realtime_ser.records import Estimate, Notice, Record
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
        self._now = (0, 1)  # stream time of the last window: samples, sample rate

    @property
    def exhausted(self) -> bool:
        """Every output has failed: nobody is left to write for."""
        return bool(self.failures) and not self._sinks

    def write(self, record: Record) -> None:
        """Hand a record to the sinks that still work."""
        if isinstance(record, Estimate):
            self._now = (record.end, record.sample_rate)
        failed: list[tuple[Sink, SinkError]] = []
        for sink in self._sinks:
            try:
                sink.write(record)
            except Exception as error:  # a sink's fault of any kind is its own
                failed.append((sink, _failure(sink, error)))
        for sink, failure in failed:
            self._sinks.remove(sink)
            self.failures.append(failure)
            with contextlib.suppress(Exception):
                sink.close()
        for _, failure in failed:
            self.write(Notice("sink_failed", str(failure), *self._now))

    def close(self) -> None:
        """Finish every sink, whatever the others do."""
        while self._sinks:
            sink = self._sinks.pop()
            try:
                sink.close()
            except Exception as error:
                self.failures.append(_failure(sink, error))


def _failure(sink: Sink, error: Exception) -> SinkError:
    if isinstance(error, SinkError):
        return error
    failure = SinkError(f"output {sink.name} failed: {described(error)}")
    failure.__cause__ = error
    return failure
