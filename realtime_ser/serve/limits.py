"""What a client may use of the server, and how it is counted."""

from __future__ import annotations

from dataclasses import dataclass

MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz
MAX_GAP_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything a client can exhaust has a bound; each is an option of ``serve``.

    Attributes
    ----------
    streams : sockets open at once
    message_bytes : largest message on the socket
    upload_bytes, upload_s : largest file that is classified, in bytes and in seconds of audio
    uploads : files classified at once
    start_s : seconds a new connection has for its ``start``
    idle_s : seconds without a message after which a stream ends
    burst_s : seconds of audio that may come faster than real time
    messages_per_s : messages a second on one socket, with a burst of ten seconds' worth
    waiting_windows : windows that wait for a client that reads slowly
    stalled_s : seconds without progress after which a client that does not read is cut off
    """

    streams: int = 64
    message_bytes: int = 1 << 20
    upload_bytes: int = 64 << 20
    upload_s: float = 3600.0
    uploads: int = 2
    start_s: float = 10.0
    idle_s: float = 30.0
    burst_s: float = 10.0
    messages_per_s: float = 500.0
    waiting_windows: int = 64
    stalled_s: float = 20.0


class Allowance:
    """An amount per second with a burst (a token bucket).

    Parameters
    ----------
    per_s : amount that becomes free each second
    burst : most that can be free
    now : in seconds, of any monotonic clock
    """

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._free, self._at = burst, now

    def take(self, amount: float, now: float) -> bool:
        """Use some; false, and nothing is used, when that much is not free."""
        self._free = min(self._burst, self._free + (now - self._at) * self._per_s)
        self._at = now
        if amount > self._free:
            return False
        self._free -= amount
        return True
