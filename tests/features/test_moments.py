"""The moments vector: its entries against plain NumPy, and what it must ignore."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from signals import NAMES, cases, harmonics, voice

from bundles import FRONT_ENDS, RATE
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.moment_frames import MomentTransform
from realtime_ser.features.spec import FrontEndSpec

SPEC = FrontEndSpec(**FRONT_ENDS["moments"])
BANDS, MFCC = SPEC.n_mels, SPEC.n_mfcc
BASE = BANDS + MFCC + 5
PITCH = -12


def vector(samples: np.ndarray, window_s: float = 2.0) -> np.ndarray:
    front_end = FrontEnd(SPEC, window_s)
    front_end.push(samples)
    return front_end.window()


def columns(samples: np.ndarray) -> tuple[MomentTransform, np.ndarray]:
    frames = np.lib.stride_tricks.sliding_window_view(samples, SPEC.n_fft)[:: SPEC.hop_length]
    transform = MomentTransform(SPEC)
    out = np.empty((transform.n_columns, len(frames)), np.float32)
    transform(frames, out)
    return transform, out.astype(np.float64)


def expected_vector(samples: np.ndarray) -> np.ndarray:
    """The documented layout, frame by frame and without regard to speed."""
    transform, view = columns(samples)
    base, pitch = view[:BASE], view[BASE]
    change = base[:, 2:] - base[:, :-2]
    steps = np.diff(pitch)
    voiced = base[-1] > 0.45
    pairs = voiced[1:] & voiced[:-1]
    base, pitch, change = base[:, 3:], pitch[3:], change[:, 1:]
    voiced, steps, pairs = voiced[3:], steps[2:], pairs[2:]
    level = base[transform.level]
    active, loud = level > level.max() - SPEC.active_db, level > level.max() - 12
    bands, shape = transform.log_mel, slice(MFCC, MFCC + BANDS + 2)
    mean = base[:, active].mean(axis=1)
    offset = mean[bands].mean()
    relative = base.copy()
    relative[bands] -= offset
    relative[transform.level] -= offset
    when = np.arange(len(level)) * SPEC.hop_length / RATE
    spoken = active & voiced
    slope = np.polyfit(when[active], base[MFCC:, active].T, 1)[0] * when[active].std()
    tone = relative[bands][:, spoken].mean(axis=1) if spoken.any() else np.zeros(BANDS)
    neighbours = pairs & active
    of_pitch = np.zeros(12)
    if spoken.sum() >= 3:
        of_pitch[:4] = (
            *base[-1, spoken].mean(keepdims=True),
            pitch[spoken].mean(),
            base[-1, spoken].std(),
            pitch[spoken].std(),
        )
        if (loud & voiced).any():
            of_pitch[4] = pitch[loud & voiced].mean() - pitch[spoken].mean()
        if neighbours.any():
            moved = steps[neighbours]
            of_pitch[5:9] = np.abs(moved).mean(), np.sqrt((moved**2).mean()), (moved > 0.02).mean(), (moved < -0.02).mean()
    of_pitch[9:] = spoken.sum() / active.sum(), active.mean(), neighbours.sum() / max(1, spoken.sum())
    return np.concatenate(
        (
            relative[shape][:, active].mean(axis=1),
            relative[shape][:, loud].mean(axis=1),
            tone,
            slope,
            base[:, active].std(axis=1),
            np.sqrt((change[:, active] ** 2).mean(axis=1)),
            np.abs(change[MFCC:, active]).mean(axis=1),
            relative[-3:, active].mean(axis=1),
            of_pitch,
        )
    )


@pytest.mark.parametrize("samples", [voice(RATE, 2.0), voice(RATE, 1.3, seed=4), harmonics(RATE, 1.5, 180.0)])
def test_vector_is_what_its_layout_says(samples: np.ndarray) -> None:
    got, expected = vector(samples), expected_vector(samples)
    assert got.shape == expected.shape == (FrontEnd(SPEC, 1.0).n_features,)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_columns_equal_librosa(name: str) -> None:
    samples = cases(RATE)[name]
    transform, view = columns(samples)
    grid = {"n_fft": SPEC.n_fft, "hop_length": SPEC.hop_length, "center": False}
    mel = librosa.feature.melspectrogram(y=samples, sr=RATE, n_mels=BANDS, fmax=SPEC.fmax, **grid)
    log_mel = librosa.power_to_db(mel, top_db=None)
    log_mel = np.maximum(log_mel, log_mel.max(axis=0) - SPEC.frame_db)
    assert np.abs(view[transform.log_mel] - log_mel).max() <= 1e-4 * np.abs(log_mel).max()
    mfcc = librosa.feature.mfcc(S=log_mel, n_mfcc=MFCC + 1)[1:]
    assert np.abs(view[:MFCC] - mfcc).max() <= 1e-4 * np.abs(log_mel).max()


def test_gain_changes_nothing() -> None:
    samples = voice(RATE, 2.0)
    loud = vector(samples)
    for gain in (0.1, 0.5, 2.0):
        np.testing.assert_allclose(vector((gain * samples).astype(np.float32)), loud, rtol=2e-3, atol=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_every_signal_gives_finite_numbers(name: str) -> None:
    for seconds in (0.04, 0.1, 1.0, 3.0):
        assert np.isfinite(vector(cases(RATE)[name][: round(seconds * RATE)])).all()


def test_a_flag_that_a_product_leaves_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenBLAS may set the processor's "invalid" flag where every number is finite."""
    product, infinite = np.matmul, np.array(np.inf)

    def flagged(*given: np.ndarray, **named: np.ndarray) -> np.ndarray:
        np.subtract(infinite, infinite)
        return product(*given, **named)

    front_end = FrontEnd(SPEC, 2.0)
    front_end.push(voice(RATE, 0.1))
    monkeypatch.setattr(np, "matmul", flagged)
    assert np.isfinite(front_end.window()).all()


