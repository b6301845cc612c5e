"""A client over a real socket."""

from __future__ import annotations

import json
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from wire import START


class SocketClient:
    """One stream over a socket; ``received`` fills while ``rest`` or ``until`` read."""

    def __init__(self, url: str, *, start: dict[str, Any] | None = None, **options: Any) -> None:
        self._context = connect(url, compression=None, max_queue=None, **options)
        self.connection: ClientConnection = self._context.__enter__()
        self.received: list[dict[str, Any]] = []
        if start is not None:
            self.send({**START, **start})

    def send(self, message: object) -> SocketClient:
        self.connection.send(message if isinstance(message, bytes) else json.dumps(message))
        return self

    def until(self, kind: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """The next message of a type."""
        while True:
            message: dict[str, Any] = json.loads(self.connection.recv(timeout_s))
            self.received.append(message)
            if message["type"] == kind:
                return message

    def rest(self, timeout_s: float = 30.0) -> int:
        """Everything up to the end; the close code."""
        try:
            while True:
                self.received.append(json.loads(self.connection.recv(timeout_s)))
        except ConnectionClosed:
            code = self.connection.close_code
            assert code is not None
            return code

    def close(self) -> None:
        self._context.__exit__(None, None, None)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.received if message["type"] == kind]
