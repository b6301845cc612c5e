"""The ``flatstats`` vector: statistics of the active frames of a window.

Level is removed (the vector of a recording 20 dB quieter is the same), pauses and silence are left out by a threshold relative
to the window's loudest frame, and pitch counts only where the voice is periodic. Everything that concerns one frame or its
neighbours is a column already, so that a window costs a few matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray

_VOICED = 0.45  # Boersma's voicing threshold
_PERCENTILES = (0.1, 0.5, 0.9)
_PAST = 3  # frames: the change of the flux looks back two frames at a flux that looks back one


class StatisticsVector:
    """Computes the vector.

    Layout, over active frames but the first three: mean and deviation of every base row (log-mel, MFCC, level, zero crossings,
    centroid, rolloff, voicing, flux), mean absolute change over two frames, slope per second and root mean square change of
    each, 10th, 50th and 90th percentile of each but log-mel; then for pitch (octaves) over voiced frames: mean, deviation,
    percentiles, mean absolute change, slope; then share of active, of voiced frames, and voiced runs per second of active
    speech.

    Attributes
    ----------
    size : length of the vector
    """

    def __init__(self, spec: FrontEndSpec, columns: Mapping[str, slice]) -> None:
        self._bands = spec.n_mels
        self._rows = columns["flux"].stop
        self._level = columns["level"].start
        self._voicing = columns["voicing"].start
        self._pitch = columns["pitch"].start
        self._change = columns["change"]
        self._active_db = np.float32(spec.active_db)
        self._frame_s = spec.hop_length / spec.sample_rate
        self._ordered = self._rows - self._bands
        self.size = 5 * self._rows + 3 * self._ordered + 7 + 3

    def __call__(self, view: FloatArray) -> FloatArray:
        """The vector of a window.

        Parameters
        ----------
        view : float32 (n_columns, frames), the front end's columns

        Returns
        -------
        float32 (size,)
        """
        rows, bands = self._rows, self._bands
        # The first frames' changes look back beyond the window: those frames only give the others a past.
        view = view[:, min(_PAST, view.shape[1] - 1) :]
        level = view[self._level]
        active = level > level.max() - self._active_db
        n_active = max(1, int(np.count_nonzero(active)))
        share = active * np.float32(1 / n_active)
        vector = np.empty(self.size, np.float32)
        parts = vector[: 5 * rows].reshape(5, rows)
        base, change = view[:rows], view[self._change]
        # Sums as products with a vector of weights: the quickest reduction NumPy has for arrays of this size.
        mean = np.matmul(base, share, out=parts[0])
        deviation = base - mean[:, np.newaxis]
        deviation *= deviation
        np.sqrt(deviation @ share, out=parts[1])
        np.matmul(change, share, out=parts[2])
        np.matmul(base, _slope(share, self._frame_s), out=parts[3])
        np.sqrt(np.multiply(change, change, out=deviation) @ share, out=parts[4])
        percentiles = vector[5 * rows : 5 * rows + 3 * self._ordered].reshape(3, self._ordered)
        ordered = view[bands:rows].compress(active, axis=1)
        ordered.sort(axis=1)
        _percentiles(ordered, percentiles)
        # Remove the level: what a gain adds to every band and to the level itself.
        offset = mean[:bands].sum() / np.float32(bands)
        mean[:bands] -= offset
        mean[self._level] -= offset
        percentiles[:, self._level - bands] -= offset
        self._prosody(view, active, n_active, vector[5 * rows + 3 * self._ordered :])
        return vector

    def _prosody(self, view: FloatArray, active: npt.NDArray[np.bool_], n_active: int, out: FloatArray) -> None:
        """Pitch over voiced frames, and how much of the speech is voiced, in how many runs."""
        where = np.flatnonzero(active & (view[self._voicing] > _VOICED))
        count = len(where)
        steps = where[1:] - where[:-1]
        out[:7] = 0.0
        if count >= 3:
            pitch = view[self._pitch].take(where)
            when = where * np.float32(self._frame_s)
            when -= when.sum() / count
            mean = pitch.sum() / np.float32(count)
            deviation = pitch - mean
            out[0] = mean
            out[1] = math.sqrt(deviation @ deviation / count)
            neighbours = steps == 1
            out[5] = np.abs(pitch[1:] - pitch[:-1]) @ neighbours / max(1, int(np.count_nonzero(neighbours)))
            out[6] = (when @ deviation) / max(float(when @ when), 1e-6)
            pitch.sort()
            _percentiles(pitch[np.newaxis], out[2:5, np.newaxis])
        runs = 1 + int(np.count_nonzero(steps > 1)) if count else 0
        out[7] = n_active / len(active)
        out[8] = count / n_active
        out[9] = runs / (n_active * self._frame_s)


def _slope(share: FloatArray, frame_s: float) -> FloatArray:
    """Weights that turn a row into its regression slope per second over the frames that ``share`` weighs."""
    when = _seconds(len(share), frame_s)
    centred = when - when @ share
    weights = centred * share
    return np.asarray(weights / np.float32(max(float(weights @ centred), 1e-6)), np.float32)


def _percentiles(ordered: FloatArray, out: FloatArray) -> None:
    """Linear-interpolated percentiles of rows (n, frames) that are sorted, into (3, n)."""
    places, weights = _places(ordered.shape[1])
    around = ordered.take(places, axis=1)
    around *= weights
    np.add(around[:, 0::2], around[:, 1::2], out=out.T)


@lru_cache(maxsize=256)
def _seconds(frames: int, frame_s: float) -> FloatArray:
    return np.asarray(np.arange(frames) * frame_s, np.float32)


@lru_cache(maxsize=256)
def _places(count: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """For each percentile the two sorted values around it, of ``count``, and the weight of each: two arrays (6,)."""
    places, weights = [], []
    for share in _PERCENTILES:
        position = share * (count - 1)
        below = int(position)
        places += [below, min(below + 1, count - 1)]
        weights += [1 - (position - below), position - below]
    return np.array(places, np.intp), np.array(weights, np.float32)
