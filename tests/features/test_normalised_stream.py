"""The running normalisation inside the engine: a gap keeps it, a reset forgets it, chunking does not matter."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from signals import voice

from bundles import LABELS, RATE, write_bundle
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.profile import Profile
from realtime_ser.engine.voice import VoiceState
from realtime_ser.errors import ModelError
from realtime_ser.model.classifier import load_model
from realtime_ser.records import Block

VOICE = voice(RATE, 6.0)
CONFIG = Config(gate=GateConfig(enabled=False))


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    section: dict[str, Any] = {"mean": [0.0] * 64, "deviation": [12.0] * 64, "prior_s": 4.0, "memory_s": 40.0}
    return write_bundle(tmp_path_factory.mktemp("normalised"), "stacked", normalisation=section)


def answers(engine: Engine, samples: np.ndarray, start: int = 0, step: int = 4000) -> np.ndarray:
    said = [
        each.probs
        for at in range(0, len(samples), step)
        for each in engine.push(Block(samples[at : at + step], RATE, start + at))
    ]
    return np.array(said)


def test_any_chunking_gives_the_same_stream(card: Path) -> None:
    model = load_model(card)
    whole, pieces = (answers(Engine(model, CONFIG), VOICE, step=step) for step in (len(VOICE), 333))
    np.testing.assert_array_equal(whole, pieces)
    assert whole.shape[1] == len(LABELS)


def test_a_gap_keeps_what_was_learned_of_the_voice_and_a_reset_forgets_it(card: Path) -> None:
    engine = Engine(load_model(card), CONFIG)
    first = answers(engine, VOICE)
    engine.flush()
    after_gap = answers(engine, VOICE, start=len(VOICE) + RATE)
    assert np.abs(after_gap - first).max() > 1e-4
    engine.reset()
    np.testing.assert_array_equal(answers(engine, VOICE), first)


def test_two_engines_of_one_model_do_not_share_it(card: Path) -> None:
    model = load_model(card)
    one, other = Engine(model, CONFIG), Engine(model, CONFIG)
    first = answers(one, VOICE)
    np.testing.assert_array_equal(answers(other, VOICE), first)


def test_a_card_whose_normalisation_does_not_fit_is_refused(card: Path, tmp_path: Path) -> None:
    for change, said in (({"mean": [0.0]}, "64 finite numbers"), ({"memory_s": -1}, "above 0")):
        raw = json.loads(card.read_text())
        raw["normalisation"] |= change
        (tmp_path / "tiny.json").write_text(json.dumps(raw))
        with pytest.raises(ModelError, match=said):
            load_model(tmp_path / "tiny.json")
    raw["normalisation"] = 5
    (tmp_path / "tiny.json").write_text(json.dumps(raw))
    with pytest.raises(ModelError, match="a section"):
        load_model(tmp_path / "tiny.json")
    with pytest.raises(ModelError, match="does not go with the recipe"):
        load_model(write_bundle(tmp_path / "wave", "waveform", normalisation={"mean": []}))


def test_a_snapshot_makes_another_stream_start_as_a_known_voice(card: Path) -> None:
    """Also as JSON, and to the bit what the first stream would have gone on with; a reset goes back to it."""
    model = load_model(card)
    engine = Engine(model, CONFIG)
    answers(engine, VOICE)
    engine.flush()
    state = engine.snapshot_voice()
    assert state is not None
    assert state.numbers[0] == pytest.approx(6.0, abs=0.05)
    kept = VoiceState.from_dict(json.loads(json.dumps(state.to_dict())))
    assert kept == state
    expected = answers(engine, VOICE, start=len(VOICE))
    assert engine.snapshot_voice() != state, "the engine went on, the snapshot did not"
    other = Engine(model, CONFIG, profile=Profile(kept))
    np.testing.assert_array_equal(answers(other, VOICE), expected)
    other.reset()
    np.testing.assert_array_equal(answers(other, VOICE), expected)
    restored = Engine(model, CONFIG)
    first = answers(restored, VOICE)
    assert np.abs(first - expected).max() > 1e-4
    restored.flush()
    restored.restore_voice(kept)
    np.testing.assert_array_equal(answers(restored, VOICE, start=len(VOICE)), expected)
    restored.reset()
    np.testing.assert_array_equal(answers(restored, VOICE), first)


def test_flush_and_a_gap_keep_what_was_learned(card: Path) -> None:
    """The evaluation streams a speaker's clips one after the other, with a flush after each."""
    engine = Engine(load_model(card), CONFIG)
    answers(engine, VOICE)
    before = engine.snapshot_voice()
    assert before is not None
    flushed = engine.flush()
    engine.push(Block(np.zeros(10, np.float32), RATE, len(VOICE) + RATE))
    after = engine.snapshot_voice()
    assert after is not None
    assert after.numbers[0] == before.numbers[0] + sum(estimate.hop for estimate in flushed) / RATE
    assert after.numbers[0] > 5


def test_a_snapshot_fits_its_own_model_alone(card: Path, tmp_path: Path) -> None:
    engine = Engine(load_model(card), CONFIG)
    answers(engine, VOICE)
    state = engine.snapshot_voice()
    assert state is not None
    plain = load_model(write_bundle(tmp_path / "plain", "stacked"))
    assert Engine(plain, CONFIG).snapshot_voice() is None
    with pytest.raises(ModelError, match="learns nothing"):
        Engine(plain, CONFIG).restore_voice(state)
    other = load_model(write_bundle(tmp_path / "other", "flatstats", name="other"))
    with pytest.raises(ModelError, match=r"taken with model 'tiny .*'other "):
        Engine(other, CONFIG, profile=Profile(state))
    damaged = (
        state.numbers[:-1],
        (),
        (1e9, *state.numbers[1:]),
        (*state.numbers[:-1], 0.0),
        (*state.numbers[:-1], float("nan")),
    )
    for numbers in damaged:
        with pytest.raises(ModelError, match="a voice's state"):
            engine.restore_voice(replace(state, numbers=numbers))
    assert engine.snapshot_voice() == state


@pytest.mark.parametrize(
    "values",
    [
        None,
        {},
        {"model": "x"},
        {"model": "x", "numbers": [1], "more": 1},
        {"model": 1, "numbers": [1]},
        {"model": "x", "numbers": "1"},
        {"model": "x", "numbers": [None]},
        {"model": "x", "numbers": [True]},
        {"model": "x", "numbers": [float("inf")]},
    ],
)
def test_a_state_that_is_none_is_refused(values: Any) -> None:
    with pytest.raises(ModelError, match="a voice's state"):
        VoiceState.from_dict(values)
