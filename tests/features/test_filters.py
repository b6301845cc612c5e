"""The constant matrices equal those of librosa and SciPy."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal

from realtime_ser.features.filters import chroma_filters, dct_matrix, hann, mel_filters


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "fmin", "fmax"),
    [
        (16000, 512, 64, 0.0, 8000.0),
        (16000, 2048, 128, 0.0, 8000.0),
        (22050, 2048, 128, 0.0, 11025.0),
        (44100, 1024, 40, 50.0, 7600.0),
    ],
)
def test_mel_bank_equals_librosa(rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> None:
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    np.testing.assert_allclose(mel_filters(rate, n_fft, n_mels, fmin=fmin, fmax=fmax), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(("rate", "n_fft"), [(16000, 512), (16000, 2048), (22050, 2048), (48000, 4096)])
@pytest.mark.parametrize("n_chroma", [12, 24])
def test_chroma_bank_equals_librosa(rate: int, n_fft: int, n_chroma: int) -> None:
    expected = librosa.filters.chroma(sr=rate, n_fft=n_fft, n_chroma=n_chroma, tuning=0.0)
    np.testing.assert_allclose(chroma_filters(rate, n_fft, n_chroma), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("n_out", "n_in"), [(128, 128), (20, 64), (1, 2), (13, 40)])
def test_dct_equals_scipy(n_out: int, n_in: int) -> None:
    expected = scipy.fft.dct(np.eye(n_in), type=2, norm="ortho", axis=0)[:n_out]
    np.testing.assert_allclose(dct_matrix(n_out, n_in), expected, atol=1e-6)


@pytest.mark.parametrize("n_fft", [512, 1024, 2048, 400])
def test_window_is_the_periodic_hann(n_fft: int) -> None:
    np.testing.assert_allclose(hann(n_fft), scipy.signal.get_window("hann", n_fft, fftbins=True), atol=1e-7)
