"""Two models on one stream: the answer is their weighted mean, and the voice, gaps and nobody concern both."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundles import LABELS, RATE, Samples, write_bundle, write_stream_bundle
from realtime_ser.config import Config, GateConfig, StreamConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.profile import Profile
from realtime_ser.engine.vote import VotingWindows
from realtime_ser.engine.window import WindowClassifier
from realtime_ser.errors import ModelError
from realtime_ser.model.classifier import load_model
from realtime_ser.records import Estimate

OPEN = Config(gate=GateConfig(enabled=False), stream=StreamConfig(recent_s=0.0))
ALONE = replace(OPEN, stream=replace(OPEN.stream, vote=False))
PRIOR = {"mean": [-5.0] * 64, "deviation": [8.0] * 64, "prior_s": 0.5, "memory_s": 20.0}


def voting(folder: Path, *, share: float = 0.25, temperature: float = 1.0, **vote: Any) -> Path:
    """A graph with a state and a "nobody" output, and beside it a voter on log-mel without; returns the card."""
    made = write_bundle(folder / "made", "stacked", normalisation=PRIOR)
    folder.mkdir(exist_ok=True)
    for suffix in (".json", ".onnx"):
        shutil.copy(made.with_suffix(suffix), folder / f"voter{suffix}")
    sha256 = json.loads(made.read_text())["sha256"]
    return write_stream_bundle(
        folder, vote={"model": "voter", "sha256": sha256, "share": share, "temperature": temperature, **vote}
    )


def heard(engine: Engine, samples: Samples) -> list[Estimate]:
    return engine.push(samples) + engine.flush()


def test_the_answer_is_the_weighted_mean_at_the_temperature(tmp_path: Path, talk: Samples) -> None:
    model = load_model(voting(tmp_path, temperature=0.5))
    assert model.voter is not None
    config = StreamConfig(recent_s=1.0)
    both = VotingWindows(model, config)
    parts = [WindowClassifier(each, config) for each in (model, model.voter)]
    far = 0.0
    for start in range(0, 4 * RATE, RATE):
        rows = []
        for windows in parts:
            windows.push(talk[start : start + RATE])
            rows.append(windows.outputs(RATE, recent=start > 0))
        # The voter has no such output, so that it takes the graph's.
        rows[1] = np.append(rows[1] * (1 - rows[0][-1]), rows[0][-1])
        both.push(talk[start : start + RATE])
        mean = (0.75 * rows[0] + 0.25 * rows[1]) ** 2
        expected = mean[:-1] / mean[:-1].sum()
        np.testing.assert_allclose(both.classify(RATE, recent=start > 0), expected, atol=1e-5)
        far = max(far, float(np.abs(expected - rows[0][:-1]).max()))
    assert far > 0.02


def test_without_the_vote_the_model_answers_alone(tmp_path: Path, talk: Samples) -> None:
    model = load_model(voting(tmp_path / "vote"))
    alone = load_model(write_stream_bundle(tmp_path / "alone"))
    assert alone.voter is None
    for one, other in zip(heard(Engine(model, ALONE), talk), heard(Engine(alone, OPEN), talk), strict=True):
        assert one.probs == other.probs


def test_without_the_vote_nothing_need_lie_beside_the_model(tmp_path: Path, talk: Samples) -> None:
    path = voting(tmp_path)
    path.with_name("voter.json").unlink()
    with pytest.raises(ModelError, match=r"stream\.vote=false"):
        load_model(path)
    model = load_model(path, vote=False)
    assert model.voter is None
    assert heard(Engine(model, OPEN), talk)


def test_any_chunking_gaps_and_a_new_stream(tmp_path: Path, talk: Samples) -> None:
    engine = Engine(load_model(voting(tmp_path)), OPEN)
    whole = [each.probs for each in heard(engine, talk)]
    engine.reset()
    pieces = [each.probs for start in range(0, len(talk), 701) for each in engine.push(talk[start : start + 701])]
    pieces += [each.probs for each in engine.flush()]
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    # After a gap the audio is forgotten, and the voice is not.
    again = [each.probs for each in heard(engine, talk)]
    assert np.abs(np.subtract(again[0], whole[0])).max() > 1e-4


def test_nobody_is_decided_by_those_that_know_it(tmp_path: Path, talk: Samples) -> None:
    quiet = np.tile(np.array([3e-4, -3e-4], np.float32), 2 * RATE)
    samples = np.concatenate((talk[: 4 * RATE], quiet))
    alone = heard(Engine(load_model(write_stream_bundle(tmp_path / "alone")), OPEN), samples)
    for share in (0.05, 0.95):
        both = heard(Engine(load_model(voting(tmp_path / str(share), share=share)), OPEN), samples)
        assert [each.state == "no_speech" for each in both][-3:] == [True] * 3
        assert both[0].state != "no_speech"
        # The voter knows no such thing, so its weight does not soften what the graph is sure of.
        assert sum(each.state == "no_speech" for each in both) >= 0.8 * sum(each.state == "no_speech" for each in alone)
        assert all(not each.probs for each in both if each.state == "no_speech")


def test_both_take_nobody_by_the_chosen_models_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one of them takes for speech the other must not forget."""
    model = load_model(voting(tmp_path))
    assert model.voter is not None
    quiet = np.tile(np.array([9.9e-4, -9.9e-4], np.float32), RATE // 2)  # nobody has about two thirds
    for limit, silent in ((0.0, True), (0.5, True), (0.9, False)):
        monkeypatch.setattr(model, "card", replace(model.card, nobody_from=limit))
        both = VotingWindows(model, StreamConfig(recent_s=0.0))
        both.push(quiet)
        before = both.parts[1].snapshot_voice()
        assert (both.classify(RATE, recent=False) is None) == silent
        assert (both.parts[1].snapshot_voice() == before) == silent


def test_a_voice_is_of_both_models(tmp_path: Path, talk: Samples) -> None:
    model = load_model(voting(tmp_path))
    assert model.voter is not None
    engine = Engine(model, OPEN)
    heard(engine, talk)
    voice = engine.snapshot_voice()
    assert voice is not None
    assert voice.model.count("tiny") == 2
    expected = [each.probs for each in engine.push(talk)]
    other = Engine(model, OPEN)
    other.restore_voice(voice)
    assert [each.probs for each in other.push(talk)] == expected
    with pytest.raises(ModelError, match="finite numbers are needed"):
        other.restore_voice(replace(voice, numbers=voice.numbers[:-1]))
    # A voice that the graph alone has learned is taken too, and the voter begins at its prior.
    single = Engine(model, ALONE)
    heard(single, talk)
    half = single.snapshot_voice()
    assert half is not None
    other.restore_voice(half)
    kept = other.snapshot_voice()
    assert kept is not None
    assert kept.numbers[: len(half.numbers)] == half.numbers
    assert kept.numbers[len(half.numbers)] == 0  # seconds of speech


def test_both_forget_a_profile_that_the_voter_finds_unlike(tmp_path: Path, talk: Samples) -> None:
    model = load_model(voting(tmp_path))
    teacher = Engine(model, OPEN)
    heard(teacher, talk)
    known = teacher.profile()
    assert known is not None
    like = Engine(model, OPEN, profile=known)
    heard(like, np.tile(talk, 2))
    assert not like.unlike_profile
    # Another microphone: the spectrum turned over.
    strange = np.asarray(np.tile(talk, 2) * np.tile([1.0, -1.0], len(talk)), np.float32)
    unlike = Engine(model, OPEN, profile=known)
    heard(unlike, strange)
    assert unlike.unlike_profile
    assert [record.kind for record in unlike.take_records() if hasattr(record, "kind")].count("profile_unlike") == 1
    windows = unlike._windows
    assert isinstance(windows, VotingWindows)
    graph = windows.parts[0].snapshot_voice()
    assert graph is not None
    # The graph has begun anew too: its state is younger than the stream.
    assert 0 < graph.numbers[0] < 2 * len(talk) / RATE - 5
    unlike.reset()
    again = unlike.snapshot_voice()
    assert again is not None
    assert again.numbers == known.voice.numbers
    assert isinstance(known, Profile)


@pytest.mark.parametrize(
    ("vote", "message"),
    [
        ({"sha256": "0" * 64}, "another voter.onnx"),
        ({"model": "nothing"}, "not beside it"),
        ({"model": "../voter"}, "same folder"),
        ({"model": "tiny"}, "same folder"),
        ({"share": 1.5}, "share"),
        ({"temperature": 0}, "temperature"),
    ],
)
def test_a_vote_that_cannot_be_is_refused(tmp_path: Path, vote: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as raised:
        load_model(voting(tmp_path, **vote))
    assert "\n" not in str(raised.value)


def test_a_voter_with_other_labels_is_refused(tmp_path: Path) -> None:
    path = voting(tmp_path)
    beside = path.with_name("voter.json")
    card = json.loads(beside.read_text())
    beside.write_text(json.dumps({**card, "labels": list(reversed(LABELS))}))
    with pytest.raises(ModelError, match="labels and sample rate"):
        load_model(path)
