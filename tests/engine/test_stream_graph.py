"""A graph with a stream's state: offline equals online, "nobody" sets no_speech, and the card has the tensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundles import LABELS, RATE, STREAM, Samples, write_bundle, write_stream_bundle
from realtime_ser.audio.high_pass import high_passed
from realtime_ser.config import Config, GateConfig, StreamConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.profile import Profile
from realtime_ser.errors import ModelError
from realtime_ser.model.classifier import Classifier, load_model

UNGATED = GateConfig(enabled=False)


@pytest.fixture
def model(tmp_path: Path) -> Classifier:
    return load_model(write_stream_bundle(tmp_path))


def test_a_stream_in_pieces_is_the_stream_whole(model: Classifier, talk: Samples) -> None:
    whole = Engine(model, Config(gate=UNGATED))
    expected = whole.push(talk) + whole.flush()
    pieces = Engine(model, Config(gate=UNGATED))
    for size in (401, 700, 16000, 50_000):
        pieces.reset()
        got = []
        for start in range(0, len(talk), size):
            got += pieces.push(talk[start : start + size])
        got += pieces.flush()
        assert [each.label for each in got] == [each.label for each in expected]
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(one.probs, other.probs, atol=1e-5)


def test_the_state_goes_along_and_a_new_stream_starts_afresh(model: Classifier, talk: Samples) -> None:
    engine = Engine(model, Config(gate=UNGATED, stream=StreamConfig(recent_s=0.0)))
    first = engine.push(talk)
    passed = high_passed(talk, RATE)
    state = model.first_state()
    for each in first:
        probs, state = model.follow(passed[np.newaxis, each.start : each.end], state, each.hop_s)
        emotions = probs[0, : len(LABELS)]
        expected = emotions / emotions.sum() if each.probs else ()
        np.testing.assert_allclose(each.probs, expected, atol=1e-5)
    assert state[0] > 5
    engine.reset()
    for one, other in zip(engine.push(talk), first, strict=True):
        np.testing.assert_allclose(one.probs, other.probs, atol=1e-6)


def test_a_snapshot_takes_the_state_to_another_stream(model: Classifier, talk: Samples) -> None:
    config = Config(gate=UNGATED)
    engine = Engine(model, config)
    engine.push(talk)
    engine.flush()
    voice = engine.snapshot_voice()
    assert voice is not None
    assert np.any(voice.numbers)
    expected = [each.probs for each in engine.push(talk)]
    known = Engine(model, config, profile=Profile(voice))
    for _ in range(2):
        assert [each.probs for each in known.push(talk)] == expected
        known.reset()
    with pytest.raises(ModelError, match="finite numbers are needed"):
        engine.restore_voice(replace(voice, numbers=(*voice.numbers, 0.0)))


def test_nobody_is_no_speech_in_records_and_accounts(model: Classifier, talk: Samples) -> None:
    quiet = np.tile(np.array([3e-4, -3e-4], np.float32), 2 * RATE)
    samples = np.concatenate((talk[: 4 * RATE], quiet))
    engine = Engine(model, Config(gate=UNGATED))
    estimates = engine.push(samples) + engine.flush()
    states = [each.state for each in estimates]
    assert states[0] == "speech"
    assert states[-1] == "no_speech"
    assert estimates[-1].probs == ()
    assert estimates[-1].label is None
    health = engine.health
    assert health.gated == sum(each.hop for each in estimates if each.state == "no_speech")
    assert health.classified == sum(each.hop for each in estimates if each.state != "no_speech")
    assert health.captured == health.classified + health.gated + health.dropped + health.pending
    alone = Engine(model, Config(gate=GateConfig(enabled=False, model=False)))
    spoken = alone.push(samples)
    assert {each.state for each in spoken} <= {"speech", "unsure"}
    for each in [*estimates, *spoken]:
        assert not each.probs or sum(each.probs) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ({**STREAM, "state": "other"}, "inputs"),
        ({**STREAM, "next_state": "other"}, "outputs"),
        ({**STREAM, "size": 3}, "state"),
        ({**STREAM, "nobody": False}, "need"),
        ({**STREAM, "size": "2"}, "takes int"),
        ({**STREAM, "recent_s": 0}, "recent_s"),
        ({**STREAM, "nobody": 1}, "takes bool"),
        ({"state": "state"}, "missing"),
        ([], "a section"),
        (None, "inputs"),
    ],
)
def test_a_card_that_says_otherwise_is_refused(tmp_path: Path, stream: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(write_stream_bundle(tmp_path, stream=stream))


def test_how_probable_nobody_must_be_is_on_the_card(tmp_path: Path) -> None:
    plain = load_model(write_stream_bundle(tmp_path / "plain")).card
    card = load_model(write_stream_bundle(tmp_path / "limit", nobody_from=0.35)).card
    assert (plain.nobody_from, card.nobody_from) == (0, 0.35)
    assert card.identity == f"{card.sha256}, nobody from 0.35" != plain.identity
    for number, wrong in enumerate((-0.1, 1.1, True, "0.5")):
        with pytest.raises(ModelError, match="nobody_from"):
            load_model(write_stream_bundle(tmp_path / str(number), nobody_from=wrong))


def test_a_limit_for_nobody_needs_such_an_output(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="needs a network with an output for nobody"):
        load_model(write_bundle(tmp_path, "stacked", nobody_from=0.5))


def test_a_model_without_state_says_so(bundles: dict[str, Path]) -> None:
    model = load_model(bundles["stacked"])
    assert model.first_state().shape == (0,)
    with pytest.raises(ModelError, match="no 'stream'"):
        model.follow(np.zeros((1, 64, 10), np.float32), model.first_state(), 0.25)


def test_predict_is_of_a_streams_first_window(model: Classifier, talk: Samples) -> None:
    probs = model.predict(talk[np.newaxis, : 2 * RATE])
    assert probs.shape == (1, len(LABELS))
    assert probs.sum() == pytest.approx(1, abs=1e-5)
