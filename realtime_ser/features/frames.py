"""Audio frames -> per-frame columns. Each audio frame is transformed exactly once.

All new frames go through one real FFT call; mel, chroma and MFCC are matrix products. Columns are float32 with frames on the
last axis. They equal librosa's with ``center=False`` and ``tuning=0``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

import numpy as np

from realtime_ser.features.filters import chroma_filters, dct_matrix, hann, mel_filters
from realtime_ser.features.pitch import PitchTracker
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray

AMIN = np.float32(1e-10)
# Arrays of no dimension: NumPy takes them sooner than numbers.
_LEAST_POWER, _TEN = np.array(AMIN), np.array(10, np.float32)
_ROLLOFF = 0.85
_ZERO = np.float32(0)


class FrameTransform:
    """Turns frames into columns.

    Attributes
    ----------
    columns : name -> slice of the rows it fills
    n_columns : rows per frame
    past : preceding frames that it takes
    """

    past = 2

    def __init__(self, spec: FrontEndSpec) -> None:
        self._spec = spec
        # norm="forward" makes NumPy transform float32 in float32 (its default does so in float64, twice as slow); it divides by
        # n_fft, which the window compensates: flat268 uses the powers themselves.
        self._norm: Literal["forward", "backward"] = "backward" if spec.recipe == "flat268" else "forward"
        self._window = hann(spec.n_fft) * np.float32(spec.n_fft if self._norm == "forward" else 1)
        self._mel = mel_filters(spec.sample_rate, spec.n_fft, spec.n_mels, fmin=spec.fmin, fmax=spec.fmax)
        self._shaped = spec.recipe in ("flatstats", "joint")
        statistics = [
            ("log_mel", spec.n_mels),
            ("mfcc", spec.n_mfcc),
            ("level", 1),
            ("zero_crossings", 1),
            ("centroid", 1),
            ("rolloff", 1),
            ("voicing", 1),
            ("flux", 1),
            ("pitch", 1),
            ("change", spec.n_mels + spec.n_mfcc + 6),
        ]
        # In joint only the statistics are clamped frame by frame, the log-mel part is not.
        whole = [("whole_log_mel", spec.n_mels)]
        names = {
            "flat268": [("mel", spec.n_mels), ("log_mel", spec.n_mels), ("chroma", spec.n_chroma)],
            "stacked": [("log_mel", spec.n_mels)],
            "flatstats": statistics,
            "joint": [*statistics, *whole],
        }[spec.recipe]
        slices, row = {}, 0
        for name, rows in names:
            slices[name] = slice(row, row + rows)
            row += rows
        self.columns = MappingProxyType(slices)
        self.n_columns = row
        if spec.recipe == "flat268":
            self._chroma = chroma_filters(spec.sample_rate, spec.n_fft, spec.n_chroma)
        if self._shaped:
            # Keep MFCC 1 to n_mfcc: row 0 of the DCT is the level, which is removed later.
            self._dct = dct_matrix(spec.n_mfcc + 1, spec.n_mels)[1:]
            self._hz = np.fft.rfftfreq(spec.n_fft, 1 / spec.sample_rate).astype(np.float32)
            self._band_share = np.full(spec.n_mels, 1 / spec.n_mels, np.float32)
            self._pitch = PitchTracker(spec)

    def __call__(self, frames: FloatArray, out: FloatArray, before: FloatArray | None = None) -> None:
        """Transform consecutive frames.

        Parameters
        ----------
        frames : float32 (n, n_fft), raw samples
        out : float32 (n_columns, n), written in place
        before : float32 (n_columns, 0 to 2), the columns of the preceding frames, which flatstats needs for changes over time;
            None: there are none
        """
        spectrum = np.fft.rfft(frames * self._window, axis=-1, norm=self._norm)
        power = np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)
        mel = self._mel @ power.T
        columns = self.columns
        out[columns["log_mel"]] = log_power(mel)
        if self._spec.recipe == "flat268":
            out[columns["mel"]] = mel
            out[columns["chroma"]] = _unit_peak(self._chroma @ power.T)
        elif self._shaped:
            log_mel = out[columns["log_mel"]]
            if "whole_log_mel" in columns:
                out[columns["whole_log_mel"]] = log_mel
            np.maximum(log_mel, log_mel.max(axis=0) - np.float32(self._spec.frame_db), out=log_mel)
            out[columns["mfcc"]] = self._dct @ log_mel
            self._shape_columns(frames, power, out)
            self._change_columns(out, out[:, :0] if before is None else before)

    def _shape_columns(self, frames: FloatArray, power: FloatArray, out: FloatArray) -> None:
        columns = self.columns
        out[columns["level"]] = log_power(np.vecdot(frames, frames) / np.float32(frames.shape[1]))
        out[columns["zero_crossings"]] = zero_crossing_rate(frames)
        magnitude = np.sqrt(power)
        running = np.add.accumulate(magnitude, axis=1)
        total = running[:, -1]
        out[columns["centroid"]] = (magnitude @ self._hz) / np.maximum(total, AMIN)
        reached = (running >= np.float32(_ROLLOFF) * total[:, np.newaxis]).argmax(axis=1)
        out[columns["rolloff"]] = self._hz[reached]
        out[columns["voicing"]], out[columns["pitch"]] = self._pitch(power)

    def _change_columns(self, out: FloatArray, before: FloatArray) -> None:
        """Flux, and the absolute change of each base row over two frames; zero before the first frame."""
        columns = self.columns
        rows, known = columns["flux"].stop, before.shape[1]
        flux = rows - 1
        bands = columns["log_mel"]
        table = np.empty((rows, 2 + out.shape[1]), np.float32)
        table[:, 2 - known : 2] = before[:rows]
        table[:, 2:] = out[:rows]
        table[:, : 2 - known] = table[:, 2 - known, np.newaxis]
        rise = table[bands, 2:] - table[bands, 1:-1]
        # Sum by a product with a constant vector, NumPy's fastest reduction for arrays of this size.
        table[flux, 2:] = out[flux] = self._band_share @ np.maximum(rise, _ZERO, out=rise)
        if not known:
            table[flux, :2] = table[flux, 2]
        change = np.subtract(table[:, 2:], table[:, :-2], out=out[columns["change"]])
        np.abs(change, out=change)


def log_power(power: FloatArray) -> FloatArray:
    """10 log10(power), with power at least 1e-10: librosa's ``power_to_db(ref=1, top_db=None)``."""
    decibels: FloatArray = np.maximum(power, _LEAST_POWER)
    np.log10(decibels, out=decibels)
    decibels *= _TEN
    return decibels


def zero_crossing_rate(frames: FloatArray) -> FloatArray:
    """Share of sample pairs whose sign differs, per frame; values within 1e-10 of zero count as positive.

    Parameters
    ----------
    frames : float32 (n, n_fft)

    Returns
    -------
    float32 (n,)
    """
    negative = frames < np.float32(-1e-10)
    changes = (negative[:, 1:] != negative[:, :-1]).view(np.uint8)
    return np.asarray(np.add.reduce(changes, axis=1, dtype=np.uint16) / frames.shape[1], np.float32)


def _unit_peak(columns: FloatArray) -> FloatArray:
    """Scale each column to a peak of one; a column of zeros stays."""
    peak = columns.max(axis=0)
    return np.asarray(columns / np.where(peak < np.finfo(np.float32).tiny, 1.0, peak), np.float32)
