"""Combines several sinks; the failure of one does not affect the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace

from realtime_ser.errors import SinkError
from realtime_ser.records import Estimate, Notice, Record, Session, Summary
from realtime_ser.sinks.base import Sink, SinkWithNews
from realtime_ser.sinks.files import sink_error
from realtime_ser.text import one_line

# Everything but the user's own wish to end at once. SystemExit is among it: libraries end a broken pipe with that.
_FAULTS = (Exception, SystemExit, GeneratorExit)


class SinkGroup:
    """Hands every record to every sink; a sink that raises is closed and left out, and the others get a notice.

    A sink reports its faults with ``SinkError``; any other exception is a fault in the sink and is treated alike. Only
    KeyboardInterrupt passes, from ``close`` after every sink was closed.

    A stream's last record is its summary: a notice that would follow it waits for the next stream, if there is one.

    Attributes
    ----------
    failures : what went wrong, in order
    """

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self._sinks = list(sinks)
        self.failures: list[SinkError] = []
        self._with_news = [sink for sink in self._sinks if isinstance(sink, SinkWithNews)]
        self._at, self._rate = 0, 1
        self._held: list[str] = []  # what failed while a summary was written

    @property
    def exhausted(self) -> bool:
        """Whether every output has failed."""
        return bool(self.failures) and not self._sinks

    def write(self, record: Record) -> None:
        """Hand a record to the sinks that still work."""
        if self._held and not isinstance(record, Session | Summary):
            held, self._held = self._held, []
            for message in held:
                self.write(Notice("sink_failed", message, self._at, self._rate))
        failed: list[tuple[Sink, SinkError]] = []
        if isinstance(record, Estimate):
            self._at, self._rate = record.end, record.sample_rate
        elif isinstance(record, Session):
            self._at, self._rate = 0, record.sample_rate
        for sink in self._sinks:
            try:
                sink.write(record)
            except _FAULTS as error:
                failed.append((sink, failure_of(sink, error)))
        for sink, failure in failed:
            self._sinks.remove(sink)
            self.failures.append(failure)
            with contextlib.suppress(*_FAULTS):
                sink.close()
        if isinstance(record, Summary):
            self._held += [str(failure) for _, failure in failed]
            return
        for _, failure in failed:
            self.write(Notice("sink_failed", str(failure), self._at, self._rate))
        for reporter in self._with_news:
            for notice in reporter.news():
                self.write(replace(notice, at=self._at, sample_rate=self._rate))

    def close(self) -> None:
        """Finish every sink, whatever the others do."""
        interrupted: KeyboardInterrupt | None = None
        while self._sinks:
            sink = self._sinks.pop()
            try:
                sink.close()
            except KeyboardInterrupt as wish:
                interrupted = wish
            except _FAULTS as error:
                self.failures.append(failure_of(sink, error))
        if interrupted is not None:
            raise interrupted


def failure_of(sink: Sink, error: BaseException) -> SinkError:
    """A sink's exception as a ``SinkError``."""
    if isinstance(error, SinkError):
        return error
    if isinstance(error, OSError):
        failure = sink_error(sink.name, error)
    else:
        reason = f"{type(error).__name__}: {one_line(error, 200)}"
        failure = SinkError(f"cannot write {sink.name}: {reason}; this is a fault in the program, please report it")
    failure.__cause__ = error
    return failure
