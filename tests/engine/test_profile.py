"""A stream that begins with a profile: one like it goes on as a known voice, one unlike it as if there were none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundles import RATE, Samples, write_bundle
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.profile import CHECK_AFTER_S, Profile
from realtime_ser.errors import ConfigError, ModelError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.pipeline.session import StreamSession
from realtime_ser.records import Block, Estimate, Notice, Record, Segment

CONFIG = Config(gate=GateConfig(enabled=False))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    section: dict[str, Any] = {"mean": [0.0] * 64, "deviation": [12.0] * 64, "prior_s": 4.0, "memory_s": 40.0}
    return load_model(write_bundle(tmp_path_factory.mktemp("normalised"), "stacked", normalisation=section))


@pytest.fixture(scope="module")
def voice(speech: Samples) -> Samples:
    return speech[: 14 * RATE]


@pytest.fixture(scope="module")
def stranger(voice: Samples) -> Samples:
    """The same words with the spectrum turned over: 12 dB an octave steeper than the voice's, upwards."""
    turned = np.diff(voice, n=2, prepend=(0, 0)).astype(np.float32)
    return turned * np.float32(0.5 / np.abs(turned).max())


def learned(model: Classifier, samples: Samples) -> Profile:
    engine = Engine(model, CONFIG)
    engine.push(samples)
    engine.flush()
    profile = engine.profile()
    assert profile is not None
    return profile


def records(engine: Engine, samples: Samples, step: int | None = None) -> list[Estimate | Segment | Notice]:
    got: list[Estimate | Segment | Notice] = []
    for at in range(0, len(samples), step or len(samples)):
        engine.push(Block(samples[at : at + (step or len(samples))], RATE, at))
        got += engine.take_records()
    engine.flush()
    return got + engine.take_records()


def probs(got: list[Estimate | Segment | Notice]) -> np.ndarray:
    return np.array([each.probs for each in got if isinstance(each, Estimate)])


def test_a_voice_like_its_profile_keeps_it_and_adds_to_it(model: Classifier, voice: Samples) -> None:
    profile = replace(learned(model, voice), since="2026-01-01T00:00:00+00:00")
    assert profile.speech_s == pytest.approx(14, abs=0.3)
    engine, cold = Engine(model, CONFIG, profile=profile), Engine(model, CONFIG)
    got = records(engine, voice)
    assert not [each for each in got if isinstance(each, Notice)]
    assert not engine.unlike_profile
    assert np.abs(probs(got)[-4:] - probs(records(cold, voice))[-4:]).max() > 1e-4, "the profile counts to the end"
    after = engine.profile()
    assert after is not None
    assert after.since == profile.since
    assert after.speech_s == pytest.approx(28, abs=0.6)


@pytest.mark.parametrize("step", [None, 333, 5000])
def test_a_voice_unlike_the_profile_lets_it_go_and_says_so(
    model: Classifier, voice: Samples, stranger: Samples, step: int | None
) -> None:
    profile = learned(model, voice)
    engine, cold = Engine(model, CONFIG, profile=profile), Engine(model, CONFIG)
    for _ in range(2):  # a reset goes back to the profile, and compares again
        got, without = records(engine, stranger, step), probs(records(cold, stranger))
        (notice,) = [each for each in got if isinstance(each, Notice)]
        assert notice.kind == "profile_unlike"
        assert notice.at_s == pytest.approx(CHECK_AFTER_S + 1, abs=1.0)
        assert got[got.index(notice) - 1].end == notice.at, "it follows the window that decided"  # type: ignore[union-attr]
        ends = np.array([each.end for each in got if isinstance(each, Estimate)])
        said, before = probs(got), ends < notice.at
        assert np.abs(said[before] - without[before]).max() > 1e-4
        np.testing.assert_array_equal(said[~before], without[~before])
        assert engine.unlike_profile
        after = engine.profile()
        assert after is not None
        assert after.speech_s == pytest.approx(14, abs=0.3), "of this stream alone"
        assert after.voice == Engine.snapshot_voice(cold)
        engine.reset()
        cold.reset()
        assert not engine.unlike_profile


def test_too_little_speech_decides_nothing(model: Classifier, voice: Samples, stranger: Samples) -> None:
    engine = Engine(model, CONFIG, profile=learned(model, voice))
    got = records(engine, stranger[: round((CHECK_AFTER_S - 1) * RATE)])
    assert not [each for each in got if isinstance(each, Notice)]
    assert not engine.unlike_profile


def test_a_session_hands_the_notice_on_and_a_restored_voice_is_not_compared(
    model: Classifier, voice: Samples, stranger: Samples
) -> None:
    profile = learned(model, voice)
    session = StreamSession(Engine(model, CONFIG, profile=profile))
    session.start(CONFIG, source="test")
    got: list[Record] = [*session.push(Block(stranger, RATE, 0)), *session.close()]
    assert [each.kind for each in got if isinstance(each, Notice)] == ["profile_unlike"]
    engine = Engine(model, CONFIG)
    engine.restore_voice(profile.voice)
    assert not [each for each in records(engine, stranger) if isinstance(each, Notice)]


