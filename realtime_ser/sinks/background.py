"""A sink on a thread of its own, for outputs that may be slow: what waits is bounded, and what is left out is counted."""

from __future__ import annotations

import contextlib
import threading
from collections import deque

from realtime_ser.errors import SinkError
from realtime_ser.records import Block, Estimate, Health, Notice, Record
from realtime_ser.sinks.base import Sink, SinkWithNews
from realtime_ser.sinks.group import failure_of

_CAPACITY = 1024
_PATIENCE_S = 2.0


class BackgroundSink:
    """Hands records to another sink on a thread; ``write`` never waits.

    When the other sink is slower than the stream, the oldest waiting windows are left out. Segments, notices, sessions and
    summaries are all handed over: a few a second at most wait for it. ``Block`` and ``Health`` records are not passed on.

    The other sink is used by this one thread alone, its ``close`` too; only its ``news`` is called from the stream's thread.

    Parameters
    ----------
    sink : the output
    capacity : windows that may wait
    patience_s : how long ``close`` waits until the rest is written

    Attributes
    ----------
    dropped : windows that were left out so far
    """

    def __init__(self, sink: Sink, *, capacity: int = _CAPACITY, patience_s: float = _PATIENCE_S) -> None:
        self.name = sink.name
        self.dropped = 0
        self._sink = sink
        self._capacity = capacity
        self._patience_s = patience_s
        self._waiting: deque[Record] = deque()
        self._windows = self._seen = 0
        self._changed = threading.Condition()
        self._ending = False
        self._closed = False
        self._fault: SinkError | None = None
        self._news: list[Notice] = []
        self._thread: threading.Thread | None = None

    def write(self, record: Record) -> None:
        """Leave the record to the thread.

        Raises
        ------
        SinkError : the other sink failed, at an earlier record
        """
        if isinstance(record, Block | Health) or self._closed:
            return
        with self._changed:
            if self._fault is not None:
                raise self._fault
            if isinstance(record, Estimate):
                self._seen += 1
                self._make_room()
                self._windows += 1
            self._waiting.append(record)
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def news(self) -> list[Notice]:
        """What there is to say of this output since the last call."""
        news, self._news = self._news, []
        if isinstance(self._sink, SinkWithNews):
            news += self._sink.news()
        return news

    def close(self) -> None:
        """Write what waits, as far as that goes in ``patience_s`` seconds.

        Raises
        ------
        SinkError : the other sink failed, or did not get everything; the message has how much it lacks
        """
        if self._closed:
            return
        self._closed = True
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread is None:
            self._sink.close()
            return
        self._thread.join(self._patience_s)
        with self._changed:
            # What the thread still holds is given up, so that it ends when its call returns.
            rest = len(self._waiting) + self._thread.is_alive()
            self._waiting.clear()
            fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        if rest:
            raise SinkError(
                f"{self.name} is too slow: {self._lacking(rest)} after {self._patience_s:g} s of waiting at the end"
            )
        if self.dropped:
            raise SinkError(f"{self.name} is too slow: {self._lacking(0)}; the other outputs have them")

    def _make_room(self) -> None:
        """Leave out the oldest window if as many wait as may; under the lock."""
        if self._windows < self._capacity:
            return
        for at, record in enumerate(self._waiting):
            if isinstance(record, Estimate):
                del self._waiting[at]
                break
        self._windows -= 1
        if not self.dropped:
            message = f"{self.name} takes records more slowly than they come: its oldest windows are left out"
            self._news.append(Notice("sink_behind", message))
        self.dropped += 1

    def _lacking(self, rest: int) -> str:
        parts = [f"{self.dropped} of {self._seen} windows were left out"] if self.dropped else []
        parts += [f"{rest} records were not written"] if rest else []
        return " and ".join(parts)

    def _run(self) -> None:
        try:
            while (record := self._next()) is not None:
                self._sink.write(record)
            self._sink.close()
        except BaseException as error:  # on a thread of its own, nobody else would see it
            with self._changed:
                self._fault = failure_of(self._sink, error)
                self._waiting.clear()
            with contextlib.suppress(BaseException):
                self._sink.close()

    def _next(self) -> Record | None:
        """The next record; None when everything is written and the sink shall end."""
        with self._changed:
            while not self._waiting:
                if self._ending:
                    return None
                self._changed.wait()
            record = self._waiting.popleft()
            self._windows -= isinstance(record, Estimate)
            return record
