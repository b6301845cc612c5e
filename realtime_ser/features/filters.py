"""The constant matrices of the front end: mel and chroma filter banks, DCT, Hann window.

They equal those of librosa 0.10/0.11 (ISC licence), the reference in the tests: the mel bank of Slaney's Auditory Toolbox
(1998) with area normalisation, and the Gaussian chroma bank of Ellis (2007).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime_ser.records import FloatArray

_HZ_PER_MEL = 200.0 / 3
_LOG_REGION_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def hann(n_fft: int) -> FloatArray:
    """Periodic Hann window, float32 (n_fft,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


def mel_filters(sample_rate: int, n_fft: int, n_mels: int, *, fmin: float, fmax: float) -> FloatArray:
    """Mel filter bank on Slaney's scale with unit area per band.

    Returns
    -------
    float32 (n_mels, 1 + n_fft // 2)
    """
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    edges = _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), n_mels + 2))
    widths = np.diff(edges)
    ramps = edges[:, np.newaxis] - bins
    rising = -ramps[:-2] / widths[:-1, np.newaxis]
    falling = ramps[2:] / widths[1:, np.newaxis]
    bank = np.maximum(0, np.minimum(rising, falling))
    bank *= (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    return bank.astype(np.float32)


def chroma_filters(sample_rate: int, n_fft: int, n_chroma: int) -> FloatArray:
    """Chroma filter bank for a tuning of 0 cents: Gaussian bumps around each pitch class, centred on octave 5, C first.

    Returns
    -------
    float32 (n_chroma, 1 + n_fft // 2)
    """
    hz = np.linspace(0, sample_rate, n_fft, endpoint=False)[1:]
    positions = n_chroma * np.log2(hz / (440.0 / 16))
    # 0 Hz has no logarithm: place it 1.5 octaves below the first bin.
    positions = np.concatenate(([positions[0] - 1.5 * n_chroma], positions))
    widths = np.concatenate((np.maximum(np.diff(positions), 1.0), [1.0]))
    half = np.round(n_chroma / 2)
    distance = np.subtract.outer(np.arange(n_chroma, dtype=float), positions) * -1
    distance = np.remainder(distance + half + 10 * n_chroma, n_chroma) - half
    bank = np.exp(-0.5 * (2 * distance / widths) ** 2)
    bank /= np.sqrt(np.sum(bank**2, axis=0, keepdims=True))
    bank *= np.exp(-0.5 * ((positions / n_chroma - 5.0) / 2.0) ** 2)
    bank = np.roll(bank, -3 * (n_chroma // 12), axis=0)
    return np.ascontiguousarray(bank[:, : 1 + n_fft // 2], dtype=np.float32)


def dct_matrix(n_out: int, n_in: int) -> FloatArray:
    """Orthonormal DCT-II, float32 (n_out, n_in): ``dct_matrix @ log_mel`` gives the MFCCs."""
    k = np.arange(n_out)[:, np.newaxis]
    n = np.arange(n_in)
    matrix = np.cos(np.pi * k * (2 * n + 1) / (2 * n_in)) * np.sqrt(2.0 / n_in)
    matrix[0] /= np.sqrt(2.0)
    return np.asarray(matrix, np.float32)


def _hz_to_mel(hz: float) -> float:
    if hz < _LOG_REGION_HZ:
        return hz / _HZ_PER_MEL
    return float(_LOG_REGION_HZ / _HZ_PER_MEL + np.log(hz / _LOG_REGION_HZ) / _LOG_STEP)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    split = _LOG_REGION_HZ / _HZ_PER_MEL
    above = _LOG_REGION_HZ * np.exp(_LOG_STEP * (np.maximum(mel, split) - split))
    return np.where(mel < split, mel * _HZ_PER_MEL, above)
