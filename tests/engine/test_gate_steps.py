"""The gate's steps one by one: floor, detector, detector on slowed audio, and how much speech a window needs."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from levels import at_level, burst, pink

from bundles import RATE, Samples
from realtime_ser.config import GateConfig
from realtime_ser.engine.gate import NoiseFloor, SpeechGate
from realtime_ser.engine.vad import SileroDetector, SlowedDetector


def energy_gate(**changes: float) -> SpeechGate:
    """A gate whose energy floor alone decides."""
    return SpeechGate(GateConfig(vad=False, **changes), RATE, 3.0)


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

    def share(samples: Samples, threshold: float | None) -> float:
        gate = SpeechGate(GateConfig(slowed_threshold=threshold), RATE, 9.0)
        return float(np.mean(gate.push(samples)))

    assert share(high, None) < 0.9 * share(talk, None)
    assert share(high, 0.5) > 1.2 * share(high, None)


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


def test_the_detector_starts_afresh_where_a_loud_sound_follows_a_soft_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it remembers of the amplified room would hide the first second of a scream."""
    given = detected(monkeypatch, np.concatenate((burst(1.024, -70), burst(1.024, -10))))
    assert given.index("afresh") == 32
    assert given.count("afresh") == 1
    assert "afresh" not in detected(monkeypatch, np.concatenate((burst(1.024, -30), burst(1.024, -10))))


def test_both_detectors_start_afresh_together(monkeypatch: pytest.MonkeyPatch) -> None:
    afresh: list[str] = []
    gate = SpeechGate(GateConfig(), RATE, 3.0)
    for detector in (SileroDetector, SlowedDetector):
        monkeypatch.setattr(detector, "probability", lambda self, chunk: 0.0)
        monkeypatch.setattr(detector, "reset", lambda self, name=detector.__name__: afresh.append(name))
    gate.push(np.concatenate((burst(1.024, -70), burst(1.024, -10))))
    assert afresh == ["SileroDetector", "SlowedDetector"]
    gate.reset()
    assert afresh[2:] == ["SileroDetector", "SlowedDetector"]


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
