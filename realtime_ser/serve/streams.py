"""All connections of a server: who gets one, what wakes whom, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

from realtime_ser.serve.auth import Access
from realtime_ser.serve.limits import Limits
from realtime_ser.serve.metrics import Metrics
from realtime_ser.serve.models import Models
from realtime_ser.serve.session import ClientStream
from realtime_ser.serve.workers import Turn, Workers

_CHECK_S = 0.5


class Connection:
    """A client's stream and what belongs to its socket. Used on the loop's thread alone."""

    def __init__(self, stream: ClientStream, workers: Workers, loop: asyncio.AbstractEventLoop) -> None:
        self.stream = stream
        self.output = asyncio.Event()  # set when the outbox may hold something, or the stream is over
        self.sending_since: float | None = None
        self.tasks: tuple[asyncio.Task[None], ...] = ()
        self._workers = workers
        self._turn = Turn(stream, lambda: self._wake(loop))

    def text(self, text: str) -> None:
        """A text message came."""
        self.stream.text(text)
        if self.stream.due:
            self.work_soon()

    def data(self, data: bytes) -> None:
        """A binary message came."""
        self.stream.data(data)
        if self.stream.due:
            self.work_soon()

    def work_soon(self) -> None:
        """Something is queued for the stream."""
        self._workers.submit(self._turn)

    def cut_off(self) -> None:
        """End the tasks that send and receive, whatever they wait for."""
        for task in self.tasks:
            task.cancel()

    def leave(self) -> None:
        """The socket is closed; what the stream still holds is accounted for."""
        self.tasks = ()
        self.stream.gone()
        self._turn.done = _nothing  # else each would hold the other until the garbage collector comes
        self.work_soon()

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if len(self.stream.outbox) or self.stream.close_code is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever would send
                loop.call_soon_threadsafe(self.output.set)


class Streams:
    """The server's connections.

    Parameters
    ----------
    workers : threads for the engines
    """

    def __init__(self, models: Models, access: Access, limits: Limits, metrics: Metrics, *, workers: int) -> None:
        self.models, self.access, self.limits, self.metrics = models, access, limits, metrics
        self.open: set[Connection] = set()
        self.stopping = False
        self._workers = Workers(workers)
        self._numbers = itertools.count(1)

    def admit(self) -> Connection | None:
        """A place for a new connection; None when all are taken or the server stops."""
        if self.stopping or len(self.open) >= self.limits.streams:
            return None
        stream = ClientStream(next(self._numbers), self.models, self.access, self.limits, self.metrics)
        connection = Connection(stream, self._workers, asyncio.get_running_loop())
        self.open.add(connection)
        self.metrics.open.set(len(self.open))
        return connection

    def leave(self, connection: Connection) -> None:
        """The connection is over."""
        connection.leave()
        self.open.discard(connection)
        self.metrics.open.set(len(self.open))

    async def watch(self) -> None:
        """End streams on which nothing comes, cut off clients that read nothing; runs until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_CHECK_S)
            self.metrics.waiting.set(self._workers.waiting)
            for connection in list(self.open):
                stream = connection.stream
                stream.check()
                if stream.closing:
                    connection.work_soon()
                since = connection.sending_since
                if since is not None and loop.time() - since > self.limits.stalled_s:
                    self.metrics.rejected("stalled")
                    connection.cut_off()

    async def stop(self, within_s: float) -> None:
        """Take no new streams, send every open one its summary, and wait until they are gone, or for so long."""
        self.stopping = True
        for connection in list(self.open):
            connection.stream.server_stops()
            connection.work_soon()
        deadline = asyncio.get_running_loop().time() + within_s
        while self.open and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        for connection in list(self.open):
            connection.cut_off()

    def close(self) -> None:
        """End the threads."""
        self._workers.close()


def _nothing() -> None:
    """What is done after the last turn of a stream."""
