"""The ``moments`` vector: means, deviations and movements of a window's frames, by matrix products alone.

Everything in it is a ratio of sums over frames: the front end's columns times a few weights per window (active frames, loud
ones, voiced ones, active ones times their time). One product gives the sums of the window and of its last seconds. As in
``flatstats`` the level is removed and pauses do not count; but nothing is sorted, and no frame is looked at twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from realtime_ser.features.moment_frames import MomentTransform
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray

_LOUD_DB = 12.0  # frames this close to the loudest are mostly vowels
# Arrays of no dimension: NumPy takes half a microsecond less for them than for numbers, and these arrays are small.
_SMALL, _ZERO, _ONE = (np.array(value, np.float32) for value in (1e-6, 0, 1))
_FEW = 3
_PITCH = 12
_SKIP = 3  # a flux's change goes back so far


class MomentVector:
    """Computes the vectors of windows that end with the same frame.

    Layout, over active frames but the window's first three: mean of log-mel, centroid and zero crossings; the same of the
    frames within 12 dB of the loudest; mean log-mel of the voiced frames; slope of every base row but MFCC (change along the
    regression line over one deviation of time); of every base row the deviation, then the root mean square change over two
    frames; mean absolute change over two frames of every one but MFCC; mean flux, level and voicing; pitch and voicing (see
    ``_pitch``).

    Attributes
    ----------
    size : length of a vector
    """

    def __init__(self, spec: FrontEndSpec, transform: MomentTransform) -> None:
        columns = transform.columns
        self._mfcc, self._base = spec.n_mfcc, columns["base"].stop
        self._bands = transform.log_mel
        self._level = transform.level
        self._voice = slice(columns["voice"].start, columns["pairs"].stop)
        self._first = slice(columns["pairs"].stop)
        self._second = columns["change_square"].start
        # Frames this close to the loudest count as active, as loud.
        self._within_db = np.array([spec.active_db, _LOUD_DB], np.float32).reshape(2, 1, 1)
        self._n_mels = np.array(spec.n_mels, np.float32)
        self._frame_s = spec.hop_length / spec.sample_rate
        self.size = 2 * (spec.n_mels + 2) + spec.n_mels + 4 * self._base - 2 * spec.n_mfcc + 3 + _PITCH

    # With a window of five frames, OpenBLAS's AVX-512 kernel also multiplies what happens to lie in unused lanes of registers:
    # the result is right, but the processor's "invalid" flag may be set, which NumPy would report.
    @np.errstate(invalid="ignore")
    def __call__(self, view: FloatArray, lengths: Sequence[int]) -> FloatArray:
        """The vectors of the last frames.

        Parameters
        ----------
        view : float32 (n_columns, frames), the front end's columns
        lengths : frames in each window, each at most ``frames``

        Returns
        -------
        float32 (len(lengths), size)
        """
        base, bands, count, windows = self._base, self._bands, view.shape[1], len(lengths)
        outside, seconds, share = _windows(count, tuple(lengths), self._frame_s)
        level = view[self._level] + outside
        peak = np.maximum.reduce(level, axis=1, keepdims=True)
        # Weights: active, loud, voiced (of the active ones); each kind's sum is one.
        kinds = np.empty((3, windows, count), np.float32)
        active = kinds[0]
        np.greater(level, peak - self._within_db, out=kinds[:2])
        np.multiply(active, view[self._voice.start], out=kinds[2])
        total = np.add.reduce(kinds, axis=2, keepdims=True)
        kinds /= np.maximum(total, _ONE)
        sums = (view[self._first] @ kinds.reshape(3 * windows, count).T).reshape(-1, 3, windows)
        mean = sums[:, 0]
        # Deviations from the first window's mean, so that nothing large cancels in what follows.
        apart = mean[:base] - mean[:base, :1]
        deviation = view[:base] - mean[:base, :1]
        # Regression on time, per deviation of it: per second it would be ill-conditioned in short stretches of speech.
        timed = active * seconds
        when = np.add.reduce(timed, axis=1)
        spread = np.sqrt(np.maximum(np.vecdot(timed, seconds) - when * when, _SMALL))
        slope = (deviation[self._mfcc :] @ timed.T - apart[self._mfcc :] * when) / spread
        # Deviation, root mean square change, mean absolute change.
        deviation *= deviation
        more = np.empty((base + len(view) - self._second, windows), np.float32)
        np.matmul(deviation, active.T, out=more[:base])
        np.matmul(view[self._second :], active.T, out=more[base:])
        more[:base] -= apart * apart
        roots = more[: 2 * base]
        np.sqrt(np.maximum(roots, _ZERO, out=roots), out=roots)
        # Remove the level, which a gain adds to every band and to the level row.
        offset = np.add.reduce(mean[bands], axis=0) / self._n_mels
        sums[bands] -= offset
        mean[self._level] -= offset
        frames = total[:, :, 0]
        fewest = min(frames[2].tolist())
        if fewest == 0:
            sums[bands, 2] *= frames[2] > 0
        pitch = self._pitch(sums[self._voice], frames[0] * share)
        if fewest < _FEW:
            pitch[:9, frames[2] < _FEW] = 0
        shape = slice(bands.start, bands.stop + 2)
        parts = (sums[shape, 0], sums[shape, 1], sums[bands, 2], slope, more, mean[self._level - 1 : base], pitch)
        return np.ascontiguousarray(np.concatenate(parts).T)

    def _pitch(self, rows: FloatArray, active: FloatArray) -> FloatArray:
        """float32 (12, windows), of voiced frames: means and deviations of voicing and pitch, pitch of the loud ones over all;
        of neighbours: mean absolute and root mean square change of the pitch, shares that rise and fall; share of voiced ones
        among the active; of active ones among all; of neighbours among the voiced.
        """
        out = np.empty((_PITCH, rows.shape[2]), np.float32)
        mean = rows[:, 0]
        loud = rows[0, 1]
        voiced = np.maximum(mean[0], _SMALL)
        means, deviations, change = out[:2], out[2:4], out[6]
        np.divide(mean[1:5], voiced, out=out[:4])
        deviations -= means * means
        np.sqrt(np.maximum(deviations, _ZERO, out=deviations), out=deviations)
        np.subtract(rows[2, 1] / np.maximum(loud, _SMALL), out[1], out=out[4])
        out[4] *= loud > _ZERO
        np.divide(mean[6:10], np.maximum(mean[5], _SMALL), out=out[5:9])
        np.sqrt(change, out=change)
        out[9] = mean[0]
        out[10] = active
        np.divide(mean[5], voiced, out=out[11])
        return out


@lru_cache(maxsize=64)
def _windows(count: int, lengths: tuple[int, ...], frame_s: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """For windows that end with the last of ``count`` frames: 0 inside and minus infinity outside, their first frames being
    outside, (n, count); time in seconds about the window's middle, (n, count); 1 / frames inside, (n,)."""
    frame = np.arange(count)
    first = np.array([count - length + min(_SKIP, length - 1) for length in lengths])
    outside = np.where(frame >= first[:, np.newaxis], 0, -np.inf)
    seconds = (frame - (first[:, np.newaxis] + count - 1) / 2) * frame_s
    return outside.astype(np.float32), seconds.astype(np.float32), (1 / (count - first)).astype(np.float32)
