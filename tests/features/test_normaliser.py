"""The running normalisation takes a stream's channel, speaker and level out, within seconds, and forgets at a reset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from realtime_ser.errors import ModelError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.normaliser import DEVIATION_DB, Normalisation, RunningNormaliser, band_profile, speech_band
from realtime_ser.features.spec import FrontEndSpec

STACKED = FrontEndSpec("stacked")
FLAT = FrontEndSpec("flatstats")
BANDS = STACKED.n_mels


def prior(size: int, **changes: Any) -> Normalisation:
    values = {"mean": [0.0] * size, "deviation": [10.0] * size, "prior_s": 4.0, "memory_s": 40.0} | changes
    return Normalisation.from_dict(values, size)


def windows(count: int, offset: np.ndarray | float = 0.0, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(-40, 10, (BANDS, 100)).astype(np.float32) + np.float32(offset) for _ in range(count)]


def test_level_is_no_matter_from_the_first_window_on() -> None:
    quiet, loud = (RunningNormaliser(prior(BANDS), STACKED) for _ in range(2))
    for window in windows(5):
        np.testing.assert_allclose(quiet.normalise(window - 20, 0.25), loud.normalise(window, 0.25), atol=1e-3)


def test_a_microphones_colour_fades_within_seconds_of_speech() -> None:
    colour = np.linspace(-12, 12, BANDS, dtype=np.float32)[:, np.newaxis]
    plain, coloured = (RunningNormaliser(prior(BANDS), STACKED) for _ in range(2))
    apart = []
    for window in windows(160):  # 40 s of speech
        difference = plain.normalise(window, 0.25) - coloured.normalise(window + colour, 0.25)
        apart.append(float(np.abs(difference).mean()))
    assert apart[40] < 0.5 * apart[0]
    assert apart[-1] < 0.2 * apart[0]


def test_what_is_heard_for_long_has_mean_zero_and_the_common_deviation() -> None:
    running = RunningNormaliser(prior(BANDS, prior_s=0.5), STACKED)
    out = np.stack([running.normalise(window, 0.25) for window in windows(200)])[100:]
    assert abs(float(out.mean())) < 0.5
    assert abs(float(out.std()) / DEVIATION_DB - 1) < 0.1


def test_a_vector_is_seen_relative_to_the_streams_mean() -> None:
    running = RunningNormaliser(prior(3, mean=[1.0, 2.0, 3.0], deviation=[1.0, 2.0, 4.0]), FLAT)
    x = np.array([5.0, 2.0, 3.0], np.float32)
    first = running.normalise(x, 1.0)
    # 4 s of prior and 1 s of speech: the mean has moved by a fifth.
    np.testing.assert_allclose(first, [4 * 0.8, 0, 0], atol=1e-6)
    for _ in range(400):
        last = running.normalise(x, 1.0)
    assert abs(float(last[0])) < 0.01


def test_memory_is_bounded_so_that_a_new_voice_takes_over() -> None:
    running = RunningNormaliser(prior(1, memory_s=10.0), FLAT)
    for _ in range(4000):
        running.normalise(np.array([0.0], np.float32), 0.25)
    assert running.speech_s == 10.0
    for _ in range(80):  # 20 s of somebody else
        out = running.normalise(np.array([30.0], np.float32), 0.25)
    assert float(out[0]) < 0.3 * 3.0


def test_reset_forgets_and_the_past_never_changes() -> None:
    running = RunningNormaliser(prior(BANDS), STACKED)
    first = running.normalise(windows(1)[0], 0.25)
    kept = first.copy()
    for window in windows(20, 15.0, seed=1):
        running.normalise(window, 0.25)
    assert np.array_equal(first, kept)
    running.reset()
    assert running.speech_s == 0
    assert np.array_equal(running.normalise(windows(1)[0], 0.25), kept)


def test_joint_features_are_normalised_as_their_parts_are() -> None:
    voice = np.random.default_rng(0).normal(0, 0.1, 3 * 16000).astype(np.float32)
    front_end = FrontEnd(FrontEndSpec("joint"), 2.0)
    size = front_end.n_statistics
    assert front_end.n_normalised == size + BANDS
    means = np.random.default_rng(1).normal(0, 1, size + BANDS).tolist()
    joint = RunningNormaliser(prior(size + BANDS, mean=means), front_end.spec)
    apart = RunningNormaliser(prior(size, mean=means[:size]), FLAT), RunningNormaliser(prior(BANDS, mean=means[size:]), STACKED)
    for start in range(0, len(voice), 8000):
        front_end.push(voice[start : start + 8000])
        window = front_end.window()
        vector = apart[0].normalise(window[:size], 0.5)
        log_mel = apart[1].normalise(window[size:].reshape(BANDS, -1), 0.5)
        np.testing.assert_allclose(joint.normalise(window, 0.5), np.concatenate((vector, log_mel.ravel())), atol=1e-5)


def test_the_profile_leaves_pauses_out() -> None:
    band = speech_band(STACKED)
    speech = windows(1)[0]
    pause = np.full((BANDS, 60), -120, np.float32)
    level, mean, deviation = band_profile(speech, band, 35.0)
    level_too, mean_too, deviation_too = band_profile(np.hstack((pause, speech)), band, 35.0)
    assert level == pytest.approx(level_too, abs=1e-3)
    np.testing.assert_allclose(mean, mean_too, atol=1e-3)
    np.testing.assert_allclose(deviation, deviation_too, atol=1e-3)


def test_the_speech_band_is_what_a_telephone_carries() -> None:
    band = speech_band(STACKED)
    assert 0 < band.start < band.stop < BANDS
    tiny = FrontEndSpec("stacked", n_mels=2, n_mfcc=1, n_chroma=1, fmin=5000.0)
    assert speech_band(tiny) == slice(0, 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mean": [0.0, 1.0]}, "'mean' must be 3 finite numbers"),
        ({"mean": [0.0, 1.0, float("nan")]}, "'mean' must be 3 finite numbers"),
        ({"deviation": [1.0, 1.0, 0.0]}, "at least 0.001"),
        ({"prior_s": 0}, "above 0"),
        ({"memory_s": float("inf")}, "above 0"),
        ({"prior": 1.0}, "did you mean 'prior_s'"),
    ],
)
def test_a_senseless_card_is_refused(change: dict[str, Any], said: str) -> None:
    values = {"mean": [0.0] * 3, "deviation": [1.0] * 3, "prior_s": 4.0, "memory_s": 40.0}
    with pytest.raises(ModelError, match=said):
        Normalisation.from_dict(values | change, 3)
    del values["prior_s"]
    with pytest.raises(ModelError, match="'prior_s' is missing"):
        Normalisation.from_dict(values, 3)


def test_a_window_that_held_no_speech_can_be_taken_out_again() -> None:
    learned, other = windows(4), windows(1, 30.0, seed=1)[0]
    plain, undone = (RunningNormaliser(prior(BANDS), STACKED) for _ in range(2))
    for window in learned:
        plain.normalise(window, 0.25)
        undone.normalise(window, 0.25)
    undone.normalise(other, 0.25)
    undone.undo()
    assert undone.snapshot() == plain.snapshot()
    undone.undo()  # only the last window, once
    assert undone.snapshot() == plain.snapshot()
