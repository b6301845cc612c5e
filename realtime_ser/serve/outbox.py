"""What waits to be sent to one client. A client that reads slowly loses windows, never segments or events."""

from __future__ import annotations

import threading
from collections import deque

from realtime_ser.serve.protocol import as_text


class Outbox:
    """A bounded queue between the thread that works and the loop that sends.

    Parameters
    ----------
    most_windows : windows that may wait; the oldest goes when another one comes

    Attributes
    ----------
    unsent : windows that were dropped so far
    """

    def __init__(self, most_windows: int) -> None:
        self._most = most_windows
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, bool]] = deque()
        self._windows = 0
        self._unsaid = 0  # dropped, and the client does not know
        self.unsent = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, text: str, *, may_drop: bool = False) -> None:
        """Add a message; ``may_drop`` for what can go when the client is slow: windows, and errors that are not fatal."""
        with self._lock:
            if may_drop and self._windows >= self._most:
                oldest = next(index for index, (_, droppable) in enumerate(self._waiting) if droppable)
                del self._waiting[oldest]
                self._unsaid += 1
                self.unsent += 1
            elif may_drop:
                self._windows += 1
            self._waiting.append((text, may_drop))

    def pop(self) -> str | None:
        """The next message to send, None when there is none. After a loss the next one has how much was lost."""
        with self._lock:
            if self._unsaid:
                lost, self._unsaid = self._unsaid, 0
                message = f"{lost} windows were not sent, because this client reads too slowly"
                return as_text({"type": "event", "kind": "windows_unsent", "message": message, "at_s": None})
            if not self._waiting:
                return None
            text, droppable = self._waiting.popleft()
            self._windows -= droppable
            return text
