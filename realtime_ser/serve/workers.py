"""The threads on which all streams' engines run."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

_LOG = logging.getLogger("realtime_ser.serve")


class Workload(Protocol):
    """Something that has work now and then."""

    def work(self) -> None:
        """Do what there is."""
        ...


@dataclass(eq=False)
class Turn:
    """A workload's place among the others: no two threads run it at once, and none is forgotten."""

    load: Workload
    done: Callable[[], None]
    state: str = "idle"  # idle, waiting, running, again (running, and more has come since)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Workers:
    """Threads that take turns in the order of their requests.

    Parameters
    ----------
    count : threads
    """

    def __init__(self, count: int) -> None:
        self._queue: queue.SimpleQueue[Turn | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f"engines-{index}", daemon=True) for index in range(count)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Turns that wait for a thread."""
        return self._queue.qsize()

    def submit(self, turn: Turn) -> None:
        """Have the workload run soon; ``done`` is called on the worker's thread afterwards."""
        with turn.lock:
            if turn.state == "running":
                turn.state = "again"
            if turn.state != "idle":
                return
            turn.state = "waiting"
        self._queue.put(turn)

    def close(self) -> None:
        """Finish what is queued, then end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (turn := self._queue.get()) is not None:
            with turn.lock:
                turn.state = "running"
            try:
                turn.load.work()
                turn.done()
            except Exception:  # no stream's fault may end the thread that all of them need
                _LOG.exception("a stream's turn failed")
            with turn.lock:
                again, turn.state = turn.state == "again", "idle"
            if again:
                self.submit(turn)
