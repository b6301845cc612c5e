"""What waits between the side of a stream that takes messages and the one that works."""

from __future__ import annotations

from dataclasses import dataclass

from realtime_ser.serve.protocol import ProtocolError


@dataclass(frozen=True, slots=True)
class Audio:
    """Samples as they came, and when."""

    data: bytes
    received_at: float


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing more comes: ``error`` for the client, or the close code alone."""

    close: int
    error: ProtocolError | None = None
    event: tuple[str, str] | None = None
