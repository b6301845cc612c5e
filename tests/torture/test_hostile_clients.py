"""Clients that break every rule: the server lives, gives back what they took, and nobody else's records change."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

pytest.importorskip("starlette", reason="the 'serve' extra is not installed")
sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

from hostile import attack
from server_process import Server
from socket_client import SocketClient

from command import SAMPLE, assert_accounted, of_type, realtime_ser, records
from conftest import Torture

ROOT = Path(__file__).parents[2]


def streams_open(server: Server) -> int:
    with urllib.request.urlopen(f"{server.url}health", timeout=30) as answer:
        return int(json.load(answer)["streams"])


def settled(server: Server, process: psutil.Process, timeout_s: float = 60.0) -> int:
    """Descriptors in use once every stream is over and every connection closed."""
    deadline = time.monotonic() + timeout_s
    while streams_open(server) or len(process.net_connections()) > 2:
        assert time.monotonic() < deadline, f"{streams_open(server)} streams, {process.net_connections()}"
        time.sleep(0.2)
    return int(process.num_fds())


class Witness:
    """A client that does nothing wrong, at the pace of a microphone, while the others do."""

    def __init__(self, server: Server, audio: Any) -> None:
        self.client = SocketClient(server.socket, start={})
        self._audio = audio
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self.sent = 0
        self._thread.start()

    def _play(self) -> None:
        began = time.monotonic()
        while not self._over.is_set() and self.sent < len(self._audio):
            self.client.send(self._audio[self.sent : self.sent + 1600].tobytes())
            self.sent += 1600
            time.sleep(max(0.0, began + self.sent / 16000 - time.monotonic()))

    def stop(self) -> list[dict[str, Any]]:
        self._over.set()
        self._thread.join()
        self.client.send({"type": "stop"})
        assert self.client.rest(60) == 1000
        return self.client.received


@pytest.mark.slow
def test_hostile_clients(torture: Torture, tmp_path: Path) -> None:
    count, at_once = torture.pick((120, 40), (10_000, 500))
    options = ("--max-streams", "520", "--start-s", "3", "--idle-s", "5", "--stalled-s", "3", "--set", "stream.max_lag_s=600")
    server = Server(*options)
    process = psutil.Process(server.process.pid)
    try:
        # What the first sessions need once, they need for good.
        asyncio.run(attack(server.port, range(40), 40))
        descriptors, memory = settled(server, process), process.memory_info().rss
        audio, rate = soundfile.read(SAMPLE, dtype="int16")
        witness = Witness(server, np.tile(audio, 400))
        asyncio.run(attack(server.port, range(1000, 1000 + count), at_once))
        received = witness.stop()
        with urllib.request.urlopen(f"{server.url}metrics", timeout=30) as answer:
            counted = answer.read().decode()
        for reason in ("bad_message", "wrong_order", "unsupported", "rate_limited", "odd_bytes", "unknown_type"):
            assert f'rejected_total{{reason="{reason}"}}' in counted, reason
        assert server.process.poll() is None
        assert settled(server, process) <= descriptors + 2
        # The allocator keeps some of what many streams at once took; it must not be theirs for good.
        assert process.memory_info().rss < memory + 60e6 + 0.7e6 * at_once
        soundfile.write(tmp_path / "witness.wav", np.tile(audio, 400)[: witness.sent], rate, subtype="PCM_16")
    finally:
        code, said = server.stop()
    assert (code, said) == (0, "")
    assert_accounted(received[-1])
    expected = records(realtime_ser("replay", tmp_path / "witness.wav", "--speed", "max", "--jsonl", "-").stdout)
    for kind in ("window", "segment"):
        ours, theirs = of_type(received, kind), of_type(expected, kind)
        assert [{**row, "latency_ms": 0} for row in ours] == [{**row, "latency_ms": 0} for row in theirs]


@pytest.mark.slow
def test_500_at_once(torture: Torture) -> None:
    server = Server("--max-streams", "16", "--start-s", "3")
    process = psutil.Process(server.process.pid)
    try:
        descriptors = settled(server, process)
        asyncio.run(attack(server.port, range(19, 19 + 20 * torture.pick(100, 500), 20), 500))
        assert settled(server, process) <= descriptors + 2
        with urllib.request.urlopen(f"{server.url}metrics", timeout=30) as answer:
            assert 'realtime_ser_rejected_total{reason="full"}' in answer.read().decode()
    finally:
        assert server.stop() == (0, "")


@pytest.mark.slow
def test_memory_stays_flat(torture: Torture) -> None:
    seconds, streams = torture.pick((12, 8), (1800, 20))
    server = Server("--max-streams", str(streams), "--set", "stream.max_lag_s=60")
    process = psutil.Process(server.process.pid)
    command = [sys.executable, str(ROOT / "benchmarks" / "streams.py"), "--clients", str(server.port)]
    command += ["--counts", str(streams), "--seconds", str(seconds)]
    clients = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert clients.stdout is not None
        assert clients.stdout.readline() == "MEASURE\n"
        sizes = []
        for _ in range(6):
            time.sleep(seconds / 6.5)
            sizes.append(process.memory_info().rss / 1e6)
        assert clients.stdout.readline() == "MEASURED\n"
        result = json.loads(clients.stdout.readline())
    finally:
        clients.kill()
        clients.communicate()
        assert server.stop() == (0, "")
    assert result["summaries"] == streams
    assert result["dropped_samples"] == 0
    assert result["errors"] == []
    print(f"MB over time: {[round(size, 1) for size in sizes]}")
    assert sizes[-1] < sizes[1] + torture.pick(10.0, 8.0), sizes
