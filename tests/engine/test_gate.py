"""Silence, noise and hum are nobody; speech is somebody at any level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from bundles import RATE, Samples
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.gate import NoiseFloor, SpeechGate
from realtime_ser.engine.vad import SileroDetector, SlowedDetector
from realtime_ser.model.classifier import Classifier, load_model

CHUNK = 512


@pytest.fixture(scope="module")
def classifier(bundles: dict[str, Path]) -> Classifier:
    return load_model(bundles["waveform"])


def at_level(samples: np.ndarray, dbfs: float) -> Samples:
    """Scaled to this RMS level."""
    return np.asarray(samples / np.sqrt(np.mean(samples**2)) * 10 ** (dbfs / 20), np.float32)


def pink(count: int) -> np.ndarray:
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(size=count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    return np.fft.irfft(spectrum, count)


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


def energy_gate(**changes: float) -> SpeechGate:
    """A gate whose energy floor alone decides."""
    return SpeechGate(GateConfig(vad=False, **changes), RATE, 3.0)


def burst(seconds: float, dbfs: float) -> Samples:
    return at_level(np.random.default_rng(3).normal(size=round(seconds * RATE)), dbfs)


def test_a_window_needs_enough_speech_and_some_of_it_recent() -> None:
    gate = energy_gate(min_speech_s=0.25, speech_within_s=0.75)
    gate.push(np.zeros(3 * RATE, np.float32))
    gate.push(burst(0.15, -20))
    assert not gate.is_speech(3.0)
    gate.push(burst(0.20, -20))
    assert gate.is_speech(3.0)
    gate.push(np.zeros(RATE // 2, np.float32))
    assert gate.is_speech(3.0)
    gate.push(np.zeros(RATE // 2, np.float32))
    assert not gate.is_speech(3.0), "speech a second ago is not recent"


def test_by_default_a_cough_is_over_after_two_hops() -> None:
    """Each window that still holds it would get an emotion where the model takes it for a voice."""
    gate = energy_gate()
    gate.push(np.zeros(3 * RATE, np.float32))
    gate.push(burst(0.32, -20))
    heard = []
    for _ in range(4):
        heard.append(gate.is_speech(3.0))
        gate.push(np.zeros(RATE // 4, np.float32))
    assert heard == [True, True, False, False]


def test_speech_that_no_earlier_window_had_is_never_too_old() -> None:
    """A short word at the beginning of a file, or between windows that lie far apart."""
    gate = energy_gate()
    gate.push(np.zeros(RATE // 10, np.float32))
    gate.push(burst(0.32, -20))
    gate.push(np.zeros(RATE - RATE // 10 - round(0.32 * RATE), np.float32))
    assert gate.is_speech(1.0, new_s=1.0)
    assert not gate.is_speech(1.0, new_s=0.25)


def test_off_means_everything_is_speech() -> None:
    gate = SpeechGate(GateConfig(enabled=False), RATE, 3.0)
    gate.push(np.zeros(RATE, np.float32))
    assert gate.is_speech(3.0)
    assert gate.speech_ratio(3.0) == 1.0


def test_the_detector_is_asked_only_above_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(SileroDetector, "probability", lambda self, chunk: asked.append(1) or 0.0)
    gate = SpeechGate(GateConfig(slowed_threshold=None), RATE, 3.0)
    gate.push(at_level(pink(10 * RATE), -105))
    assert not asked, "below floor_min_db"
    gate.push(burst(0.32, -20))
    assert 8 <= len(asked) <= 10


def detected(monkeypatch: pytest.MonkeyPatch, samples: Samples) -> list[float | str]:
    """What the detector is given: the level of each chunk in dBFS, or "afresh" where it forgets."""
    given: list[float | str] = []

    def level(self: SileroDetector, chunk: Samples) -> float:
        given.append(10 * np.log10(np.mean(chunk.astype(float) ** 2)))
        return 0.0

    monkeypatch.setattr(SileroDetector, "probability", level)
    gate = SpeechGate(GateConfig(floor_margin_db=0, slowed_threshold=None), RATE, 3.0)
    monkeypatch.setattr(SileroDetector, "reset", lambda self: given.append("afresh"))
    gate.push(samples)
    return given


def test_the_detector_hears_soft_sounds_at_an_even_level_and_loud_ones_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for dbfs, heard in ((-90, -35), (-60, -25), (-40, -25), (-20, -20), (-5, -5)):
        assert np.array(detected(monkeypatch, burst(1.0, dbfs)), float) == pytest.approx(heard, abs=3)


def test_a_very_high_voice_is_heard_in_slowed_audio(talk: Samples) -> None:
    """Silero misses much crying and screaming. This voice is low: it takes 2.5 times its pitch to be missed."""
    high = soxr.resample(talk, 2.5 * RATE, RATE).astype(np.float32)
    shares = []
    for threshold in (None, 0.5):
        gate = SpeechGate(GateConfig(slowed_threshold=threshold), RATE, 9.0)
        gate.push(high)
        shares.append(gate.speech_ratio(len(high) / RATE))
    assert shares[0] < 0.9 * speech_share(talk)
    assert shares[1] > 1.2 * shares[0]


def test_speech_that_the_detector_hears_is_not_listened_to_again(monkeypatch: pytest.MonkeyPatch, talk: Samples) -> None:
    asked = []
    monkeypatch.setattr(SileroDetector, "probability", lambda self, chunk: 0.3)
    monkeypatch.setattr(SlowedDetector, "probability", lambda self, chunk: asked.append(1) or 0.5)
    gate = SpeechGate(GateConfig(), RATE, 9.0)
    gate.push(talk)
    assert not asked
    monkeypatch.setattr(SileroDetector, "probability", lambda self, chunk: 0.29)
    assert any(gate.push(talk)), "the second answer alone"
    assert asked


def test_a_microphone_that_is_turned_down_loses_no_speech(talk: Samples) -> None:
    """Speech of a few of a 16-bit converter's steps is speech."""
    level = 10 * np.log10(np.mean(talk.astype(float) ** 2))
    counts = []
    for dbfs in (-25, -84):
        samples = np.round(talk * 10 ** ((dbfs - level) / 20) * 32767) / 32767
        gate = SpeechGate(GateConfig(), RATE, 3.0)
        counts.append(sum(gate.push(samples.astype(np.float32))))
    assert counts[0] > 0
    assert counts[1] > 0.8 * counts[0]


