"""uvicorn's connections, with an end for peers that never finish: half a request, no reading, pings without end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from websockets.frames import Frame

_REQUEST_S = 10.0  # for a request's head
_GOODBYE_S = 10.0  # for a peer to take what it was sent and to close
_MOST_FRAGMENTS = 1024  # of one message
STRAIGHT = "realtime_ser.straight"  # an ASGI extension: a function that sets where binary messages go


class HttpConnection(H11Protocol):
    """Closes when no whole request head came in time; uvicorn waits for the first one without end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """asyncio's call for a new connection."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_REQUEST_S, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's call for one that ended."""
        self._deadline.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """uvicorn's call when the transport goes over to the socket's protocol."""
        self._deadline.cancel()
        super().handle_websocket_upgrade(event)

    def _expire(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
            return
        self._deadline = self.loop.call_later(_REQUEST_S, self._expire)


class StreamSocket(WebSocketsSansIOProtocol):
    """Ends a peer that makes us store what it does not read, and never waits for one without end."""

    _goodbye: asyncio.TimerHandle | None = None
    _take: Callable[[bytes], None] | None = None

    def _send_straight(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    async def run_asgi(self) -> None:
        """Run the application; soon after its end the connection is gone, whatever the peer does."""
        self.scope["extensions"][STRAIGHT] = self._send_straight  # type: ignore[assignment]
        try:
            await super().run_asgi()
        finally:
            if not self.disconnected:
                self._goodbye = self.loop.call_later(_GOODBYE_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's call for a connection that ended."""
        if self._goodbye is not None:
            self._goodbye.cancel()
        super().connection_lost(exc)

    def send_receive_event_to_app(self) -> None:
        """Hand a whole message on. Samples go straight to their stream: the queue, the waking of a task and the pausing of the
        transport, which uvicorn needs for an application that may be slow, would cost as much as parsing them.
        """
        if self._take is None or self.curr_msg_data_type != "bytes" or not self.queue.empty():
            super().send_receive_event_to_app()
            return
        frames, self.frames = self.frames, []
        if not self.close_sent:
            self._take(bytes(frames[0]) if len(frames) == 1 else b"".join(frames))

    def handle_ping(self) -> None:
        """Answer, unless the peer does not read the answers."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment of a message; one of a thousand fragments is an attack on our memory."""
        if len(self.frames) >= _MOST_FRAGMENTS:
            self.transport.abort()
        else:
            super().handle_cont(event)


def protocols() -> dict[str, Any]:
    """What uvicorn's configuration takes."""
    return {"http": HttpConnection, "ws": StreamSocket}
