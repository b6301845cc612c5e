"""Per-frame columns against librosa, frame by frame."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from signals import NAMES, cases

from realtime_ser.features.frames import FrameTransform, zero_crossing_rate
from realtime_ser.features.spec import FrontEndSpec

RATE, N_FFT, HOP = 16000, 1024, 250
SPEC = FrontEndSpec("flatstats", n_fft=N_FFT, hop_length=HOP)


def transform(samples: np.ndarray, spec: FrontEndSpec = SPEC) -> tuple[FrameTransform, np.ndarray]:
    """All frames' columns (n_columns, frames)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, spec.n_fft)[:: spec.hop_length]
    front_end = FrameTransform(spec)
    out = np.full((front_end.n_columns, len(frames)), np.nan, np.float32)
    front_end(frames, out)
    return front_end, out


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("rate", "n_fft", "hop", "n_mels"), [(16000, 512, 250, 64), (16000, 1024, 250, 64), (22050, 2048, 512, 128)]
)
def test_log_mel_equals_librosa(name: str, rate: int, n_fft: int, hop: int, n_mels: int) -> None:
    samples = cases(rate)[name]
    spec = FrontEndSpec("stacked", sample_rate=rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels, fmax=rate / 2)
    front_end, out = transform(samples, spec)
    mel = librosa.feature.melspectrogram(
        y=samples, sr=rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels, fmax=rate / 2, center=False
    )
    expected = librosa.power_to_db(mel, top_db=None)
    # 1e-4 of the range that decibels span; a constant leaves nothing but rounding noise above its own bins.
    within_80_db = expected > expected.max() - 80
    got = out[front_end.columns["log_mel"]]
    np.testing.assert_allclose(got[within_80_db], expected[within_80_db], atol=1e-2, rtol=1e-4)
    assert np.abs(got - expected)[within_80_db].mean() < 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_shape_columns_equal_librosa(name: str) -> None:
    samples = cases(RATE)[name]
    front_end, out = transform(samples)
    columns = front_end.columns
    options = {"frame_length": N_FFT, "hop_length": HOP, "center": False}

    crossings = librosa.feature.zero_crossing_rate(samples, **options)
    # librosa pads each frame with a first "crossing" of its own making when its first sample is negative; ours counts pairs.
    np.testing.assert_allclose(out[columns["zero_crossings"]], crossings, atol=1.5 / N_FFT)

    rms = librosa.feature.rms(y=samples, **options)
    np.testing.assert_allclose(out[columns["level"]], librosa.power_to_db(rms**2, top_db=None), atol=1e-3)

    magnitude = np.abs(librosa.stft(samples, n_fft=N_FFT, hop_length=HOP, center=False))
    centroid = librosa.feature.spectral_centroid(S=magnitude, sr=RATE, n_fft=N_FFT)
    np.testing.assert_allclose(out[columns["centroid"]], centroid, rtol=1e-4, atol=0.1)
    rolloff = librosa.feature.spectral_rolloff(S=magnitude, sr=RATE, n_fft=N_FFT, roll_percent=0.85)
    differs = np.abs(out[columns["rolloff"]] - rolloff) > 1e-3
    # Where the sum meets the threshold to the last bit, rounding chooses between two neighbouring bins.
    assert differs.mean() < 0.01
    assert np.abs(out[columns["rolloff"]] - rolloff).max() <= RATE / N_FFT + 1e-3


@pytest.mark.parametrize("name", ["voice", "full-scale noise", "very quiet"])
def test_mfcc_equals_librosa_without_its_level(name: str) -> None:
    samples = cases(RATE)[name]
    front_end, out = transform(samples)
    log_mel = out[front_end.columns["log_mel"]]
    expected = librosa.feature.mfcc(S=log_mel, n_mfcc=SPEC.n_mfcc + 1)[1:]
    np.testing.assert_allclose(out[front_end.columns["mfcc"]], expected, atol=2e-3, rtol=1e-4)


def test_zero_crossings_of_known_frames() -> None:
    frames = np.array([[1, -1, 1, -1], [1, 1, 1, 1], [0, -1e-11, 0, 1], [-1, -1, 1, 1]], np.float32)
    np.testing.assert_allclose(zero_crossing_rate(frames), [0.75, 0, 0, 0.25])


@pytest.mark.parametrize("n_fft", [256, 512, 1000, 1024, 2048])
def test_rolloff_finds_a_tone(n_fft: int) -> None:
    """All energy in one place: the rolloff lies there, wherever in the spectrum (first bin and last included)."""
    spec = FrontEndSpec("flatstats", n_fft=n_fft, hop_length=n_fft)
    for hz in (0, 500, 3100, 7900, 8000):
        t = np.arange(4 * n_fft) / RATE
        front_end, out = transform(np.cos(2 * np.pi * hz * t).astype(np.float32), spec)
        np.testing.assert_allclose(out[front_end.columns["rolloff"]][0], hz, atol=1.6 * RATE / n_fft)


def test_every_column_is_finite_for_every_signal() -> None:
    for recipe in ("flatstats", "flat268", "stacked"):
        spec = FrontEndSpec(recipe, n_fft=1024, hop_length=256)
        for samples in cases(RATE, 0.5).values():
            assert np.isfinite(transform(samples, spec)[1]).all()
