"""Clients that break the socket's rules, each in its own way: coroutines over a raw connection, drawn by a seed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import struct
from collections.abc import Awaitable, Callable

Attack = Callable[["Peer"], Awaitable[None]]
_TEXT, _BINARY, _CLOSE, _PING = 1, 2, 8, 9


def frame(
    payload: bytes, opcode: int = _BINARY, *, final: bool = True, masked: bool = True, claimed: int | None = None
) -> bytes:
    """A frame; ``claimed`` is the length that its head says."""
    size = len(payload) if claimed is None else claimed
    head = bytes([(128 if final else 0) | opcode])
    mask = 128 if masked else 0
    if size < 126:
        head += bytes([mask | size])
    elif size < 65536:
        head += bytes([mask | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", size)
    return head + (bytes(4) if masked else b"") + payload


class Peer:
    """A raw connection to the server and a source of chance."""

    def __init__(self, port: int, seed: int) -> None:
        self.port, self.random = port, random.Random(seed)

    async def connect(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**16)

    async def open(self, **changes: object) -> None:
        """Upgrade, and start a stream."""
        await self.connect()
        self.write(self.upgrade())
        await self.reader.readuntil(b"\r\n\r\n")
        self.text({"type": "start", "format": "s16le", "rate": 16000, **changes})

    def upgrade(self) -> bytes:
        return (
            f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def text(self, message: object) -> None:
        self.write(frame((message if isinstance(message, str) else json.dumps(message)).encode(), _TEXT))

    def noise(self, most: int = 20000) -> bytes:
        return self.random.randbytes(self.random.randrange(most))

    async def rest(self) -> None:
        """Read until the server closes."""
        while await self.reader.read(65536):
            pass


async def wrong_json(peer: Peer) -> None:
    await peer.open()
    peer.text(
        peer.random.choice(["{", "[]", "null", '{"type":1}', '{"type":"gap"}', '{"type":"gap","samples":1e99}', "[" * 5000])
    )
    await peer.rest()


async def wrong_start(peer: Peer) -> None:
    values = [None, -1, 0, 2**70, "x" * 900, [], {}, True, 1.5, "NaN", "../../etc/passwd", "\u202e\x00"]
    field = peer.random.choice(["protocol", "format", "rate", "channels", "model", "token", "type"])
    await peer.open(**{field: peer.random.choice(values)})
    peer.write(frame(peer.noise()))
    peer.text({"type": "stop"})
    await peer.rest()


async def wrong_order(peer: Peer) -> None:
    await peer.connect()
    peer.write(peer.upgrade())
    messages = [frame(peer.noise()), frame(b'{"type":"stop"}', _TEXT), frame(b'{"type":"gap","samples":5}', _TEXT)]
    peer.write(peer.random.choice(messages))
    await peer.rest()


async def started_twice(peer: Peer) -> None:
    await peer.open()
    peer.text({"type": "start", "format": "f32le", "rate": 48000})
    await peer.rest()


async def huge(peer: Peer) -> None:
    await peer.open()
    peer.write(frame(bytes(1 << 20), claimed=peer.random.choice([(1 << 20) + 1, 1 << 30, 1 << 62])))
    await peer.rest()


async def tiny(peer: Peer) -> None:
    await peer.open()
    for _ in range(300):
        peer.write(frame(peer.random.randbytes(peer.random.randrange(3))))
    peer.text({"type": "stop"})
    await peer.rest()


async def no_numbers(peer: Peer) -> None:
    await peer.open(format="f32le")
    value = peer.random.choice([float("nan"), float("inf"), -float("inf"), 3e38, 1e-45])
    peer.write(frame(struct.pack("<f", value) * 8000))
    peer.write(frame(peer.noise()))
    peer.text({"type": "stop"})
    await peer.rest()


async def text_as_binary(peer: Peer) -> None:
    await peer.open()
    peer.write(frame(b'{"type":"stop"}', _BINARY))
    peer.write(frame(peer.noise(500), _TEXT))
    await peer.rest()


async def too_fast(peer: Peer) -> None:
    await peer.open()
    for _ in range(30):
        peer.write(frame(bytes(32000)))
    await peer.rest()


async def ping_flood(peer: Peer) -> None:
    await peer.open()
    for _ in range(200):
        peer.write(frame(bytes(125), _PING) * 20)
        await peer.writer.drain()


async def half_open(peer: Peer) -> None:
    await peer.connect()
    peer.write(peer.upgrade()[: peer.random.randrange(100)])
    await asyncio.sleep(0.2)


async def gone_in_mid_message(peer: Peer) -> None:
    await peer.open()
    peer.write(frame(peer.noise(), claimed=30000))
    await asyncio.sleep(0.05)


async def slow_reader(peer: Peer) -> None:
    await peer.open()
    for _ in range(400):
        peer.text({"type": "?" * 60})
    await asyncio.sleep(0.5)


async def not_the_protocol(peer: Peer) -> None:
    await peer.open()
    peer.write(peer.random.choice([peer.noise(200), frame(b"x", 3), frame(b"x", 11), frame(b"x", masked=False), b"\xff" * 50]))
    await peer.rest()


async def fragments(peer: Peer) -> None:
    await peer.open()
    peer.write(frame(b"\0\0", final=False))
    for _ in range(peer.random.choice([3, 3000])):
        peer.write(frame(b"\0\0", 0, final=False))
    peer.write(frame(b"\0\0", 0))
    peer.text({"type": "stop"})
    await peer.rest()


async def not_http(peer: Peer) -> None:
    await peer.connect()
    peer.write(peer.random.choice([peer.noise(), b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01" + peer.noise(100), b"A" * 70000]))
    await peer.rest()


async def strange_upgrade(peer: Peer) -> None:
    await peer.connect()
    lines = peer.upgrade().split(b"\r\n")
    del lines[peer.random.randrange(1, 6)]
    peer.write(b"\r\n".join(lines))
    await asyncio.sleep(0.1)


async def strange_close(peer: Peer) -> None:
    await peer.open()
    peer.write(frame(peer.random.choice([b"", b"\x03", b"\x00\x01", b"\x03\xe8\xff\xfe", struct.pack("!H", 5000)]), _CLOSE))
    await peer.rest()


async def flipped_bits(peer: Peer) -> None:
    """A right session with a few wrong bytes anywhere after the upgrade."""
    await peer.connect()
    start = frame(b'{"type":"start","format":"s16le","rate":16000}', _TEXT)
    gap, stop = frame(b'{"type":"gap","samples":99}', _TEXT), frame(b'{"type":"stop"}', _TEXT)
    data = bytearray(start + frame(peer.noise()) * 3 + gap + stop)
    for _ in range(peer.random.randrange(1, 6)):
        data[peer.random.randrange(min(len(data), 400))] ^= 1 << peer.random.randrange(8)
    peer.write(peer.upgrade() + bytes(data))
    await asyncio.sleep(0.1)


async def right(peer: Peer) -> None:
    """What a client should do."""
    await peer.open()
    peer.write(frame(peer.noise()))
    peer.text({"type": "stop"})
    await peer.rest()


ATTACKS: tuple[Attack, ...] = (
    *(wrong_json, wrong_start, wrong_order, started_twice, huge, tiny, no_numbers, text_as_binary, too_fast, ping_flood),
    *(half_open, gone_in_mid_message, slow_reader, not_the_protocol, fragments, not_http, strange_upgrade, strange_close),
    *(flipped_bits, right),
)


async def attack(port: int, seeds: range, at_once: int) -> None:
    """A session for each seed, so many at a time. What becomes of a session does not matter, only that it ends."""
    gate = asyncio.Semaphore(at_once)

    async def one(seed: int) -> None:
        peer = Peer(port, seed)
        async with gate:
            with contextlib.suppress(OSError, EOFError, asyncio.TimeoutError, asyncio.LimitOverrunError):
                try:
                    await asyncio.wait_for(ATTACKS[seed % len(ATTACKS)](peer), 60)
                finally:
                    if hasattr(peer, "writer"):
                        peer.writer.transport.abort()

    await asyncio.gather(*(one(seed) for seed in seeds))
