"""A client's stream without a socket: what it may send, what it gets, and that every sample is accounted for."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from wire import RATE, Clock, Wire, s16, send, summary_of

from bundles import Samples
from command import SAMPLE, of_type, realtime_ser, records
from realtime_ser.serve.models import Models


def test_a_stream_from_start_to_summary(wire: Any, talk: Samples) -> None:
    client: Wire = wire().start()
    assert client.received[0]["type"] == "session"
    assert client.received[0]["sample_rate"] == RATE
    send(client, s16(talk), 1280)
    assert len(client.of_type("window")) > 20
    client.text({"type": "stop"})
    summary = summary_of(client)
    assert summary["captured_samples"] == len(talk)
    assert summary["dropped_samples"] == 0
    assert client.stream.close_code == 1000
    assert client.counted('windows_total{state="speech"}') + client.counted('windows_total{state="unsure"}') > 0


@pytest.mark.slow
def test_the_records_equal_those_of_replay(wire: Any, shipped_models: Models, tmp_path: Any) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="int16")
    audio = audio[: 12 * rate]
    soundfile.write(tmp_path / "clip.wav", audio, rate, subtype="PCM_16")
    result = realtime_ser("replay", tmp_path / "clip.wav", "--speed", "max", "--jsonl", "-")
    expected = records(result.stdout)
    client: Wire = wire(models=shipped_models).start(rate=rate)
    # Pieces of every size, some of them much longer than a hop.
    rng, at, data = np.random.default_rng(3), 0, audio.tobytes()
    while at < len(data):
        size = 2 * int(rng.choice([1, 7, 320, 640, 4000, 4001, 30000]))
        client.data(data[at : at + size], seconds=len(data[at : at + size]) / 2 / rate)
        at += size
    client.text({"type": "stop"})
    for kind in ("window", "segment"):
        got, wanted = client.of_type(kind), of_type(expected, kind)
        assert len(got) == len(wanted) > 1
        for one, other in zip(got, wanted, strict=True):
            assert {**one, "latency_ms": None} == {**other, "latency_ms": None}


def test_one_message_holds_everything(wire: Any, talk: Samples) -> None:
    client: Wire = wire().start()
    client.data(s16(talk)).text({"type": "stop"})
    assert summary_of(client)["captured_samples"] == len(talk)
    assert len(client.of_type("window")) > 20


@pytest.mark.parametrize(
    ("rate", "channels", "form"),
    [(8000, 1, "s16le"), (44100, 2, "s16le"), (48000, 1, "f32le"), (192000, 2, "f32le"), (11025, 1, "s16le")],
)
def test_any_rate_and_form(wire: Any, talk: Samples, rate: int, channels: int, form: str) -> None:
    import soxr

    samples = soxr.resample(talk[: 3 * RATE], RATE, rate).astype(np.float32)
    frames = np.repeat(samples[:, None], channels, axis=1)
    data = s16(frames) if form == "s16le" else frames.astype("<f4").tobytes()
    client: Wire = wire().start(format=form, rate=rate, channels=channels)
    client.data(data).text({"type": "stop"})
    assert summary_of(client)["captured_samples"] == pytest.approx(3 * RATE, abs=1)
    mono = wire().start(format="f32le", rate=rate)
    mono.data(samples.astype("<f4").tobytes()).text({"type": "stop"})
    ours, theirs = (
        np.array([[row["level_dbfs"], row["speech_ratio"]] for row in one.of_type("window")]) for one in (client, mono)
    )
    assert len(ours) > 5
    # Below the last bit of s16le the two differ.
    np.testing.assert_allclose(np.maximum(ours, -70), np.maximum(theirs, -70), atol=0.2)


def test_an_odd_byte_is_said_and_harms_nothing(wire: Any, talk: Samples) -> None:
    client: Wire = wire().start()
    data = s16(talk[: 2 * RATE])
    client.data(data + b"\x01")
    client.data(b"\x01")
    errors = client.of_type("error")
    assert [(error["code"], error["fatal"]) for error in errors] == [("odd_bytes", False)] * 2
    client.text({"type": "stop"})
    assert summary_of(client)["captured_samples"] == 2 * RATE


def test_a_gap_is_dropped_audio(wire: Any, talk: Samples) -> None:
    client: Wire = wire().start(rate=48000)
    client.text({"type": "gap", "samples": 48000})
    client.data(s16(np.repeat(talk[: 2 * RATE], 3)))
    client.text({"type": "gap", "samples": 24000})
    client.data(s16(np.repeat(talk[: 2 * RATE], 3)))
    client.text({"type": "gap", "samples": 4800}).text({"type": "stop"})
    summary = summary_of(client)
    assert summary["captured_samples"] == 5.6 * RATE
    assert summary["dropped_samples"] >= 1.6 * RATE
    assert client.of_type("window")[0]["start_s"] >= 1.0


def test_a_client_that_vanishes_is_accounted_for(wire: Any, talk: Samples) -> None:
    client: Wire = wire().start()
    send(client, s16(talk[: 5 * RATE + 100]), 1280)
    client.stream.gone()
    client.work()
    health = client.stream.health
    assert health.captured == 5 * RATE + 100
    assert health.captured == health.classified + health.gated + health.dropped + health.pending
    seconds = sum(client.counted(f'audio_seconds_total{{fate="{fate}"}}') for fate in ("classified", "gated", "pending"))
    assert seconds == pytest.approx(health.captured / RATE)
    assert summary_of(client)["captured_samples"] == health.captured


@given(pieces=st.lists(st.one_of(st.integers(0, 9000), st.tuples(st.integers(0, 30000))), max_size=12), seed=st.integers(0, 99))
def test_every_sample_is_accounted_for(tiny_models: Models, speech: Samples, pieces: list[Any], seed: int) -> None:
    from realtime_ser.serve.auth import Access
    from realtime_ser.serve.limits import Limits
    from realtime_ser.serve.metrics import Metrics
    from realtime_ser.serve.session import ClientStream

    clock, metrics = Clock(), Metrics()
    client = Wire(ClientStream(1, tiny_models, Access("127.0.0.1", None), Limits(), metrics, clock), clock, metrics).start()
    at, total = seed * 100, 0
    for piece in pieces:
        if isinstance(piece, tuple):
            client.text({"type": "gap", "samples": piece[0]})
            total += piece[0]
        else:
            client.data(s16(speech[at : at + piece]), seconds=piece / RATE)
            at += piece
            total += piece
    client.text({"type": "stop"})
    assert summary_of(client)["captured_samples"] == total


def test_broken_samples_are_dropped_and_counted(wire: Any) -> None:
    client: Wire = wire().start(format="f32le")
    client.data(np.zeros(16000, "<f4").tobytes())
    client.data(np.full(16000, np.nan, "<f4").tobytes())
    client.data(np.full(16000, np.inf, "<f4").tobytes())
    client.data(np.zeros(16000, "<f4").tobytes())
    client.text({"type": "stop"})
    summary = summary_of(client)
    assert summary["captured_samples"] == 64000
    assert summary["dropped_samples"] >= 32000


@pytest.mark.slow
def test_a_slow_reader_loses_windows_and_nothing_else(wire: Any, speech: Samples) -> None:
    slow: Wire = wire(waiting_windows=5, burst_s=100.0).start()
    fast: Wire = wire(burst_s=100.0).start()
    data = s16(speech[: 30 * RATE])
    for at in range(0, len(data), 6400):
        slow.stream.data(data[at : at + 6400])
        slow.stream.work()
        fast.data(data[at : at + 6400])
    slow.stream.text('{"type":"stop"}')
    fast.text({"type": "stop"})
    slow.work()
    assert len(slow.of_type("window")) == 5
    (said,) = slow.of_type("event")
    lost = len(fast.of_type("window")) - 5
    assert said["kind"] == "windows_unsent"
    assert str(lost) in said["message"]
    assert slow.of_type("segment") == fast.of_type("segment") != []
    # The newest windows are the ones that are left.
    assert slow.of_type("window")[-1]["end_s"] == fast.of_type("window")[-1]["end_s"]
    assert slow.counted("windows_unsent_total") == lost
    assert summary_of(slow)["captured_samples"] == 30 * RATE


def test_a_late_server_skips_and_says_so(wire: Any, talk: Samples) -> None:
    client: Wire = wire().start()
    data = s16(talk)
    for at in range(0, len(data), 3200):  # nobody works
        client.clock.now += 0.1
        client.stream.data(data[at : at + 3200])
    client.work()
    client.text({"type": "stop"})
    summary = summary_of(client)
    assert summary["dropped_samples"] > 4 * RATE
    assert client.of_type("event")[0]["kind"] == "behind"


def test_a_burst_is_not_late(wire: Any, talk: Samples) -> None:
    client: Wire = wire(burst_s=60.0).start()
    client.data(s16(talk)).text({"type": "stop"})
    assert summary_of(client)["dropped_samples"] == 0


def test_a_model_that_fails_ends_its_stream_alone(wire: Any, talk: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    client: Wire = wire().start()
    other: Wire = wire().start()

    def fail(*_: Any) -> Any:
        raise RuntimeError("a secret detail")

    assert client.stream._session is not None
    monkeypatch.setattr(client.stream._session.engine, "push", fail)
    for one in (client, other):
        send(one, s16(talk[: 3 * RATE]), 3200)
    assert client.of_type("error")[0]["code"] == "failed"
    assert client.stream.close_code == 1011
    assert summary_of(client)
    assert "secret" not in json.dumps(client.received)
    assert len(other.of_type("window")) == 8
    assert not other.of_type("error")


@pytest.mark.parametrize("last", [{"type": "stop"}, "no json", {"type": "start"}], ids=["stop", "fault", "second start"])
def test_an_ended_stream_holds_no_engine(wire: Any, talk: Samples, last: object) -> None:
    client: Wire = wire().start()
    gc.collect()
    gc.disable()
    try:
        send(client, s16(talk[: 2 * RATE]), 3200)
        assert client.stream._session is not None
        engine = weakref.ref(client.stream._session.engine)
        client.text(last)
        assert client.stream.close_code is not None
        assert engine() is None
    finally:
        gc.enable()


def test_the_server_stops(wire: Any, talk: Samples) -> None:
    client: Wire = wire().start()
    send(client, s16(talk[: 2 * RATE]), 3200)
    client.stream.server_stops()
    client.work()
    assert client.of_type("event")[0]["kind"] == "server_stopping"
    assert summary_of(client)["captured_samples"] == 2 * RATE
    assert client.stream.close_code == 1001
