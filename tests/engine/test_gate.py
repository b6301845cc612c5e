"""Silence, noise and hum are nobody; speech is somebody at any level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from levels import at_level, pink

from bundles import RATE, Samples
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.gate import SpeechGate
from realtime_ser.model.classifier import Classifier, load_model

CHUNK = 512


@pytest.fixture(scope="module")
def classifier(bundles: dict[str, Path]) -> Classifier:
    return load_model(bundles["waveform"])


def nuisance(name: str, seconds: float) -> np.ndarray:
    """Sounds that are no speech."""
    count = round(seconds * RATE)
    t = np.arange(count) / RATE
    rng = np.random.default_rng(0)
    beat = t % 0.5
    if name == "white noise":
        return rng.normal(size=count)
    if name == "pink noise":
        return pink(count)
    if name == "50 Hz hum":
        return np.sin(2 * np.pi * 50 * t)
    if name == "50 Hz hum with harmonics":
        return np.sum([np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5, 7)], axis=0)
    if name == "1 kHz tone":
        return np.sin(2 * np.pi * 1000 * t)
    if name == "clicks":
        return (np.arange(count) % (RATE // 2) == 0).astype(float)
    if name == "drums":
        thud = np.sin(2 * np.pi * 120 * np.exp(-20 * beat) * beat) * np.exp(-beat / 0.1)
        return thud + 0.3 * rng.normal(size=count) * np.exp(-((t + 0.25) % 0.5) / 0.04)
    assert name == "chord"
    return np.sum([np.sin(2 * np.pi * f * t) for f in (261.6, 329.6, 392.0)], axis=0) * (1 + 0.5 * np.sin(2 * np.pi * 5 * t))


NOISES = ("white noise", "pink noise", "50 Hz hum", "1 kHz tone")


def windows_with_speech(classifier: Classifier, samples: Samples) -> tuple[int, int]:
    engine = Engine(classifier, Config())
    estimates = engine.push(samples) + engine.flush()
    return sum(estimate.state != "no_speech" for estimate in estimates), len(estimates)


@pytest.mark.parametrize("name", [*NOISES, "50 Hz hum with harmonics", "clicks", "drums", "chord"])
def test_a_minute_of_noise_has_no_emotion(classifier: Classifier, name: str) -> None:
    heard, windows = windows_with_speech(classifier, at_level(nuisance(name, 60), -20))
    assert windows > 200
    assert heard == 0


def test_a_minute_of_digital_silence_has_no_emotion(classifier: Classifier) -> None:
    assert windows_with_speech(classifier, np.zeros(60 * RATE, np.float32))[0] == 0


@pytest.mark.parametrize("name", NOISES)
def test_noise_has_no_emotion_at_any_level(classifier: Classifier, name: str) -> None:
    for dbfs in (-75, -60, -50, -40, -30, -10, -3, 0):
        heard, _ = windows_with_speech(classifier, at_level(nuisance(name, 10), dbfs))
        assert heard == 0, f"{name} at {dbfs} dBFS"


def speech_share(samples: Samples) -> float:
    """Share of chunks that the gate classifies as speech."""
    gate = SpeechGate(GateConfig(), RATE, len(samples) / RATE)
    gate.push(samples)
    return gate.speech_ratio(len(samples) / RATE)


@pytest.mark.slow
def test_speech_is_found_at_every_level(speech: Samples) -> None:
    usual = speech_share(at_level(speech, -20))
    assert usual > 0.25
    for dbfs in (-50, -40, -30, -10, 0):
        share = speech_share(np.clip(at_level(speech, dbfs), -1, 1))
        assert abs(share - usual) <= 0.15 * usual, f"{share:.2f} at {dbfs} dBFS, {usual:.2f} at -20"


@pytest.mark.parametrize("name", ["clicks", "drums", "chord"])
def test_soft_sounds_are_not_amplified_into_speech(classifier: Classifier, name: str) -> None:
    for dbfs in (-75, -60, -50):
        heard, _ = windows_with_speech(classifier, at_level(nuisance(name, 20), dbfs))
        assert heard == 0, f"{name} at {dbfs} dBFS"


def test_soft_speech_is_found_soon_after_loud_speech(speech: Samples) -> None:
    """The level that the detector is given falls by 3 dB a second."""
    gate = SpeechGate(GateConfig(), RATE, 10.0)
    gate.push(at_level(speech[: 5 * RATE], -10))
    gate.push(at_level(speech, -50))
    assert gate.speech_ratio(10.0) > 0.8 * speech_share(speech[-10 * RATE :])


def test_speech_is_found_after_a_minute_of_noise(speech: Samples) -> None:
    """The floor rises with the room's noise and still lets louder speech through."""
    noise = at_level(pink(20 * RATE), -45)
    spoken = at_level(speech[: 10 * RATE], -20)
    gate = SpeechGate(GateConfig(), RATE, 10.0)
    gate.push(noise)
    assert gate.speech_ratio(10.0) == 0
    gate.push((spoken + noise[: len(spoken)]).astype(np.float32))
    assert gate.speech_ratio(10.0) > 0.5 * speech_share(spoken)


def test_speech_from_the_first_sample_is_not_taken_for_the_room(talk: Samples) -> None:
    assert speech_share(talk) > 0.25
    late = np.concatenate((np.zeros(5 * RATE, np.float32), talk))
    assert speech_share(late) * len(late) / len(talk) == pytest.approx(speech_share(talk), abs=0.08)


def test_pieces_of_any_size_decide_alike(talk: Samples) -> None:
    whole = SpeechGate(GateConfig(), RATE, 9.0)
    whole.push(talk)
    rng = np.random.default_rng(0)
    pieces = SpeechGate(GateConfig(), RATE, 9.0)
    for piece in np.split(talk, np.sort(rng.integers(0, len(talk), 60))):
        pieces.push(piece)
    assert pieces.speech_ratio(9.0) == whole.speech_ratio(9.0)
    assert pieces.is_speech(3.0) == whole.is_speech(3.0)


def test_reset_equals_new(talk: Samples) -> None:
    new = SpeechGate(GateConfig(), RATE, 9.0)
    new.push(talk)
    used = SpeechGate(GateConfig(), RATE, 9.0)
    used.push(talk[::-1].copy())
    used.reset()
    assert used.speech_ratio(9.0) == 0
    assert not used.is_speech(9.0)
    used.push(talk)
    assert used.speech_ratio(9.0) == new.speech_ratio(9.0)


def test_other_rates_hear_the_same_speech(talk: Samples) -> None:
    from realtime_ser.audio.resample import Resampler

    usual = speech_share(talk)
    for rate in (8000, 22050, 48000):
        gate = SpeechGate(GateConfig(), rate, 9.0)
        gate.push(Resampler(RATE, rate).push(talk, last=True))
        assert gate.speech_ratio(9.0) == pytest.approx(usual, abs=0.1)


def test_a_microphone_that_is_turned_down_loses_no_speech(talk: Samples) -> None:
    """Speech of a few of a 16-bit converter's steps is speech."""
    level = 10 * np.log10(np.mean(talk.astype(float) ** 2))
    counts = []
    for dbfs in (-25, -84):
        samples = np.round(talk * 10 ** ((dbfs - level) / 20) * 32767) / 32767
        gate = SpeechGate(GateConfig(), RATE, 3.0)
        counts.append(sum(gate.push(samples.astype(np.float32))))
    assert counts[0] > 0
    assert counts[1] > 0.7 * counts[0]  # a made-up voice, as where the corpora are not, loses more than a real one
