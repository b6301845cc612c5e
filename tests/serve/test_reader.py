"""What a client's messages become: its channels mixed, broken samples dropped, wrong scales refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from wire import RATE, Wire, s16, send, summary_of

from bundles import Samples
from realtime_ser import stream
from realtime_ser.serve.models import Models


@pytest.mark.parametrize("milliseconds", [10, 40, 250])
def test_a_broken_sample_costs_its_message_alone(wire: Any, talk: Samples, milliseconds: int) -> None:
    size = RATE * milliseconds // 1000
    audio = talk[: 6 * RATE].astype("<f4")
    audio[3 * RATE + 100] = np.nan
    client: Wire = wire().start(format="f32le")
    send(client, audio.tobytes(), 4 * size, frame=4)
    client.text({"type": "stop"})
    summary = summary_of(client)
    assert summary["captured_samples"] == len(audio)
    # What waits for the next hop is dropped with it, as in any gap.
    assert size <= summary["dropped_samples"] < size + RATE // 4


def test_the_dropped_samples_are_those_of_the_engine(wire: Any, talk: Samples, tiny_models: Models) -> None:
    size = RATE // 25
    audio = talk[: 6 * RATE].astype("<f4")
    audio[3 * RATE + 100] = np.inf
    client: Wire = wire().start(format="f32le")
    send(client, audio.tobytes(), 4 * size, frame=4)
    client.text({"type": "stop"})
    engine = tiny_models.engine(None)
    for at in range(0, len(audio), size):
        engine.push(audio[at : at + size])
    engine.flush()
    assert summary_of(client)["dropped_samples"] == engine.health.dropped


@pytest.mark.parametrize("form", ["s16le", "f32le"])
def test_channels_of_opposite_phase_do_not_cancel(wire: Any, talk: Samples, tiny_config: Any, form: str) -> None:
    frames = np.stack((talk, -talk), axis=1)
    data = s16(frames) if form == "s16le" else frames.astype("<f4").tobytes()
    client: Wire = wire().start(format=form, channels=2)
    send(client, data, 1280 * 4, frame=4 if form == "s16le" else 8)
    client.text({"type": "stop"})
    assert [event["kind"] for event in client.of_type("event")] == ["channels_cancel"]
    estimates = stream(frames, sample_rate=RATE, config=tiny_config)
    replayed = [estimate.state for estimate in estimates if estimate.state != "no_speech"]
    spoken = [row for row in client.of_type("window") if row["state"] != "no_speech"]
    assert len(replayed) > 5
    assert abs(len(spoken) - len(replayed)) <= 1
    assert summary_of(client)["captured_samples"] == len(talk)


def test_a_chosen_channel(wire: Any, talk: Samples, tiny_config: Any) -> None:
    models = Models(replace(tiny_config, capture=replace(tiny_config.capture, channel=2)))
    silent = np.zeros_like(talk)
    for frames, speaks in ((np.stack((talk, silent), axis=1), False), (np.stack((silent, talk), axis=1), True)):
        client: Wire = wire(models=models).start(channels=2)
        client.data(s16(frames)).text({"type": "stop"})
        assert any(row["speech_ratio"] > 0 for row in client.of_type("window")) == speaks
    refused: Wire = wire(models=models).start(channels=1)
    (error,) = refused.of_type("error")
    assert (error["code"], refused.stream.close_code) == ("unsupported", 1008)
    assert "channel 2" in error["message"]


def test_floats_that_nobody_scaled_are_the_clients_fault(wire: Any, talk: Samples) -> None:
    client: Wire = wire().start(format="f32le")
    client.data((talk * 32768).astype("<f4").tobytes())
    (error,) = client.of_type("error")
    assert error["code"] == "unsupported"
    assert error["message"].startswith("a level of")
    assert "32768" in error["message"]
    assert client.stream.close_code == 1008
    assert summary_of(client)