def test_pushes_whose_records_nobody_takes_keep_the_notice(model: Classifier, voice: Samples, stranger: Samples) -> None:
    engine = Engine(model, CONFIG, profile=learned(model, voice))
    for at in range(0, len(stranger), 4000):
        engine.push(stranger[at : at + 4000])
    assert [each.kind for each in engine.take_records() if isinstance(each, Notice)] == ["profile_unlike"]


def test_a_profile_survives_json(model: Classifier, voice: Samples) -> None:
    profile = replace(learned(model, voice), since="2026-01-01T00:00:00+00:00", updated="2026-02-01T00:00:00+00:00")
    kept = Profile.from_dict(json.loads(json.dumps(profile.to_dict())))
    assert kept.voice == profile.voice
    assert (kept.since, kept.updated, kept.speech_s) == (
        profile.since,
        profile.updated,
        pytest.approx(profile.speech_s, abs=1e-3),
    )
    for change in (
        {"format": 2}, {"format": "1"}, {"since": 5}, {"updated": "x" * 50}, {"speech_s": -1}, {"speech_s": True},
        {"speech_s": float("nan")}, {"numbers": None}, {"numbers": ["a"]}, {"model": 3},
    ):  # fmt: skip
        with pytest.raises(ModelError):
            Profile.from_dict({**profile.to_dict(), **change})
    for key in profile.to_dict():
        with pytest.raises(ModelError):
            Profile.from_dict({name: value for name, value in profile.to_dict().items() if name != key})
    for nothing in ([], {}, None, 5):
        with pytest.raises(ModelError, match="no profile"):
            Profile.from_dict(nothing)  # type: ignore[arg-type]


def test_a_model_that_learns_nothing_has_no_profile(tmp_path: Path, model: Classifier, voice: Samples) -> None:
    plain = load_model(write_bundle(tmp_path, "stacked"))
    assert Engine(plain).profile() is None
    with pytest.raises(ModelError, match="learns nothing"):
        Engine(plain, profile=learned(model, voice))
    with pytest.raises(ConfigError, match="takes a Profile"):
        Engine(model, profile="anna")  # type: ignore[arg-type]


@pytest.mark.slow
def test_sounds_that_are_no_voice_are_not_compared(speech: Samples) -> None:
    """The shipped model knows that nobody speaks; what it hears then is neither learned nor counted."""
    model = load_model("mlp")
    profile = learned(model, speech[: 14 * RATE])
    rng = np.random.default_rng(0)
    noise = (0.05 * rng.standard_normal(14 * RATE)).astype(np.float32)
    engine, cold = Engine(model, CONFIG, profile=profile), Engine(model, CONFIG)
    got, without = records(engine, noise), records(cold, noise)
    silent = [each.state for each in without if isinstance(each, Estimate)]
    assert set(silent) == {"no_speech"}
    assert [each.state for each in got if isinstance(each, Estimate)] == silent
    assert not [each for each in got if isinstance(each, Notice)]
    after = engine.profile()
    assert after is not None
    assert (after.voice, after.speech_s) == (profile.voice, profile.speech_s)
    # The voice that comes afterwards is still compared, and is like it.
    engine.push(speech[: 14 * RATE])
    assert not [each for each in engine.take_records() if isinstance(each, Notice)]
    assert not engine.unlike_profile


def test_a_window_without_a_voice_does_not_complete_the_comparison(tmp_path: Path, voice: Samples, stranger: Samples) -> None:
    from realtime_ser.config import StreamConfig
    from realtime_ser.engine.window import WindowClassifier

    section: dict[str, Any] = {"mean": [0.0] * 64, "deviation": [12.0] * 64, "prior_s": 4.0, "memory_s": 40.0}
    model = load_model(write_bundle(tmp_path, "stacked", normalisation=section))
    windows = WindowClassifier(model, StreamConfig(recent_share=0.0), profile=learned(model, voice))
    plain = WindowClassifier(model, StreamConfig(recent_share=0.0))
    nobody = np.array([*[0.0] * len(model.labels), 1.0], np.float32)
    hop = RATE // 2
    for index in range(28):
        for each in (windows, plain):
            each.push(stranger[index * hop : (index + 1) * hop])
        outputs, expected = windows.outputs(hop, recent=False), plain.outputs(hop, recent=False)
        # Every third window is decided to hold nobody, also one that would have completed the comparison.
        if index % 3 == 1:
            assert windows.decide(nobody) is plain.decide(nobody) is None
            assert windows.like_profile is not False
        else:
            windows.decide(outputs)
            plain.decide(expected)
        if windows.like_profile is False:
            break
    assert windows.like_profile is False
    assert index == 23, "the sixteenth window with a voice, which makes eight seconds"
    assert 16 * hop / RATE == CHECK_AFTER_S
    assert windows.snapshot_voice() == plain.snapshot_voice(), "it goes on as if there had been no profile"