def test_a_window_and_its_last_seconds_together_are_what_they_are_alone() -> None:
    front_end = FrontEnd(SPEC, 3.0)
    front_end.push(voice(RATE, 4.0))
    frames = (front_end.window_frames, SPEC.frames_in(1.5), SPEC.frames_in(1.0))
    for together, count in zip(front_end.windows(frames), frames, strict=True):
        np.testing.assert_allclose(together, front_end.window(count), rtol=1e-4, atol=1e-4)


def test_surrounding_silence_hardly_changes_the_statistics() -> None:
    samples = voice(RATE, 1.5)
    padded = np.concatenate((samples, np.zeros(RATE // 2, np.float32)))
    alone, inside = vector(samples), vector(padded)
    assert inside[PITCH + 10] < alone[PITCH + 10], "the share of active frames"
    assert np.abs(inside[:BANDS] - alone[:BANDS]).max() < 3.0


def test_pitch_and_its_direction() -> None:
    t = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * 110 * (2 ** (0.8 * t) - 1) / (0.8 * np.log(2))
    glide = np.sum([np.sin(k * phase) / k for k in range(1, 10)], axis=0).astype(np.float32) * 0.1
    up, down, flat = (vector(x)[PITCH:] for x in (glide, glide[::-1].copy(), harmonics(RATE, 2.0, 160.0)))
    np.testing.assert_allclose(2 ** (up[1] + 7.3), 110 * 2**0.8, rtol=0.03)
    np.testing.assert_allclose(2 ** (flat[1] + 7.3), 160, rtol=0.01)
    np.testing.assert_allclose(up[5], 0.8 * SPEC.hop_length / RATE, rtol=0.1)
    assert up[3] > 0.3 > 0.02 > flat[3]
    assert down[1] == pytest.approx(up[1], abs=0.05)
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    assert vector(noise)[PITCH + 9] < 0.2 < 0.9 < flat[9], "share of voiced frames"
