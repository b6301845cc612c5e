"""What a client's stream may not send, and how it ends then; without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire import Wire, summary_of

RATE = 16000


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("no json", "bad_message"),
        ("[1]", "bad_message"),
        ('"start"', "bad_message"),
        ("[" * 100000, "bad_message"),
        ('{"type":"start","rate":NaN}', "bad_message"),
        ({"type": "start", "format": "mp3", "rate": 16000}, "unsupported"),
        ({"type": "start", "format": "s16le", "rate": 7999}, "unsupported"),
        ({"type": "start", "format": "s16le", "rate": 192001}, "unsupported"),
        ({"type": "start", "format": "s16le", "rate": "16000"}, "unsupported"),
        ({"type": "start", "format": "s16le", "rate": True}, "unsupported"),
        ({"type": "start", "format": ["s16le"], "rate": 16000}, "unsupported"),
        ({"type": "start", "format": "s16le", "rate": 16000, "channels": 3}, "unsupported"),
        ({"type": "start", "format": "s16le", "rate": 16000, "protocol": 2}, "unsupported"),
        ('{"type":"start","format":"s16le","rate":' + "1" * 5000 + "}", "bad_message"),
        ({"type": "start", "format": "s16le", "rate": 16000, "model": "../../etc/passwd"}, "unknown_model"),
        ({"type": "start", "format": "s16le", "rate": 16000, "model": 3}, "bad_message"),
        ({"type": "stop"}, "wrong_order"),
        ({"type": "gap", "samples": 5}, "wrong_order"),
    ],
)
def test_a_wrong_first_message_ends_the_stream(wire: Any, message: object, code: str) -> None:
    client: Wire = wire()
    client.text(message)
    (error,) = client.received
    assert (error["type"], error["code"], error["fatal"]) == ("error", code, True)
    assert "\n" not in error["message"]
    assert client.stream.close_code == 1008
    assert client.counted(f'rejected_total{{reason="{code}"}}') == 1
    client.start().data(bytes(64000))
    assert len(client.received) == 1


def test_wrong_messages_later_end_with_a_summary(wire: Any) -> None:
    for message in ({"type": "start", "format": "s16le", "rate": 16000}, "{", {"type": "gap", "samples": -1}, {"type": "gap"}):
        client: Wire = wire().start()
        client.data(bytes(32000)).text(message)
        assert client.of_type("error")[0]["fatal"]
        assert summary_of(client)["captured_samples"] == 16000


def test_audio_before_start_is_refused(wire: Any) -> None:
    client: Wire = wire().data(bytes(640))
    assert client.received[0]["code"] == "wrong_order"


def test_an_unknown_type_is_said_and_the_stream_goes_on(wire: Any) -> None:
    client: Wire = wire().start()
    client.text({"type": "hello"})
    assert client.received[-1]["code"] == "unknown_type"
    assert not client.received[-1]["fatal"]
    client.data(bytes(32000)).text({"type": "stop"})
    assert summary_of(client)["captured_samples"] == 16000


@pytest.mark.parametrize("given", [None, "", "wrong", "correct-horse-battery-stapl", "correct-horse-battery-staplé"])
def test_a_wrong_token_ends_the_stream(wire: Any, given: str | None) -> None:
    client: Wire = wire(token="correct-horse-battery-staple").start(token=given)
    (error,) = client.received
    assert error["code"] == "not_allowed"
    assert "horse" not in json.dumps(error)
    assert client.stream.close_code == 1008


def test_the_right_token_opens_it(wire: Any) -> None:
    client: Wire = wire(token="correct-horse-battery-staple").start(token="correct-horse-battery-staple")
    assert client.received[0]["type"] == "session"
    assert "horse" not in json.dumps(client.received)


def test_faster_than_real_time_is_refused_after_a_burst(wire: Any) -> None:
    client: Wire = wire(burst_s=5.0).start()
    client.data(bytes(2 * RATE * 5))  # the burst
    client.data(bytes(2 * RATE), seconds=1.0)
    assert not client.of_type("error")
    client.data(bytes(2 * RATE), seconds=0.5)
    (error,) = client.of_type("error")
    assert error["code"] == "rate_limited"
    assert "/v1/classify" in error["message"]
    assert summary_of(client)["captured_samples"] == 6 * RATE
    assert client.stream.close_code == 1008


def test_many_small_messages_are_refused(wire: Any) -> None:
    client: Wire = wire(messages_per_s=10.0).start()
    for _ in range(200):
        client.data(b"")
    assert [error["code"] for error in client.of_type("error")] == ["rate_limited"]


def test_silence_on_the_line_ends_the_stream(wire: Any) -> None:
    client: Wire = wire(idle_s=30.0).start()
    client.data(bytes(32000))
    client.clock.now += 29.0
    client.stream.check()
    assert not client.stream.closing
    client.clock.now += 2.0
    client.stream.check()
    client.work()
    assert client.of_type("error")[0]["code"] == "idle"
    assert summary_of(client)["captured_samples"] == 16000


def test_a_connection_without_a_start_ends_sooner(wire: Any) -> None:
    client: Wire = wire(start_s=10.0)
    client.clock.now += 11.0
    client.stream.check()
    client.work()
    assert client.received[0]["code"] == "idle"
    assert client.stream.close_code == 1008
