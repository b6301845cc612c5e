"""The ``moments`` vector: means, deviations and movements of a window's frames, by matrix products alone.

Everything in it is a ratio of sums over frames: the front end's columns times a few weights per window (active frames, loud
ones, voiced ones, active ones times their time). One product gives the sums of the window and of its last seconds. As in
``flatstats`` the level is removed and pauses do not count; but nothing is sorted, and no frame is looked at twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from realtime_ser.features.moment_frames import PAST, MomentTransform
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray

_LOUD_DB = np.float32(12.0)  # frames this close to the loudest are mostly vowels
_SMALL = np.float32(1e-6)
_ZERO, _ONE = np.float32(0), np.float32(1)
_LITTLE = np.float32(0.01)
_FEW = np.float32(3)
_PITCH = 19


class MomentVector:
    """Computes the vectors of windows that end with the same frame.

    Layout, over active frames but the window's first six: mean of log-mel, centroid and zero crossings; the same of the frames
    within 12 dB of the loudest; mean log-mel of the voiced frames; then, for every base row (those, MFCC, flux, level, voicing):
    slope per second, deviation, root mean square and mean absolute change over two frames; then mean flux, level and voicing
    and pitch and rhythm (see ``_pitch``).

    Attributes
    ----------
    size : length of a vector
    """

    def __init__(self, spec: FrontEndSpec, transform: MomentTransform) -> None:
        columns = transform.columns
        self._bands, self._base = spec.n_mels, columns["base"].stop
        self._level = transform.level
        self._voice = slice(columns["voice"].start, columns["pairs"].stop)
        self._first = slice(columns["pairs"].stop)
        self._second = slice(columns["square"].start, columns["change"].stop)
        self._active_db = np.float32(spec.active_db)
        self._frame_s = spec.hop_length / spec.sample_rate
        self.size = 2 * (self._bands + 2) + self._bands + 4 * self._base + _PITCH

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
        outside, seconds, squares, share = _windows(count, tuple(lengths), self._frame_s)
        level = view[self._level] + outside
        peak = level.max(axis=1, keepdims=True)
        # Weights, each summing to one: active, active times time, loud, voiced.
        kinds = np.empty((4, windows, count), np.float32)
        active = np.greater(level, peak - self._active_db, out=kinds[0], casting="unsafe")
        np.greater(level, peak - _LOUD_DB, out=kinds[2], casting="unsafe")
        np.multiply(active, view[self._voice.start], out=kinds[3])
        total = kinds[::2].sum(axis=2, keepdims=True)
        kinds[::2] /= total
        kinds[3] /= np.maximum(kinds[3].sum(axis=1, keepdims=True), _ONE)
        np.multiply(active, seconds, out=kinds[1])
        sums = (view[self._first] @ kinds.reshape(4 * windows, count).T).reshape(-1, 4, windows)
        more = view[self._second] @ active.T
        # Regression on time.
        when = kinds[1].sum(axis=1)
        spread = np.maximum((active * squares).sum(axis=1) - when * when, _SMALL)
        mean = sums[:, 0]
        slope = sums[:base, 1] - mean[:base] * when
        slope /= spread
        # Mean square less squared mean; then the roots of it and of the mean square change.
        more[:base] -= mean[:base] * mean[:base]
        roots = more[: 2 * base]
        np.sqrt(np.maximum(roots, _ZERO, out=roots), out=roots)
        # Remove the level, which a gain adds to every band and to the level row.
        offset = mean[:bands].mean(axis=0)
        sums[:bands, ::2] -= offset[:, np.newaxis].T
        sums[:bands, 3] -= offset
        mean[self._level] -= offset
        shape = bands + 2
        pitch = self._pitch(sums[self._voice], total[0, :, 0], share, offset)
        parts = (sums[:shape, 0], sums[:shape, 2], sums[:bands, 3], slope, more, mean[self._level - 1 : base], pitch)
        return np.ascontiguousarray(np.concatenate(parts).T)

    def _pitch(self, rows: FloatArray, active: FloatArray, share: FloatArray, offset: FloatArray) -> FloatArray:
        """float32 (16, windows), of voiced frames: level, voicing and pitch; their deviations; correlation of level and pitch;
        pitch of the loud frames over all; of neighbours: mean absolute and root mean square change of the pitch, share that
        rises, that falls; of all active frames: share of voiced ones, of onsets of voice and of syllable nuclei; share of
        active frames.
        """
        mean = rows[:, 0]
        voiced = mean[0]
        # Where fewer than three frames are voiced, nothing is said of them.
        inner = mean[1:8] * ((voiced * active >= _FEW) / np.maximum(voiced, _SMALL))
        out = np.empty((_PITCH - 3, len(active)), np.float32)
        out[:3] = inner[:3]
        deviation = np.sqrt(np.maximum(inner[3:6] - inner[:3] * inner[:3], _SMALL))
        out[3:6] = deviation
        out[6] = (inner[6] - inner[0] * inner[2]) / (deviation[0] * deviation[2] + np.float32(1e-2))
        out[7] = (rows[3, 2] - rows[0, 2] * inner[2]) / np.maximum(rows[0, 2], _LITTLE)
        out[8:12] = mean[9:13] / np.maximum(mean[8], _LITTLE)
        np.sqrt(out[9], out=out[9])
        out[0] -= offset * (out[0] != 0)
        out[12] = voiced
        out[13:15] = mean[13:15]
        out[15] = active * share
        return out


@lru_cache(maxsize=64)
def _windows(count: int, lengths: tuple[int, ...], frame_s: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """For windows that end with the last of ``count`` frames: 0 inside and minus infinity outside, the first ``PAST`` frames
    being outside, (n, count); time in seconds about the window's middle and its square, (n, count); 1 / frames inside, (n,)."""
    frame = np.arange(count)
    first = np.array([count - length + min(PAST, length - 1) for length in lengths])
    outside = np.where(frame >= first[:, np.newaxis], 0, -np.inf)
    seconds = (frame - (first[:, np.newaxis] + count - 1) / 2) * frame_s
    return (
        outside.astype(np.float32),
        seconds.astype(np.float32),
        (seconds**2).astype(np.float32),
        (1 / (count - first)).astype(np.float32),
    )
