"""Fundamental frequency and voicing per frame.

The autocorrelation method of Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the harmonics-to-
noise ratio of a sampled sound", on the band below 4 kHz: the autocorrelation is computed from the front end's power spectrum
and divided by that of the window, and its highest peak gives the period. There is no path search, because functionals need no
smooth track.
"""

from __future__ import annotations

import numpy as np

from realtime_ser.features.filters import hann
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray

_BAND_HZ = 4000.0
_OCTAVE_COST = 0.02  # per octave of period: of two equal peaks the shorter period wins
# Spacing of the candidate periods, in samples of the band: at 1, a peak between two samples can be missed in favour of one at
# twice the period.
_LAG_STEP = 0.5
_AROUND = np.array([[0], [1], [2]])
# Arrays of no dimension: NumPy takes half a microsecond less for them than for numbers, and a hop's arrays are small.
_ZERO, _HALF, _LESS_THAN_HALF, _ONE, _TWO = (np.array(value, np.float32) for value in (0, 0.5, -0.5, 1, 2))
_SILENT, _FLAT, _STEP = (np.array(value, np.float32) for value in (1e-12, -1e-9, _LAG_STEP))


class PitchTracker:
    """Pitch of frames whose power spectrum is known, from the band below ``band_hz``; ``octave_cost``: see above."""

    def __init__(self, spec: FrontEndSpec, band_hz: float = _BAND_HZ, octave_cost: float = _OCTAVE_COST) -> None:
        band = min(band_hz, spec.sample_rate / 2)
        self._bins = int(spec.n_fft * band / spec.sample_rate)
        length = 2 * self._bins
        rate = spec.sample_rate * length / spec.n_fft
        self._rate = np.array(rate, np.float32)
        low = max(2, int(rate / spec.pitch_max_hz))
        # Beyond half the window too little signal overlaps for the division below to be accurate.
        high = min(int(np.ceil(rate / spec.pitch_min_hz)), length // 2 - 2)
        self._lags = np.arange(low, max(high, low + 1) + _LAG_STEP / 2, _LAG_STEP).astype(np.float32)
        window_power = np.abs(np.fft.rfft(hann(spec.n_fft)))[: self._bins + 1] ** 2
        # One product replaces an inverse FFT of which only a quarter is needed: column 0 gives the autocorrelation at lag 0,
        # the others at the candidate periods, divided by the window's autocorrelation.
        lags = np.concatenate(([0], [low - _LAG_STEP], self._lags, [self._lags[-1] + _LAG_STEP]))
        transform = np.cos(2 * np.pi / length * np.outer(np.arange(self._bins + 1), lags)) / length
        transform[1:-1] *= 2
        window_correlation = window_power @ transform
        transform *= window_correlation[0] / window_correlation
        self._transform = transform.astype(np.float32)
        self._cost = (octave_cost * np.log2(self._lags / self._lags[0])).astype(np.float32)

    def __call__(self, power: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Voicing and pitch.

        Parameters
        ----------
        power : float32 (n, 1 + n_fft // 2), power spectra of Hann-windowed frames

        Returns
        -------
        voicing : float32 (n,), height of the best peak, 0 (noise) to 1 (periodic)
        pitch : float32 (n,), log2 of the fundamental in Hz, whatever the voicing
        """
        correlation = power[:, : self._bins + 1] @ self._transform
        correlation /= np.maximum(correlation[:, :1], _SILENT)
        best = (correlation[:, 2:-1] - self._cost).argmax(axis=1)
        place = np.arange(1, correlation.size, correlation.shape[1]) + best
        left, peak, right = correlation.take(place + _AROUND)
        # Parabola through the peak and its neighbours: a lag of fractional samples.
        curvature = np.minimum(left - _TWO * peak + right, _FLAT)
        shift = np.maximum(np.minimum(_HALF * (left - right) / curvature, _HALF), _LESS_THAN_HALF)
        pitch = np.log2(self._rate / (self._lags[best] + _STEP * shift))
        return np.maximum(np.minimum(peak, _ONE), _ZERO), pitch
