"""A client of one stream, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from bundles import Samples
from command import assert_accounted
from realtime_ser.serve.metrics import Metrics
from realtime_ser.serve.session import ClientStream

RATE = 16000
START = {"type": "start", "protocol": 1, "format": "s16le", "rate": RATE, "channels": 1, "model": None, "token": None}


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Wire:
    """A client of one stream, without a network.

    Attributes
    ----------
    received : every message so far, as objects
    """

    def __init__(self, stream: ClientStream, clock: Clock, metrics: Metrics) -> None:
        self.stream, self.clock, self.metrics = stream, clock, metrics
        self.received: list[dict[str, Any]] = []

    def start(self, **changes: Any) -> Wire:
        return self.text({**START, **changes})

    def text(self, message: object) -> Wire:
        self.stream.text(message if isinstance(message, str) else json.dumps(message))
        return self.work()

    def data(self, data: bytes, *, seconds: float = 0.0) -> Wire:
        """Send samples, ``seconds`` after the last ones."""
        self.clock.now += seconds
        self.stream.data(data)
        return self.work()

    def work(self) -> Wire:
        self.stream.work()
        while (text := self.stream.outbox.pop()) is not None:
            self.received.append(json.loads(text))
        return self

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.received if message["type"] == kind]

    def counted(self, name: str) -> float:
        """A figure of the server's metrics, by its name with labels."""
        for line in self.metrics.text().decode().splitlines():
            if line.startswith(f"realtime_ser_{name} "):
                return float(line.split()[-1])
        return 0.0


MakeWire = Callable[..., Wire]


def summary_of(wire: Wire) -> dict[str, Any]:
    """The one summary, which comes last; every sample is in it."""
    (summary,) = wire.of_type("summary")
    assert_accounted(summary)
    assert wire.received[-1] is summary
    return summary


def s16(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def send(wire: Wire, data: bytes, piece: int, *, rate: int = RATE, frame: int = 2) -> None:
    """At the pace of a microphone."""
    for at in range(0, len(data), piece):
        part = data[at : at + piece]
        wire.data(part, seconds=len(part) / frame / rate)
