"""The server as a process: streams over the network, limits, tokens, options, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from server_process import Server
from server_request import request
from socket_client import SocketClient

from command import SAMPLE, assert_accounted, of_type, realtime_ser, records

TOKEN = "correct-horse-battery-staple"
MakeServer = Callable[..., Server]


@contextlib.contextmanager
def raw_socket(port: int) -> Iterator[socket.socket]:
    """A socket of ours that has been opened and reads nothing."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(30)
        raw.connect(("127.0.0.1", port))
        raw.sendall(
            f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        yield raw


@pytest.fixture(scope="module")
def clip() -> bytes:
    """Ten seconds of the sample, s16le at 16 kHz."""
    audio, _ = soundfile.read(SAMPLE, dtype="int16")
    return audio[: 10 * 16000].tobytes()


def test_it_says_where_it_is(server: Server) -> None:
    said = "\n".join(server.said)
    assert f"http://127.0.0.1:{server.port}/" in said
    assert f"ws://127.0.0.1:{server.port}/v1/stream" in said
    assert "no audio is kept" in said
    assert "warning" not in said


def test_health_and_metrics(server: Server, clip: bytes) -> None:
    client = SocketClient(server.socket, start={})
    client.until("session")
    status, _, body = request(server, "GET", "/health")
    health = json.loads(body)
    assert (status, health["status"], health["streams"], health["max_streams"]) == (200, "ok", 1, 8)
    client.send(clip).send({"type": "stop"})
    assert client.rest() == 1000
    _, headers, body = request(server, "GET", "/metrics")
    text = body.decode()
    assert headers["content-type"].startswith("text/plain")
    for name in (
        "realtime_ser_streams 0.0",
        'realtime_ser_streams_begun_total{model="mlp"} ',
        'realtime_ser_windows_total{state="speech"} ',
        'realtime_ser_audio_seconds_total{fate="classified"} ',
        'realtime_ser_latency_seconds_bucket{le="0.3"} ',
    ):
        assert name in text, text


@pytest.mark.slow
def test_the_records_equal_replays_whoever_else_is_connected(server: Server, clip: bytes, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clip.wav", np.frombuffer(clip, "<i2"), 16000, subtype="PCM_16")
    expected = records(realtime_ser("replay", tmp_path / "clip.wav", "--speed", "max", "--jsonl", "-").stdout)
    clients: list[SocketClient] = [SocketClient(server.socket, start={}) for _ in range(6)]

    def play(client: SocketClient, size: int) -> None:
        for at in range(0, len(clip), size):
            client.send(clip[at : at + size])
            if size < 10000:
                time.sleep(0.001)
        client.send({"type": "stop"})
        assert client.rest() == 1000

    threads = [threading.Thread(target=play, args=(client, 2 * (320 + 1111 * index))) for index, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        for kind in ("window", "segment"):
            got, wanted = client.of_type(kind), of_type(expected, kind)
            assert [{**row, "latency_ms": 0} for row in got] == [{**row, "latency_ms": 0} for row in wanted]
        assert_accounted(client.received[-1])


def test_a_message_that_is_too_large(server: Server) -> None:
    client = SocketClient(server.socket, start={})
    client.send(bytes((1 << 20) + 2))
    assert client.rest() == 1009
    assert request(server, "GET", "/health")[0] == 200


def test_when_it_is_full(server: Server) -> None:
    clients = [SocketClient(server.socket, start={}) for _ in range(8)]
    for client in clients:
        client.until("session")
    late = SocketClient(server.socket)
    assert late.rest() == 1013
    assert late.received == [
        {"type": "error", "code": "full", "message": "all streams are taken; try again later", "fatal": True}
    ]
    clients.pop().close()
    deadline = time.monotonic() + 10
    while json.loads(request(server, "GET", "/health")[2])["streams"] == 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    again = SocketClient(server.socket, start={})
    again.until("session")
    for client in [*clients, again]:
        client.close()


@pytest.mark.slow
def test_a_token_is_needed_everywhere_it_matters(serve: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    server = serve("--token-file", tmp_path / "token", "--host", "0.0.0.0")
    said = "\n".join(server.said)
    assert "no TLS" in said
    assert TOKEN not in said
    for token in (None, "wrong"):
        client = SocketClient(server.socket, start={"token": token})
        assert client.rest() == 1008
        assert client.received[0]["code"] == "not_allowed"
    assert request(server, "POST", "/v1/classify", b"x")[0] == 401
    assert request(server, "POST", "/v1/classify", b"x", Authorization="Bearer nonsense")[0] == 401
    assert request(server, "GET", "/metrics")[0] == 401
    assert request(server, "GET", "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert request(server, "GET", "/health")[0] == 200
    assert request(server, "GET", "/health", Host="evil.example")[0] == 403
    good = SocketClient(server.socket, start={"token": TOKEN})
    good.until("session")
    good.send({"type": "stop"})
    assert good.rest() == 1000
    assert TOKEN not in json.dumps(good.received)
    code, said = server.stop()
    assert code == 0
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--host", "0.0.0.0"], 2, "--token-file"),
        (["--port", "99999"], 2, "--port"),
        (["--token-file", "/nowhere/token"], 2, "/nowhere/token"),
        (["--tls-cert", "cert.pem"], 2, "--tls-key"),
        (["--tls-cert", "/nowhere/cert.pem", "--tls-key", "/nowhere/key.pem"], 2, "--tls-cert"),
        (["--max-streams", "0"], 2, "--max-streams"),
        (["--model", "nonsense"], 2, "nonsense"),
        (["--also", "nonsense"], 2, "nonsense"),
        (["--host", "192.0.2.1", "--token-file", "{token}"], 1, "192.0.2.1"),
    ],
)
def test_wrong_options_are_one_line(arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    result = realtime_ser("serve", *(text.replace("{token}", str(tmp_path / "token")) for text in arguments))
    assert result.returncode == code
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert words in result.stderr


def test_a_taken_port_is_one_line(server: Server) -> None:
    result = realtime_ser("serve", "--port", str(server.port))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert str(server.port) in result.stderr


def test_without_the_extra_one_line_names_it() -> None:
    program = "import sys; sys.modules['uvicorn'] = None; from realtime_ser.cli.main import main; sys.exit(main(['serve']))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "realtime-ser: serve needs uvicorn, which is not installed; in the clone of realtime-ser: pip install '.[serve]'"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_gives_every_stream_its_summary(serve: MakeServer, clip: bytes, number: int) -> None:
    server = serve()
    clients = [SocketClient(server.socket, start={}) for _ in range(5)]
    silent = SocketClient(server.socket)  # never sends its start
    for client in clients:
        client.send(clip[:64000]).until("window")
    began = time.monotonic()
    server.process.send_signal(number)
    codes = [client.rest() for client in clients]
    code, said = server.stop(number=0)
    assert time.monotonic() - began < 5
    assert (code, said) == (0, "")
    assert codes == [1001] * 5
    for client in clients:
        assert client.of_type("event")[-1]["kind"] == "server_stopping"
        assert_accounted(client.received[-1])
        assert client.received[-1]["captured_samples"] == 32000
    silent.close()


def test_pings_whose_answers_nobody_reads_end_the_connection(server: Server) -> None:
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    ping = bytes([0x89, 0x80 | 125]) + bytes(4 + 125)
    with raw_socket(server.port) as raw, pytest.raises(OSError):  # noqa: PT012 (it ends at no particular moment)
        for _ in range(10_000):
            raw.sendall(ping * 100)
    assert process.memory_info().rss < before + 50e6
    assert request(server, "GET", "/health")[0] == 200


def test_importing_the_command_line_opens_no_network_library() -> None:
    program = (
        "import sys; from realtime_ser.cli.main import main\n"
        "try: main(['serve', '--help'])\nexcept SystemExit: pass\n"
        "print(*sorted({'uvicorn', 'starlette', 'websockets', 'prometheus_client', 'asyncio', 'socket'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert result.stdout.splitlines()[-1] == ""
