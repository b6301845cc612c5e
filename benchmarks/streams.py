"""How many voices at once one server takes: N clients at the pace of a microphone, clients and server on this machine.

    python benchmarks/streams.py                               # mlp: 20, 40, 60 ... streams for 60 s each, until it is too many
    python benchmarks/streams.py --model large --counts 2,4,8,12
    python benchmarks/streams.py --seconds 10 --counts 60      # a quick look

Each client sends 16 kHz s16le in blocks of 40 ms, each when a microphone would have it, from a phase of its own.
Latency is from the capture of a window's last sample to the arrival of its record at the client: the wait for the block's end,
the way to the server, the classification and the way back. Enough: a p99 of at most 300 ms and nothing dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "realtime_ser" / "sample" / "demo.flac"
BAR_MS = 300.0
WARM_UP_S = 4.0


class Client(asyncio.Protocol):
    """A small client that costs little beside the server: ready-made frames out, text frames in.

    Masks of zero leave the payload as it is, which RFC 6455 permits and which saves the time to mask it.
    """

    def __init__(self, frames: list[bytes], start: bytes, block_s: float) -> None:
        self._frames, self._start, self._block_s = frames, start, block_s
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._upgraded = False
        self._sent = 0
        self._at = random.randrange(len(frames))
        self._timer: asyncio.TimerHandle | None = None
        self.began = 0.0
        self.latencies: list[tuple[float, float]] = []  # when it came, how late it was
        self.summary: dict[str, Any] | None = None
        self.errors: list[str] = []
        self.over = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        host, port = transport.get_extra_info("peername")[:2]
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(  # type: ignore[attr-defined]
            (
                f"GET /v1/stream HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._buffer += data
        if not self._upgraded:
            _, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            self._upgraded, self._buffer = True, bytearray(rest)
            self._transport.write(self._start)
            self.began = self._next = now
            self._send()
        while (message := self._message()) is not None:
            opcode, payload = message
            if opcode == 1:
                self._record(json.loads(payload), now)
            elif opcode == 8:
                self._transport.close()
            elif opcode == 9:
                self._transport.write(frame(payload, 10))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        if self._timer is not None:
            self._timer.cancel()
        if not self.over.done():
            self.over.set_result(None)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport.write(frame(b'{"type":"stop"}', 1))

    def _send(self) -> None:
        # The block's last sample is captured at ``_next + block_s``.
        if self._sent:
            self._transport.write(self._frames[self._at % len(self._frames)])
            self._at += 1
        self._sent += 1
        self._timer = self._loop.call_later(max(0.0, self.began + self._sent * self._block_s - time.monotonic()), self._send)

    def _message(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, head = buffer[1] & 127, 2
        if size == 126:
            size, head = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            size, head = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < head + size or (head > 2 and len(buffer) < head):
            return None
        opcode, payload = buffer[0] & 15, bytes(buffer[head : head + size])
        del buffer[: head + size]
        return opcode, payload

    def _record(self, record: dict[str, Any], now: float) -> None:
        if record["type"] == "window":
            self.latencies.append((now, now - self.began - record["end_s"]))
        elif record["type"] == "summary":
            self.summary = record
        elif record["type"] == "error":
            self.errors.append(record["message"])


def frame(payload: bytes, opcode: int) -> bytes:
    """A masked frame whose mask is zero."""
    size = len(payload)
    head = bytes([128 | opcode, 128 | size]) if size < 126 else bytes([128 | opcode, 254]) + size.to_bytes(2, "big")
    return head + bytes(4) + payload


async def run_clients(port: int, count: int, seconds: float, block_ms: float, model: str, rate: int) -> dict[str, Any]:
    """What ``count`` clients saw; the first seconds, in which they arrive, do not count."""
    audio, sample_rate = soundfile.read(SAMPLE, dtype="int16")
    if rate != sample_rate:
        import soxr

        audio = soxr.resample(audio, sample_rate, rate)
    size = round(rate * block_ms / 1000)
    frames = [frame(audio[at : at + size].tobytes(), 2) for at in range(0, len(audio) - size, size)]
    start = frame(json.dumps({"type": "start", "protocol": 1, "format": "s16le", "rate": rate, "model": model}).encode(), 1)
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(count):
        _, client = await loop.create_connection(lambda: Client(frames, start, size / rate), "127.0.0.1", port)
        clients.append(client)
        await asyncio.sleep(min(0.05, WARM_UP_S / 2 / count) * (0.5 + random.random()))
    await asyncio.sleep(WARM_UP_S)
    begin, own = time.monotonic(), time.process_time()
    print("MEASURE", flush=True)
    await asyncio.sleep(seconds)
    end, own = time.monotonic(), time.process_time() - own
    print("MEASURED", flush=True)
    for client in clients:
        client.stop()
    await asyncio.wait([client.over for client in clients], timeout=20)
    late = np.array([value for client in clients for came, value in client.latencies if begin <= came <= end]) * 1000
    summaries = [client.summary for client in clients if client.summary is not None]
    return {
        "streams": count,
        "windows": len(late),
        "p50_ms": float(np.percentile(late, 50)) if len(late) else None,
        "p99_ms": float(np.percentile(late, 99)) if len(late) else None,
        "max_ms": float(late.max()) if len(late) else None,
        "windows_missing": round(count * seconds * 4) - len(late),
        "dropped_samples": sum(summary["dropped_samples"] for summary in summaries),
        "summaries": len(summaries),
        "errors": sorted({text for client in clients for text in client.errors}),
        "clients_cpu": own / (end - begin),
    }


def measure(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """One count: a fresh server, the clients in a process of their own, and what both cost."""
    command = [sys.executable, "-m", "realtime_ser", "serve", "--port", "0", "--model", options.model]
    command += ["--max-streams", str(count), *options.serve.split()]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    port = int(server.stderr.readline().split(":")[2].split("/")[0])
    while not server.stderr.readline().startswith("models"):
        pass
    process = psutil.Process(server.pid)
    time.sleep(0.5)
    idle_mb = process.memory_info().rss / 1e6
    command = [sys.executable, __file__, "--clients", str(port), "--counts", str(count), "--seconds", str(options.seconds)]
    command += ["--block-ms", str(options.block_ms), "--model", options.model, "--rate", str(options.rate)]
    clients = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert clients.stdout is not None
        assert clients.stdout.readline() == "MEASURE\n"
        before, began = process.cpu_times(), time.monotonic()
        machine = psutil.cpu_times()
        assert clients.stdout.readline() == "MEASURED\n"
        after, took = process.cpu_times(), time.monotonic() - began
        machine_after = psutil.cpu_times()
        busy_mb = process.memory_info().rss / 1e6
        result: dict[str, Any] = json.loads(clients.stdout.readline())
        clients.wait(30)
    finally:
        clients.kill()
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    cpu = (after.user + after.system - before.user - before.system) / took
    total = sum(machine_after[:3]) - sum(machine[:3])
    others = total / took - cpu - result["clients_cpu"]
    enough = result["p99_ms"] is not None and result["p99_ms"] <= BAR_MS
    enough = enough and not result["dropped_samples"] and result["summaries"] == count and not result["errors"]
    return result | {
        "server_cpu": cpu,
        "others_cpu": max(0.0, others),
        "idle_mb": idle_mb,
        "mb_a_stream": (busy_mb - idle_mb) / count,
        "enough": enough,
    }


def picture(rows: list[dict[str, Any]], path: Path, title: str) -> None:
    """Latency over the number of streams, and the processor beside it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, figsize=(7, 5.5), sharex=True, height_ratios=(2, 1))
    counts = [row["streams"] for row in rows]
    for key, colour, label in (("p50_ms", "#4580cc", "p50"), ("p99_ms", "#d64545", "p99")):
        above.plot(counts, [row[key] for row in rows], "o-", color=colour, label=label)
    above.axhline(BAR_MS, color="#6f8296", linestyle="--", linewidth=1, label="bar: p99 of 300 ms")
    above.set(ylabel="capture to record, ms", ylim=(0, max(BAR_MS * 1.3, min(1500, 1.1 * max(row["p99_ms"] for row in rows)))))
    above.set_title(title, loc="left", fontsize=10)
    above.legend(frameon=False)
    for key, colour, label in (
        ("server_cpu", "#2fa39a", "server"),
        ("clients_cpu", "#dd9a1a", "clients"),
        ("others_cpu", "#94836b", "other programs"),
    ):
        below.plot(counts, [row[key] for row in rows], "o-", color=colour, label=label)
    below.set(xlabel="streams at once", ylabel="cores in use", ylim=(0, None))
    below.legend(frameon=False)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print a table, write JSON and a picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--counts", default="20,40,60,80,100,120,140,160,200", help="streams at once, rising")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--block-ms", type=float, default=40.0)
    parser.add_argument("--rate", type=int, default=16000, help="of what the clients send, in Hz")
    parser.add_argument("--serve", default="", help="further options for the server")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--clients", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    counts = [int(count) for count in options.counts.split(",")]
    if options.clients:
        result = asyncio.run(
            run_clients(options.clients, counts[0], options.seconds, options.block_ms, options.model, options.rate)
        )
        print(json.dumps(result), flush=True)
        return
    rows: list[dict[str, Any]] = []
    print(f"{options.model}, {options.rate} Hz, blocks of {options.block_ms:g} ms, {options.seconds:g} s each")
    print("streams  p50 ms  p99 ms  max ms  dropped  missing  server cpu  clients cpu  others cpu  MB/stream  enough")
    for count in counts:
        row = measure(count, options)
        rows.append(row)
        columns = [f"{count:7d}", *(f"{row[key] or 0:7.0f}" for key in ("p50_ms", "p99_ms", "max_ms"))]
        columns += [f"{row['dropped_samples']:8d}", f"{row['windows_missing']:8d}", f"{row['server_cpu']:11.2f}"]
        columns += [f"{row['clients_cpu']:12.2f}", f"{row['others_cpu']:11.2f}", f"{row['mb_a_stream']:10.2f} "]
        print(*columns, "yes" if row["enough"] else "no", "; ".join(row["errors"]), flush=True)
        if not row["enough"]:
            break
    largest = max((row["streams"] for row in rows if row["enough"]), default=0)
    print(f"largest N with p99 <= {BAR_MS:g} ms and nothing dropped: {largest}")
    if options.json:
        options.json.write_text(json.dumps({"model": options.model, "largest": largest, "rows": rows}, indent=1) + "\n")
    if options.picture:
        picture(rows, options.picture, f"{options.model}: one server and its clients on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
