"""Pitch of sounds whose fundamental is known."""

from __future__ import annotations

import numpy as np
import pytest
from signals import harmonics

from realtime_ser.features.filters import hann
from realtime_ser.features.pitch import PitchTracker
from realtime_ser.features.spec import FrontEndSpec

RATE, N_FFT = 16000, 1024


def track(samples: np.ndarray, rate: int = RATE, n_fft: int = N_FFT) -> tuple[np.ndarray, np.ndarray]:
    spec = FrontEndSpec("flatstats", sample_rate=rate, n_fft=n_fft, fmax=rate / 2)
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[:: n_fft // 4] * hann(n_fft)
    voicing, pitch = PitchTracker(spec)((np.abs(np.fft.rfft(frames)) ** 2).astype(np.float32))
    return voicing, 2.0**pitch


@pytest.mark.parametrize("f0", [80, 95, 110, 133.7, 180, 220, 310, 400])
@pytest.mark.parametrize("level", [0.5, 1e-3])
def test_fundamental_of_a_harmonic_complex_within_one_percent(f0: float, level: float) -> None:
    voicing, hz = track(harmonics(RATE, 0.5, f0, level=level))
    assert voicing.min() > 0.8
    np.testing.assert_allclose(hz, f0, rtol=0.01)


@pytest.mark.parametrize("f0", [110, 200, 350])
def test_fundamental_of_a_pure_tone(f0: float) -> None:
    voicing, hz = track(harmonics(RATE, 0.5, f0, count=1))
    np.testing.assert_allclose(hz, f0, rtol=0.01)
    assert voicing.min() > 0.9


def test_fundamental_of_every_voice_within_one_percent() -> None:
    for f0 in np.arange(200, 400, 3.3):
        np.testing.assert_allclose(track(harmonics(RATE, 0.2, f0))[1], f0, rtol=0.01)


@pytest.mark.parametrize("f0", [100, 120])
def test_missing_fundamental(f0: float) -> None:
    """A telephone takes the fundamental away; the pitch stays."""
    complex_tone = harmonics(RATE, 0.5, f0) - harmonics(RATE, 0.5, f0, count=1)
    np.testing.assert_allclose(track(complex_tone)[1], f0, rtol=0.01)


@pytest.mark.parametrize(("rate", "n_fft"), [(8000, 512), (22050, 2048), (44100, 4096)])
def test_other_rates(rate: int, n_fft: int) -> None:
    np.testing.assert_allclose(track(harmonics(rate, 0.5, 150), rate, n_fft)[1], 150, rtol=0.01)


def test_noise_is_hardly_voiced() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    voicing, _ = track(noise)
    assert np.mean(voicing > 0.45) < 0.03
    assert voicing.min() >= 0


def test_silence_and_extremes_are_unvoiced_or_finite() -> None:
    voicing, hz = track(np.zeros(4 * N_FFT, np.float32))
    assert (voicing == 0).all()
    for scale in (1e-8, 1.0, 1e3):
        voicing, hz = track((scale * harmonics(RATE, 0.3, 150)).astype(np.float32))
        assert np.isfinite(hz).all()
        assert ((voicing >= 0) & (voicing <= 1)).all()
