"""Open Sound Control over UDP, for programs of sound and light: Max, Pure Data, SuperCollider, TouchDesigner. Needs python-osc.

One of the two outputs that open a socket, and only towards the address that the user named.
"""

from __future__ import annotations

import re
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.records import Estimate, Notice, Record, Session
from realtime_ser.text import one_line, printable, to_install

_ROOT = "/realtime_ser"
# OSC addresses are ASCII, and these have a meaning in their patterns: blank # * , / ? [ ] { }.
_NOT_IN_AN_ADDRESS = re.compile(r"[^A-Za-z0-9_.-]+")
# A refusal is reported one message later: it is back when it was quiet for this long.
_QUIET_S = 2.0
_TIMEOUT_S = 1.0


class OscSink:
    """At each window a float for each label and a string for the label that stands.

    ``/realtime_ser/<label>`` (f) is the smoothed probability, 0 where nobody speaks; ``/realtime_ser/label`` (s) is the label,
    "unsure" or "no_speech". Where the channels of a source are streams of their own, the addresses of each begin with
    ``/realtime_ser/<channel>``. UDP confirms nothing; a peer that refuses messages is reported.

    Sending may wait (for a name server, for the network): put it behind a ``BackgroundSink``.

    Parameters
    ----------
    address : "HOST:PORT"
    clock : in seconds

    Raises
    ------
    ConfigError : the address is none, or python-osc is not installed
    """

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._host, self._port = parse_address(address)
        self._build = _message_builder()
        self.name = f"osc {printable(address)}"
        self._clock = clock
        self._socket: socket.socket | None = None
        self._labels: tuple[str, ...] = ()
        self._addresses: list[str] = []
        self._refused: str | None = None
        self._refused_at = 0.0
        self._news: deque[Notice] = deque()  # filled by the thread that sends, emptied by the stream's

    def write(self, record: Record) -> None:
        """Send a window.

        Raises
        ------
        SinkError : the host has no address
        """
        if isinstance(record, Session):
            self._labels, self._addresses = record.labels, osc_addresses(record.labels)
        elif isinstance(record, Estimate):
            if record.labels != self._labels:
                self._labels, self._addresses = record.labels, osc_addresses(record.labels)
            values = record.smoothed or (0.0,) * len(self._labels)
            root = _ROOT if record.channel is None else f"{_ROOT}/{record.channel}"
            for address, value in zip(self._addresses, values, strict=True):
                self._send(root + address.removeprefix(_ROOT), float(value), "f")
            standing = record.label if record.state == "speech" and record.label else record.state
            self._send(f"{root}/label", printable(standing), "s")

    def news(self) -> list[Notice]:
        """That the peer refuses, or takes messages again."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def close(self) -> None:
        """Close the socket.

        Raises
        ------
        SinkError : the peer refused the last messages
        """
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()
        refused, self._refused = self._refused, None
        if refused is not None:
            raise SinkError(f"{self.name} did not take the last messages: {refused}; see that a program listens there")

    def _send(self, address: str, value: float | str, kind: str) -> None:
        builder = self._build(address=address)
        builder.add_arg(value, kind)
        content = builder.build().dgram
        sock = self._socket or self._connect()
        try:
            self._try(sock, content)
        except OSError as error:
            self._refused_at = self._clock()
            if self._refused is None:
                self._refused = one_line(error.strerror or error)
                self._news.append(Notice("sink_lost", f"{self.name} does not take messages ({self._refused}); sending goes on"))
            return
        if self._refused is not None and self._clock() - self._refused_at > _QUIET_S:
            self._refused = None
            self._news.append(Notice("sink_back", f"{self.name} takes messages again"))

    def _try(self, sock: socket.socket, content: bytes) -> None:
        try:
            sock.send(content)
        except ConnectionRefusedError:
            # What was refused is an earlier message; this one was not sent.
            sock.send(content)
            raise

    def _connect(self) -> socket.socket:
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            # Connected, so that a refusal comes back to us.
            self._socket.settimeout(_TIMEOUT_S)
            self._socket.connect(place)
        except OSError as error:
            reason = one_line(error.strerror or error)
            raise SinkError(f"cannot send to {self.name}: {reason}; check the name of the host and the network") from error
        return self._socket


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT" or "[IPv6]:PORT".

    Raises
    ------
    ConfigError : it is not of that form
    """
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not colon or not host or (":" in host and not bracketed) or not port.isdecimal() or not 0 < int(port[:6]) < 65536:
        raise ConfigError(f"--osc {address}: expected HOST:PORT, such as 127.0.0.1:9000")
    return host, int(port)


def osc_addresses(labels: Sequence[str]) -> list[str]:
    """An OSC address for each label, all different: what an address cannot hold becomes "_"."""
    taken = {"label"}
    addresses = []
    for label in labels:
        stem = _NOT_IN_AN_ADDRESS.sub("_", label) or "_"
        name, count = stem, 1
        while name in taken:
            count += 1
            name = f"{stem}_{count}"
        taken.add(name)
        addresses.append(f"{_ROOT}/{name}")
    return addresses


def check_osc(address: str) -> None:
    """See that the address is one and python-osc is there; nothing is sent.

    Raises
    ------
    ConfigError : not so; the message has what to do
    """
    parse_address(address)
    _message_builder()


def _message_builder() -> Any:
    try:
        from pythonosc.osc_message_builder import OscMessageBuilder
    except ImportError as error:
        raise ConfigError(f"--osc needs python-osc, which is not installed; {to_install('osc')}") from error
    return OscMessageBuilder
