"""MQTT against a real broker: retained state, discovery, the last will, and a broker that goes and comes back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mqtt_broker import MOSQUITTO, Broker, Subscriber, free_port, wait_until

from command import SAMPLE, of_type, realtime_ser, records, start
from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.records import Block, Estimate, Session
from realtime_ser.sinks.background import BackgroundSink
from realtime_ser.sinks.mqtt import MqttSink, discovery, parse_broker

needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto here: MQTT was not tried against a broker")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    running = Broker(folder)
    yield running
    running.stop()


@needs_broker
def test_channels_that_are_streams_of_their_own_have_a_state_each(broker: Broker, stream) -> None:
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}/call")
    records = stream(8)
    for record in records:
        for channel in (1, 2):
            sink.write(record if isinstance(record, Block) else replace(record, channel=channel))
    sink.close()
    seen = Subscriber(broker)
    wait_until(lambda: "call/2/state" in seen.payloads and "homeassistant/sensor/call_2/emotion/config" in seen.payloads)
    seen.stop()
    assert {topic for topic in seen.retained if topic.endswith("/state")} == {"call/1/state", "call/2/state"}
    assert json.loads(seen.payloads["call/2/state"][-1])["label"] == "angry"
    config = json.loads(seen.payloads["homeassistant/sensor/call_2/emotion/config"][-1])
    assert (config["state_topic"], config["name"]) == ("call/2/state", "Emotion, channel 2")
    assert config["unique_id"] == "call_2_emotion"


@pytest.mark.slow
@needs_broker
def test_a_replay_leaves_its_last_state_and_home_assistant_finds_it(broker: Broker, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    url = f"mqtt://127.0.0.1:{broker.port}/home/desk"
    result = realtime_ser("replay", SAMPLE, "--speed", "max", "--mqtt", url, "--jsonl", out)
    assert result.returncode == 0, result.stderr
    assert f"labels go to mqtt 127.0.0.1:{broker.port}" in result.stdout.splitlines()[0]
    last = of_type(records(out.read_text()), "window")[-1]
    late = Subscriber(broker)
    topics = [
        *("home/desk/state", "home/desk/availability"),
        *("homeassistant/sensor/home_desk/emotion/config", "homeassistant/sensor/home_desk/confidence/config"),
    ]
    wait_until(lambda: set(topics) <= set(late.payloads))
    late.stop()
    assert late.retained == set(topics)
    state = json.loads(late.payloads["home/desk/state"][-1])
    assert state["label"] == (last["label"] or last["state"])
    assert (state["state"], state["confidence"], state["smoothed"]) == (last["state"], last["confidence"], last["smoothed"])
    assert state["stream_s"] == pytest.approx(last["end_s"], abs=1e-3)
    assert late.payloads["home/desk/availability"] == ["offline"]
    emotion = json.loads(late.payloads[topics[2]][-1])
    assert emotion["state_topic"] == "home/desk/state"
    assert emotion["availability_topic"] == "home/desk/availability"
    assert emotion["value_template"] == "{{ value_json.label }}"
    assert state["label"] in emotion["options"]
    assert emotion["device"]["identifiers"] == ["home_desk"]
    assert json.loads(late.payloads[topics[3]][-1])["unique_id"] == "home_desk_confidence"


@needs_broker
def test_news_at_once_and_the_rest_once_a_second(broker: Broker, stream) -> None:
    listener = Subscriber(broker)
    now = [0.0]
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}", clock=lambda: now[0])
    rows = stream(32)
    sink.write(rows[0])
    wait_until(lambda: listener.payloads.get("realtime_ser/availability") == ["online"])
    for record in rows[1:]:
        now[0] += 0.25 * isinstance(record, Estimate)
        sink.write(record)
    sink.close()
    wait_until(lambda: listener.payloads["realtime_ser/availability"][-1:] == ["offline"])
    listener.stop()
    states = [json.loads(payload) for payload in listener.payloads["realtime_ser/state"]]
    # Two seconds each of speech (twice), silence and doubt: a change at once, then each second; and the last window.
    assert [state["label"] for state in states] == ["angry"] * 4 + ["no_speech"] * 2 + ["unsure"] * 3
    assert states[-1]["stream_s"] == pytest.approx(rows[-1].health.captured / 16000)
    assert sink.news() == []


@pytest.mark.slow
@needs_broker
def test_a_broker_that_goes_and_comes_back(broker: Broker, stream) -> None:
    sink = BackgroundSink(MqttSink(f"mqtt://127.0.0.1:{broker.port}", every_s=0.0), patience_s=5)
    rows = stream(32)
    windows = [record for record in rows if isinstance(record, Estimate)]
    sink.write(rows[0])
    sink.write(windows[0])
    listener = Subscriber(broker)
    wait_until(lambda: "realtime_ser/state" in listener.payloads)
    listener.stop()
    broker.stop()
    news: list[Any] = []

    def arrived(kind: str) -> bool:
        news.extend(sink.news())
        return kind in [notice.kind for notice in news]

    wait_until(lambda: arrived("sink_lost"))
    began = time.monotonic()
    for window in windows[1:]:
        sink.write(window)
    assert time.monotonic() - began < 0.5
    broker.start()
    wait_until(lambda: arrived("sink_back"))
    # The broker has kept nothing: it gets the latest state again, and what announces it.
    late = Subscriber(broker)
    wait_until(lambda: len(late.payloads) == 4)
    late.stop()
    assert json.loads(late.payloads["realtime_ser/state"][-1])["stream_s"] == pytest.approx(windows[-1].end_s, abs=1e-3)
    sink.close()
    assert [notice.kind for notice in news] == ["sink_lost", "sink_back"]
    assert all(str(broker.port) in notice.message for notice in news)


@pytest.mark.slow
@needs_broker
def test_when_the_process_is_killed_the_broker_says_offline(broker: Broker) -> None:
    listener = Subscriber(broker)
    process = start("replay", SAMPLE, "--no-dashboard", "--mqtt", f"mqtt://127.0.0.1:{broker.port}")
    wait_until(lambda: "realtime_ser/state" in listener.payloads, 60)
    process.kill()
    process.communicate()
    wait_until(lambda: listener.payloads["realtime_ser/availability"] == ["online", "offline"])
    listener.stop()


@pytest.mark.slow
@needs_broker
def test_a_password_is_taken_and_never_shown(tmp_path: Path) -> None:
    running = Broker(tmp_path, password="s3cret/@:")
    try:
        url = f"mqtt://me@127.0.0.1:{running.port}"
        run = ["replay", SAMPLE, "--speed", "max", "--mqtt"]
        good = realtime_ser(*run, url, env={"REALTIME_SER_MQTT_PASSWORD": "s3cret/@:"})
        assert good.returncode == 0, good.stderr
        good = realtime_ser(*run, url.replace("me@", "me:s3cret%2F%40%3A@"))
        assert good.returncode == 0, good.stderr
        bad = realtime_ser(*run, url.replace("me@", "me:wr0ng@"))
        assert bad.returncode == 1
        assert bad.stderr.count("\n") == 1
        assert "Not authorized" in bad.stderr
        assert "wr0ng" not in bad.stderr + bad.stdout
        assert "s3cret" not in good.stdout + good.stderr
    finally:
        running.stop()


@pytest.mark.slow
def test_a_broker_that_was_never_there_loses_nothing_else(tmp_path: Path) -> None:
    out, port = tmp_path / "o.jsonl", free_port()
    result = realtime_ser("replay", SAMPLE, "--speed", "max", "--mqtt", f"mqtt://127.0.0.1:{port}", "--jsonl", out)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"mqtt 127.0.0.1:{port} did not get the last state: Connection refused" in result.stderr
    rows = records(out.read_text())
    assert rows[-1]["windows"] == len(of_type(rows, "window")) > 80
    assert [row["kind"] for row in of_type(rows, "event")] in (["sink_lost"], [])


@pytest.mark.slow
def test_a_host_that_takes_the_connection_and_says_nothing(stream) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)
        sink = BackgroundSink(MqttSink(f"mqtt://127.0.0.1:{deaf.getsockname()[1]}"), patience_s=3)
        began = time.monotonic()
        for record in stream(8):
            sink.write(record)
        assert time.monotonic() - began < 0.5
        with pytest.raises(SinkError, match="did not get the last state: it does not answer"):
            sink.close()
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "url",
    [
        *("", "host", "host:1883", "http://host", "mqtt://", "mqtt://:1883", "mqtt://host:port", "mqtt://host:70000"),
        *("mqtt://host:0", "mqtt://host/a+b", "mqtt://host/%23", "mqtt://host?x=1", "mqtt://[::1", "mqtt://me:s3cret@host:x"),
        *("ftp://me:s3cret@host", "mqtt://host/a%0ab"),
    ],
)
def test_a_bad_url_is_wrong_usage_and_shows_no_password(url: str) -> None:
    with pytest.raises(ConfigError, match="--mqtt") as caught:
        parse_broker(url)
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_good_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALTIME_SER_MQTT_PASSWORD", "from outside")
    plain = parse_broker("mqtt://host")
    assert (plain.host, plain.port, plain.tls, plain.user, plain.password, plain.base) == (
        "host", 1883, False, None, None, "realtime_ser",
    )  # fmt: skip
    full = parse_broker("mqtts://me:p%40ss@[::1]:1234/a/b/")
    assert (full.host, full.port, full.tls, full.user, full.password, full.base) == ("::1", 1234, True, "me", "p@ss", "a/b")
    assert parse_broker("mqtt://me@host").password == "from outside"
    assert "p@ss" not in repr(full)


def test_discovery_without_a_session_and_with_hostile_names() -> None:
    broker = parse_broker("mqtt://host/a b/ü")
    assert set(discovery(broker, None)) == {f"homeassistant/sensor/a_b_/{name}/config" for name in ("emotion", "confidence")}
    session = Session("0", "m\udcff", ("x\udcff\n", "b"), 16000, 3.0, 0.25, "x", "now")
    for payload in discovery(broker, session).values():
        assert json.dumps(payload).isascii()
        assert json.dumps(payload, ensure_ascii=False).encode("utf-8")
