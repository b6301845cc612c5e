"""OSC messages as python-osc's own server takes them; a peer that is not there slows nothing and is said."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_message import OscMessage
from pythonosc.osc_server import BlockingOSCUDPServer

from command import SAMPLE, of_type, realtime_ser, records
from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.records import Estimate, Session
from realtime_ser.sinks.osc import OscSink, osc_addresses, parse_address


class Server:
    """Collects (address, arguments) until it is stopped."""

    def __init__(self, port: int = 0) -> None:
        self.messages: list[tuple[str, tuple[Any, ...]]] = []
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(lambda address, *arguments: self.messages.append((address, arguments)))
        self._server = BlockingOSCUDPServer(("127.0.0.1", port), dispatcher)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def wait(self, count: int) -> list[tuple[str, tuple[Any, ...]]]:
        deadline = time.monotonic() + 10
        while len(self.messages) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.messages

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def unused_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_channels_that_are_streams_of_their_own_have_addresses_each(server: Server, stream) -> None:
    sink = OscSink(f"127.0.0.1:{server.port}")
    session, _, estimate, *_ = stream(1)
    for channel in (1, 2):
        sink.write(replace(session, channel=channel))
        sink.write(replace(estimate, channel=channel))
    messages = server.wait(18)
    sink.close()
    assert ("/realtime_ser/1/label", ("angry",)) in messages
    assert ("/realtime_ser/2/label", ("angry",)) in messages
    assert "/realtime_ser/2/angry" in dict(messages)


def test_a_float_for_each_label_and_the_label_that_stands(server: Server, stream) -> None:
    sink = OscSink(f"127.0.0.1:{server.port}")
    records = stream(32)
    windows = [record for record in records if isinstance(record, Estimate)]
    sink.write(records[0])
    for number, window in enumerate(windows, 1):
        sink.write(window)
        messages = server.wait(9 * number)  # else a busy machine loses some, as UDP may
    sink.close()
    sink.close()
    assert sink.news() == []
    assert len(messages) == len(windows) * 9
    for number, window in enumerate(windows):
        batch = messages[9 * number : 9 * number + 9]
        assert [address for address, _ in batch] == [
            *(f"/realtime_ser/{label}" for label in window.labels),
            "/realtime_ser/label",
        ]
        expected = window.smoothed or (0.0,) * 8
        assert [value for _, (value,) in batch[:8]] == pytest.approx(expected, abs=1e-6)
        assert batch[-1][1] == (window.label or window.state,)
    assert {arguments for address, arguments in messages if address.endswith("/label")} == {
        ("angry",), ("no_speech",), ("unsure",),
    }  # fmt: skip


def test_types_are_never_inferred(stream) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(5)
        sink = OscSink(f"127.0.0.1:{peer.getsockname()[1]}")
        session = Session("0", "m", ("a", "b"), 16000, 3.0, 0.25, "x", "now")
        # Whole numbers would be inferred as integers.
        sink.write(session)
        sink.write(Estimate(0, 4000, 4000, 16000, "speech", "a", 1, ("a", "b"), (1, 0), (1, 0), 1.0, -20.0))
        sink.close()
        tags = [peer.recv(512) for _ in range(3)]
    assert [b",f\0\0" in tag for tag in tags] == [True, True, False]
    assert b",s\0\0" in tags[2]
    assert OscMessage(tags[0]).params == [1.0]


def test_any_label_has_an_address_of_its_own() -> None:
    labels = ["happy", "not sure", "a/b", "a*b", "a#b", "ü", "", "label", "Label"]
    assert osc_addresses(labels) == [
        f"/realtime_ser/{name}" for name in ("happy", "not_sure", "a_b", "a_b_2", "a_b_3", "_", "__2", "label_2", "Label")
    ]


def test_a_peer_that_is_not_there_is_said_and_taken_back(unused_port: int, stream) -> None:
    now = [0.0]
    sink = OscSink(f"127.0.0.1:{unused_port}", clock=lambda: now[0])
    records = stream(16)
    began = time.monotonic()
    for record in records:
        sink.write(record)
    assert time.monotonic() - began < 2.0
    (lost,) = sink.news()
    assert lost.kind == "sink_lost"
    assert f"127.0.0.1:{unused_port}" in lost.message
    assert "refused" in lost.message
    server = Server(unused_port)
    try:
        for record in records:
            now[0] += 0.25
            sink.write(record)
        assert [notice.kind for notice in sink.news()] == ["sink_back"]
        assert server.wait(9)
        sink.close()
    finally:
        server.stop()


def test_a_peer_that_was_never_there_is_a_fault_at_the_end(unused_port: int, stream) -> None:
    sink = OscSink(f"127.0.0.1:{unused_port}")
    for record in stream(8):
        sink.write(record)
    with pytest.raises(SinkError, match="did not take the last messages: Connection refused"):
        sink.close()
    sink.close()


def test_a_host_without_an_address() -> None:
    sink = OscSink("no-such-host.invalid:9000")
    sink.write(Session("0", "m", ("a",), 16000, 3.0, 0.25, "x", "now"))
    with pytest.raises(SinkError, match=r"cannot send to osc no-such-host\.invalid:9000: .*; check the name of the host"):
        sink.write(Estimate(0, 4000, 4000, 16000, "speech", "a", 1.0, ("a",), (1.0,), (1.0,), 1.0, -20.0))
    sink.close()


@pytest.mark.parametrize("address", ["", ":", "9000", "host", "host:", ":9000", "host:0", "host:65536", "host:9e3", "::1:9000"])
def test_a_bad_address_is_wrong_usage(address: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT, such as"):
        parse_address(address)


def test_good_addresses() -> None:
    assert parse_address("localhost:9000") == ("localhost", 9000)
    assert parse_address("[::1]:57120") == ("::1", 57120)


@pytest.mark.slow
def test_a_replay_sends_and_says_so(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    result = realtime_ser("replay", SAMPLE, "--speed", "max", "--osc", f"127.0.0.1:{server.port}", "--jsonl", out)
    assert result.returncode == 0, result.stderr
    assert f"labels go to osc 127.0.0.1:{server.port}" in result.stdout.splitlines()[0]
    rows = of_type(records(out.read_text()), "window")
    labels = [arguments[0] for address, arguments in server.messages if address == "/realtime_ser/label"]
    # UDP may lose some on a busy machine.
    assert len(rows) * 0.5 < len(labels) <= len(rows)
    assert set(labels) <= {row["label"] or row["state"] for row in rows}


@pytest.mark.slow
def test_a_replay_to_nobody_loses_nothing_else(unused_port: int, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    result = realtime_ser("replay", SAMPLE, "--speed", "max", "--osc", f"127.0.0.1:{unused_port}", "--jsonl", out)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "did not take the last messages: Connection refused" in result.stderr
    rows = records(out.read_text())
    assert rows[-1]["windows"] == len(of_type(rows, "window")) > 80
    assert [row["kind"] for row in of_type(rows, "event")] == ["sink_lost"]


@pytest.mark.parametrize(
    ("option", "value", "module", "extra"),
    [("--osc", "127.0.0.1:9000", "pythonosc", "osc"), ("--mqtt", "mqtt://127.0.0.1", "paho", "mqtt")],
)
def test_a_missing_extra_is_one_line(option: str, value: str, module: str, extra: str, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / f"{module}.py").write_text("raise ImportError('not installed')\n")
    out = tmp_path / "o.jsonl"
    result = realtime_ser("demo", "--jsonl", out, option, value, env={"PYTHONPATH": str(tmp_path / "site")})
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert f"in the clone of realtime-ser: pip install '.[{extra}]'" in result.stderr
    assert not out.exists()
