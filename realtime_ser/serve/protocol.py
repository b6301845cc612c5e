"""Version 1 of the socket's messages: text to values, bytes to samples, faults to text. ``docs/protocol.md`` specifies it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from realtime_ser.records import FloatArray
from realtime_ser.serve.limits import MAX_GAP_S, MAX_RATE, MIN_RATE

PROTOCOL = 1
FORMATS: dict[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}

CLOSE_DONE = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_REFUSED = 1008
CLOSE_TOO_LARGE = 1009
CLOSE_FAILED = 1011
CLOSE_FULL = 1013

_LONGEST_SHOWN = 60
_LONGEST_TOKEN = 1024


class ProtocolError(Exception):
    """Something on the socket differs from ``docs/protocol.md``.

    Attributes
    ----------
    code : a word for programs; the message is for people
    fatal : the stream ends, with ``close`` as the socket's close code
    """

    def __init__(self, code: str, message: str, *, fatal: bool = True, close: int = CLOSE_REFUSED) -> None:
        super().__init__(message)
        self.code, self.fatal, self.close = code, fatal, close

    def entry(self) -> dict[str, Any]:
        """The message as the client gets it."""
        return {"type": "error", "code": self.code, "message": str(self), "fatal": self.fatal}


@dataclass(frozen=True, slots=True)
class Start:
    """How the samples that follow are to be read, by which model, whose token, and the profile of whose voice."""

    format: str
    rate: int
    channels: int
    model: str | None
    token: str | None
    profile: str | None = None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return FORMATS[self.format].itemsize * self.channels


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples (per channel, at the stream's rate) that the client lost."""

    samples: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The client has no more samples."""


def read_message(text: str) -> Start | Gap | Stop:
    """A client's text message.

    Raises
    ------
    ProtocolError : not an object of JSON, of no known type, or with a field that is missing, ill-typed or out of range
    """
    try:
        entry = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("bad_message", "the message is not JSON; send one object of JSON, or samples as binary") from error
    if not isinstance(entry, dict):
        raise ProtocolError("bad_message", 'the message is not an object of JSON, such as {"type":"stop"}')
    kind = entry.get("type")
    if kind == "start":
        return _start(entry)
    if kind == "gap":
        return Gap(_integer(entry, "samples", 0, int(MAX_GAP_S * MAX_RATE)))
    if kind == "stop":
        return Stop()
    raise ProtocolError("unknown_type", f"no message type {_shown(kind)}; it is start, gap or stop", fatal=False)


def read_samples(data: bytes, start: Start) -> FloatArray:
    """Whole frames of a client's binary message, float32 (n, channels); what is left at the end of it is not read."""
    whole = len(data) - len(data) % start.frame_bytes
    samples = np.frombuffer(data, FORMATS[start.format], whole // FORMATS[start.format].itemsize)
    floats = samples.astype(np.float32)
    if start.format == "s16le":
        floats *= np.float32(1 / 32768)
    return floats.reshape(-1, start.channels)


def as_text(entry: Mapping[str, Any]) -> str:
    """One line of JSON, as in a JSONL file."""
    return json.dumps(entry, allow_nan=False, separators=(",", ":"))


def _start(entry: Mapping[str, Any]) -> Start:
    version = entry.get("protocol", PROTOCOL)
    if version != PROTOCOL or isinstance(version, bool):
        raise ProtocolError("unsupported", f"protocol {_shown(version)} is not {PROTOCOL}, the one that this server speaks")
    form = entry.get("format")
    if not isinstance(form, str) or form not in FORMATS:
        raise ProtocolError("unsupported", f"format {_shown(form)} is neither {' nor '.join(FORMATS)}")
    model, token, profile = entry.get("model"), entry.get("token"), entry.get("profile")
    for name, value in (("model", model), ("token", token), ("profile", profile)):
        if value is not None and (not isinstance(value, str) or len(value) > _LONGEST_TOKEN):
            raise ProtocolError("bad_message", f"{name!r} is a short text or null")
    return Start(
        format=form,
        rate=_integer(entry, "rate", MIN_RATE, MAX_RATE),
        channels=_integer(entry, "channels", 1, 2, default=1),
        model=model,
        token=token,
        profile=profile,
    )


def _integer(entry: Mapping[str, Any], name: str, low: int, high: int, *, default: int | None = None) -> int:
    value = entry.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ProtocolError("unsupported", f"{name!r} is a whole number from {low} to {high}, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    try:
        text = json.dumps(value)
    except ValueError:  # an integer of more digits than Python prints
        return "that"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
