"""Noise and levels for tests of the gate."""

from __future__ import annotations

import numpy as np

from bundles import RATE, Samples


def at_level(samples: np.ndarray, dbfs: float) -> Samples:
    """Scaled to this RMS level."""
    return np.asarray(samples / np.sqrt(np.mean(samples**2)) * 10 ** (dbfs / 20), np.float32)


def pink(count: int) -> np.ndarray:
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(size=count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    return np.fft.irfft(spectrum, count)


def burst(seconds: float, dbfs: float) -> Samples:
    return at_level(np.random.default_rng(3).normal(size=round(seconds * RATE)), dbfs)
