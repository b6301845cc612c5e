"""The model's view of a stream: which audio it is given, and what a gap and a new stream make it forget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundles import LABELS, RATE, MakeBundle, Recording, Samples, make_network
from realtime_ser.audio.high_pass import high_passed
from realtime_ser.config import Config, GateConfig, StreamConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.window import WindowClassifier
from realtime_ser.errors import ModelError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.records import Estimate

HOP = RATE // 4
OPEN = Config(gate=GateConfig(enabled=False))  # every window is classified


def heard(model: Classifier, config: Config, samples: Samples) -> list[Estimate]:
    """The estimates of a whole stream."""
    engine = Engine(model, config)
    return engine.push(samples) + engine.flush()


@pytest.fixture
def model(make_bundle: MakeBundle) -> Classifier:
    """Log-mel, relative to a running mean that learns quickly."""
    bands = 64
    prior = {"mean": [-5.0] * bands, "deviation": [8.0] * bands, "prior_s": 0.5, "memory_s": 20.0}
    return load_model(make_bundle("stacked", normalisation=prior))


def test_a_gap_forgets_the_audio_and_keeps_the_voice(model: Classifier, talk: Samples) -> None:
    """The same words again: normalised by the earlier speech after a gap, from the prior in a new stream."""
    windows = WindowClassifier(model, StreamConfig(recent_s=0.0))
    windows.push(talk[: 2 * RATE])
    first = windows.classify(HOP, recent=False)
    windows.forget_audio()
    assert not windows.ready
    windows.push(talk[: 2 * RATE])
    after_gap = windows.classify(HOP, recent=False)
    assert np.abs(after_gap - first).max() > 1e-6
    windows.reset()
    assert not windows.ready
    windows.push(talk[: 2 * RATE])
    np.testing.assert_array_equal(windows.classify(HOP, recent=False), first)


def test_the_last_seconds_do_not_update_the_normalisation(model: Classifier, talk: Samples) -> None:
    """Hearing them once more must not make the running mean learn the same audio twice."""
    config = StreamConfig(recent_s=1.0, recent_share=0.5)
    asked, plain = WindowClassifier(model, config), WindowClassifier(model, config)
    for start in range(0, 4 * RATE, HOP):
        for windows in (asked, plain):
            windows.push(talk[start : start + HOP])
    assert asked.reaches_back
    assert not np.array_equal(asked.classify(HOP, recent=True), plain.classify(HOP, recent=False))
    np.testing.assert_array_equal(asked.classify(HOP, recent=False), plain.classify(HOP, recent=False))


@pytest.mark.parametrize("config", [StreamConfig(recent_s=0.0), StreamConfig(recent_share=0.0)])
def test_the_last_seconds_are_not_classified_when_they_have_no_weight(
    model: Classifier, talk: Samples, config: StreamConfig
) -> None:
    windows = WindowClassifier(model, config)
    windows.push(talk[: 4 * RATE])
    assert windows.recent_s == 0
    assert not windows.reaches_back


@pytest.mark.parametrize("config", [StreamConfig(window_s=30.0), StreamConfig(min_window_s=0.2)])
def test_windows_that_the_model_was_not_trained_for_are_refused(model: Classifier, config: StreamConfig) -> None:
    with pytest.raises(ModelError, match="takes windows of"):
        WindowClassifier(model, config)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flatstats", "moments", "stacked"])
def test_a_windows_last_seconds_are_classified_separately(name: str, bundles: dict[str, Path], talk: Samples) -> None:
    """Both are what the front end gives of just that audio, and their logarithms are averaged by weight."""
    model = load_model(bundles[name])
    seen = Recording(model)
    stream = StreamConfig(recent_s=1.25, recent_share=0.3)
    estimates = heard(seen, replace(OPEN, stream=stream), talk)
    whole = heard(model, replace(OPEN, stream=replace(stream, recent_s=0.0)), talk)
    spec, size, calls = model.spec, round(1.25 * RATE), iter(seen.seen)
    filtered = high_passed(talk, RATE)
    both = 0
    for estimate, alone in zip(estimates, whole, strict=True):
        np.testing.assert_allclose(model.predict(next(calls)[np.newaxis])[0], alone.probs, atol=1e-6)
        if estimate.end - estimate.start < size + spec.hop_length:
            assert estimate.probs == alone.probs, "a window no longer than that is classified once"
            continue
        both += 1
        front_end = model.front_end()
        frames = spec.frames_in(1.25)
        front_end.push(filtered[: estimate.end])
        recent = next(calls)
        # The last seconds' deviations are about the whole window's mean. Where their own is far away, as where a pause ends the
        # window, rounding errors remain.
        np.testing.assert_allclose(recent, front_end.window(frames), rtol=1e-5, atol=0.05 if name == "moments" else 1e-3)
        pair = np.maximum([alone.probs, model.predict(recent[np.newaxis])[0]], 1e-8)
        logs = np.array([0.7, 0.3]) @ np.log(pair)
        np.testing.assert_allclose(estimate.probs, np.exp(logs) / np.exp(logs).sum(), atol=1e-5)
    assert both > 4
    assert next(calls, None) is None


def test_last_seconds_without_speech_are_not_classified_separately(bundles: dict[str, Path], talk: Samples) -> None:
    """At the end of a sentence the whole window still holds enough of it, its end does not."""
    seen = Recording(load_model(bundles["flatstats"]))
    gate = GateConfig(vad=False, min_speech_s=0.5, speech_within_s=2.0)
    sound = np.concatenate((talk[:RATE], np.zeros(RATE, np.float32)))
    estimates = heard(seen, Config(gate=gate, stream=StreamConfig(recent_s=1.0)), sound)
    spoken = [estimate for estimate in estimates if estimate.state != "no_speech"]
    longer = [estimate for estimate in spoken if estimate.end - estimate.start > 1.1 * RATE]
    assert 0 < len(seen.seen) - len(spoken) < len(longer)


@pytest.fixture
def sounds_known(make_bundle: MakeBundle) -> Classifier:
    """Log-mel, with a last output for "nobody speaks"."""
    bands = 64
    prior = {"mean": [-5.0] * bands, "deviation": [8.0] * bands, "prior_s": 0.5, "memory_s": 20.0}
    network = make_network("stacked", {"recipe": "stacked"}, outputs=len(LABELS) + 1).SerializeToString()
    return load_model(make_bundle("stacked", normalisation=prior, network=network, nobody=True))


def test_what_the_network_takes_for_nobody_is_no_speech_and_not_learned(
    sounds_known: Classifier, talk: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = np.array([0.1, 0.1, 0.1, 0.1, 0.6], np.float32)
    somebody = np.array([0.3, 0.2, 0.05, 0.05, 0.4], np.float32)
    answer = somebody
    monkeypatch.setattr(sounds_known, "outputs", lambda windows: np.stack([answer] * len(windows)))
    windows = WindowClassifier(sounds_known, StreamConfig(recent_s=0.0))
    ignoring = WindowClassifier(sounds_known, StreamConfig(recent_s=0.0), nobody=False)
    for each in (windows, ignoring):
        each.push(talk[: 2 * RATE])
    before = windows.snapshot_voice()
    answer = nobody
    assert windows.classify(HOP, recent=False) is None
    assert windows.snapshot_voice() == before, "a sound is not part of the voice"
    np.testing.assert_allclose(ignoring.classify(HOP, recent=False), [0.25] * 4, atol=1e-6)
    answer = np.array([0.5, 0.06, 0.02, 0.02, 0.4], np.float32)
    np.testing.assert_allclose(windows.classify(HOP, recent=False), answer[:4] / answer[:4].sum(), atol=1e-6)
    assert windows.snapshot_voice() != before


def test_nobody_must_be_as_probable_as_the_card_asks(
    sounds_known: Classifier, talk: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four labels share what speaks for a voice, so a "nobody" that leads may still be improbable."""
    monkeypatch.setattr(sounds_known, "card", replace(sounds_known.card, nobody_from=0.5))
    rows = ([0.15, 0.15, 0.15, 0.15, 0.4], [0.2, 0.1, 0.1, 0.1, 0.5], [0.55, 0.0, 0.0, 0.0, 0.45])
    unlikely, likely, outweighed = (np.array(row, np.float32) for row in rows)
    spoken = []
    for answer in (unlikely, likely, outweighed):
        monkeypatch.setattr(sounds_known, "outputs", lambda windows, row=answer: np.stack([row] * len(windows)))
        windows = WindowClassifier(sounds_known, StreamConfig(recent_s=0.0))
        windows.push(talk[: 2 * RATE])
        before = windows.snapshot_voice()
        spoken.append(windows.classify(HOP, recent=False) is not None)
        assert (windows.snapshot_voice() != before) == spoken[-1]
    assert spoken == [True, False, True]
    leading = WindowClassifier(sounds_known, StreamConfig(recent_s=0.0), nobody_from=0.0)
    leading.push(talk[: 2 * RATE])
    monkeypatch.setattr(sounds_known, "outputs", lambda windows: np.stack([unlikely] * len(windows)))
    assert leading.classify(HOP, recent=False) is None


def test_a_network_with_nobody_in_a_stream(sounds_known: Classifier, talk: Samples) -> None:
    """Its labels' probabilities sum to one whatever it thinks of nobody."""
    estimates = heard(sounds_known, Config(gate=GateConfig(enabled=False, model=False)), talk[: 5 * RATE])
    assert all(sum(each.probs) == pytest.approx(1, abs=1e-5) and len(each.probs) == len(LABELS) for each in estimates)
    width = sounds_known.spec.n_mels
    window = np.zeros((2, width, 100), np.float32)
    assert sounds_known.outputs(window).shape == (2, len(LABELS) + 1)
    assert sounds_known.predict(window).shape == (2, len(LABELS))


def test_a_card_without_nobody_refuses_such_a_network(make_bundle: MakeBundle) -> None:
    network = make_network("stacked", {"recipe": "stacked"}, outputs=len(LABELS) + 1).SerializeToString()
    with pytest.raises(ModelError, match="4 labels"):
        load_model(make_bundle("stacked", network=network))