def test_the_detector_starts_afresh_where_a_loud_sound_follows_a_soft_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it remembers of the amplified room would hide the first second of a scream."""
    given = detected(monkeypatch, np.concatenate((burst(1.024, -70), burst(1.024, -10))))
    assert given.index("afresh") == 32
    assert given.count("afresh") == 1
    assert "afresh" not in detected(monkeypatch, np.concatenate((burst(1.024, -30), burst(1.024, -10))))


@given(levels=st.lists(st.floats(-120, 0), min_size=1, max_size=200), span=st.integers(1, 40))
def test_floor_is_the_minimum_of_the_span(levels: list[float], span: int) -> None:
    floor = NoiseFloor(span)
    for index, level in enumerate(levels):
        got = floor.update(level)
        recent = levels[max(0, index + 1 - span) : index + 1]
        # During the first span no floor is higher than -50 dBFS.
        expected = min(recent) if index + 1 >= span else min(-50.0, *recent)
        assert got == expected


def test_floor_rises_when_the_room_becomes_noisy_and_falls_at_once() -> None:
    floor = NoiseFloor(125)
    for _ in range(200):
        floor.update(-70.0)
    for _ in range(124):
        assert floor.update(-30.0) == -70.0
    assert floor.update(-30.0) == -30.0
    assert floor.update(-60.0) == -60.0
