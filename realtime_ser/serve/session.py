"""One client's stream without a socket: text and bytes in, lines of JSON out.

Two sides meet in a queue. What the client sends is checked and queued at once (``text``, ``data``, ``gone``, ``check``); that
side never waits. ``work`` does what is queued: it decodes, classifies and writes into ``outbox``. One thread at a time may be
in either side, and they may be two different ones.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable

from realtime_ser.errors import SourceError
from realtime_ser.pipeline.session import StreamSession
from realtime_ser.profiles.run import OpenProfile, open_profile
from realtime_ser.records import Estimate, Health, Notice, Record
from realtime_ser.serve.auth import Access
from realtime_ser.serve.inbox import Audio, Over
from realtime_ser.serve.limits import Allowance, Limits
from realtime_ser.serve.metrics import Metrics
from realtime_ser.serve.models import Models, keep
from realtime_ser.serve.outbox import Outbox
from realtime_ser.serve.protocol import (
    CLOSE_DONE,
    CLOSE_FAILED,
    CLOSE_GOING_AWAY,
    CLOSE_REFUSED,
    Gap,
    ProtocolError,
    Start,
    Stop,
    as_text,
    read_message,
)
from realtime_ser.serve.reader import SampleReader
from realtime_ser.sinks.json_records import to_json
from realtime_ser.text import one_line

_MESSAGE_BURST_S = 10.0
_FAULTS = frozenset({"source_failed", "model_failed", "failed"})  # notices of what an ``error`` has reported already
_LOG = logging.getLogger("realtime_ser.serve")


class ClientStream:
    """What one connection does from its ``start`` to its summary.

    Parameters
    ----------
    number : of the connection, for logs and as the stream's source
    models, access, limits, metrics : the server's
    clock : monotonic, in seconds

    Attributes
    ----------
    outbox : what the client must get
    closing : nothing that the client sends counts any more
    close_code : the socket's, once the last message is in ``outbox``; None before
    health : where the samples went so far
    """

    def __init__(
        self,
        number: int,
        models: Models,
        access: Access,
        limits: Limits,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.number = number
        self.outbox = Outbox(limits.waiting_windows)
        self.closing = False
        self.close_code: int | None = None
        self.health = Health()
        self._models, self._access, self._limits, self._metrics = models, access, limits, metrics
        self._clock = clock
        self._inbox: deque[Start | Audio | Gap | Over] = deque()
        self._start: Start | None = None
        self._reader: SampleReader | None = None
        self._pace: Allowance | None = None
        self._message_pace = Allowance(limits.messages_per_s, limits.messages_per_s * _MESSAGE_BURST_S, clock())
        self._last_message = clock()
        self._session: StreamSession | None = None
        self._profile: OpenProfile | None = None
        self._received = 0  # source index just past what has come
        self._position = 0  # source index of the next sample to be pushed
        self._began_at = clock()
        self._due = 0  # source index at which the next window is complete

    @property
    def due(self) -> bool:
        """Whether ``work`` has something to do that a client could see. Audio waits until it completes a window."""
        return self.closing or self._session is None or self._received >= self._due

    # What the client sends, and what happens to it. None of it waits, none of it raises.

    def text(self, text: str) -> None:
        """Take a text message."""
        if self._counts_message():
            self._guarded(lambda: self._take(read_message(text)))

    def data(self, data: bytes) -> None:
        """Take a binary message."""
        if self._counts_message():
            self._guarded(lambda: self._take_audio(data))

    def gone(self) -> None:
        """The connection is lost: what came before is classified and accounted for, and nobody gets it."""
        self._end(Over(CLOSE_DONE))

    def server_stops(self) -> None:
        """End with a summary, because the server ends."""
        self._end(Over(CLOSE_GOING_AWAY, event=("server_stopping", "the server stops; connect again later")))

    def check(self) -> None:
        """End a stream on which nothing comes. To be called about every second."""
        waited = self._clock() - self._last_message
        if self._start is None and waited > self._limits.start_s:
            self._fail(ProtocolError("idle", f"no start message within {self._limits.start_s:g} s"))
        elif waited > self._limits.idle_s:
            self._fail(ProtocolError("idle", f"nothing came for {self._limits.idle_s:g} s; send silence to keep a stream open"))

    def _counts_message(self) -> bool:
        if self.closing:
            return False
        now = self._clock()
        self._last_message = now
        if not self._message_pace.take(1, now):
            self._fail(
                ProtocolError("rate_limited", f"over {self._limits.messages_per_s:g} messages a second; send larger ones")
            )
            return False
        return True

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except ProtocolError as error:
            if error.fatal:
                self._fail(error)
            else:
                self._metrics.rejected(error.code)
                self.outbox.put(as_text(error.entry()), may_drop=True)

    def _take(self, message: Start | Gap | Stop) -> None:
        if isinstance(message, Start):
            if self._start is not None:
                raise ProtocolError("wrong_order", "a stream has one start message; open another socket for another stream")
            if not self._access.token_is_right(message.token):
                raise ProtocolError("not_allowed", "the token is missing or wrong")
            if message.model is not None and message.model not in self._models.names:
                offered = ", ".join(self._models.names)
                raise ProtocolError("unknown_model", f"this server offers {offered}; 'serve --also NAME' offers more")
            self._models.check_profile(message.profile)
            self._reader = SampleReader(message, self._models.config.capture.channel)
            self._start = message
            self._began_at = self._clock()
            self._pace = Allowance(message.rate, message.rate * self._limits.burst_s, self._clock())
            self._inbox.append(message)
            return
        if self._start is None:
            raise ProtocolError("wrong_order", "a stream begins with its start message")
        if isinstance(message, Gap):
            self._received += message.samples
            self._inbox.append(message)
        else:
            self._end(Over(CLOSE_DONE))

    def _take_audio(self, data: bytes) -> None:
        if self._start is None or self._pace is None:
            raise ProtocolError("wrong_order", "a stream begins with its start message")
        size = self._start.frame_bytes
        now = self._clock()
        if not self._pace.take(len(data) // size, now):
            raise ProtocolError(
                "rate_limited",
                f"over {self._limits.burst_s:g} s of audio came faster than real time; POST a file to /v1/classify",
            )
        self._inbox.append(Audio(data, now))
        self._received += len(data) // size
        if len(data) % size:
            raise ProtocolError(
                "odd_bytes", f"{len(data)} bytes are no whole samples of {size} bytes; the rest was left out", fatal=False
            )

    def _fail(self, error: ProtocolError) -> None:
        self._end(Over(error.close, error))

    def _end(self, over: Over) -> None:
        if not self.closing:
            if over.error is not None:
                over.error.__traceback__ = None  # its frames hold this stream, which would wait for the garbage collector
            self.closing = True
            self._inbox.append(over)

    # What a worker does with it.

    def work(self) -> None:
        """Do what is queued."""
        try:
            while self._inbox and self.close_code is None:
                self._do(self._inbox.popleft())
        except SourceError as error:  # what came cannot be audio, and the message says why
            self.closing = True
            self._finish(Over(CLOSE_REFUSED, ProtocolError("unsupported", str(error).removeprefix("Engine.push: "))), error)
        except Exception as error:  # one stream's fault ends that stream
            self.closing = True
            # What failed is for who runs the server; the client learns that it did.
            _LOG.error("stream %d failed: %s: %s", self.number, type(error).__name__, one_line(error, 300))
            self._finish(Over(CLOSE_FAILED, ProtocolError("failed", "the server failed on this stream")), error)
        self._count()

    def _do(self, item: Start | Audio | Gap | Over) -> None:
        if isinstance(item, Audio):
            self._push(item)
        elif isinstance(item, Start):
            self._begin(item)
        elif isinstance(item, Over):
            self._finish(item)
        elif self._session is not None:
            self._position += item.samples
            self._send(self._session.gap(item.samples))
            self._set_due()

    def _begin(self, start: Start) -> None:
        config = self._models.config
        if start.profile is not None:
            self._profile = open_profile(start.profile, self._models.model(start.model))
        # A stream is late when the server is: by ``waiting_s``. What waits behind a piece does not make it late.
        self._session = StreamSession(
            self._models.engine(start.model, self._profile),
            max_lag_s=config.stream.max_lag_s,
            speed=math.inf,
            clock=self._clock,
        )
        self._metrics.began(self._models.model(start.model).card.name)
        self._send([self._session.start(config, source=f"stream {self.number}", source_rate=start.rate)])
        for notice in self._profile.notices if self._profile is not None else ():
            self._send(self._session.push(notice))
        self._set_due()

    def _push(self, first: Audio) -> None:
        assert self._session is not None
        assert self._start is not None
        assert self._reader is not None
        # What completes the next window is one piece: each piece costs, and only a whole window gives a record.
        messages, size = [first], len(first.data) // self._start.frame_bytes
        while self._position + size < self._due and self._inbox and isinstance(self._inbox[0], Audio):
            messages.append(message := self._inbox.popleft())  # type: ignore[arg-type]
            size += len(message.data) // self._start.frame_bytes  # type: ignore[union-attr]
        for item in self._reader.blocks(messages, self._position):
            if isinstance(item, Notice):
                self._send(self._session.push(item))
                continue
            self._position = item.end
            # Late is what the server did not do in time. Audio that came early, in a burst, has until its moment in real time.
            due_at = max(item.captured_at or 0.0, self._began_at + item.end / item.rate)
            self._send(self._session.push(item, waiting_s=max(0.0, self._clock() - due_at)))
        self._set_due()

    def _set_due(self) -> None:
        assert self._session is not None
        assert self._start is not None
        self._due = self._position + math.ceil(self._session.engine.until_next_s * self._start.rate)

    def _send(self, records: list[Record]) -> None:
        for record in records:
            entry = to_json(record)
            if entry is None or (isinstance(record, Notice) and record.kind in _FAULTS):
                continue
            self.outbox.put(as_text(entry), may_drop=isinstance(record, Estimate))
            if isinstance(record, Estimate):
                self._metrics.window(record)

    def _finish(self, over: Over, fault: Exception | None = None) -> None:
        self._inbox.clear()
        if over.error is not None:
            self._metrics.rejected(over.error.code)
            self.outbox.put(as_text(over.error.entry()))
        if over.event is not None:
            kind, message = over.event
            self.outbox.put(as_text({"type": "event", "kind": kind, "message": message, "at_s": None}))
        if self._session is not None:
            records = self._session.close(fault)
            if self._profile is not None:
                records[-1:-1] = keep(self._profile, self._session.engine)
            self._send(records)
            self._count()
            self._metrics.ended(self.health, self.outbox.unsent, self._session.engine.sample_rate)
            self._session = None  # the connection may live on for seconds; the engine need not
        self.close_code = over.close

    def _count(self) -> None:
        if self._session is not None:
            health = self._session.engine.health
            self._metrics.audio(self.health, health, self._session.engine.sample_rate)
            self.health = health
