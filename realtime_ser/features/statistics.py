"""The ``flatstats`` vector: statistics of the active frames of a window.

Level is removed (the vector of a recording 20 dB quieter is the same), pauses and silence are left out by a threshold relative
to the window's loudest frame, and pitch counts only where the voice is periodic.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray

_VOICED = 0.45  # Boersma's voicing threshold
_PERCENTILES = (0.1, 0.5, 0.9)
_ZERO = np.float32(0)


class StatisticsVector:
    """Computes the vector.

    Layout: for log-mel, MFCC, level, zero crossings, centroid, rolloff, voicing and flux: mean, deviation, 10th, 50th and 90th
    percentile and mean absolute change over two frames; for pitch (octaves) over voiced frames: mean, deviation, percentiles,
    mean absolute change, slope; then share of active, of voiced frames, and voiced runs per second of active speech.

    Attributes
    ----------
    size : length of the vector
    """

    def __init__(self, spec: FrontEndSpec, columns: Mapping[str, slice]) -> None:
        self._columns = columns
        self._rows = columns["voicing"].stop + 1  # log-mel to voicing, then flux
        self._active_db = np.float32(spec.active_db)
        self._top_db = np.float32(spec.top_db)
        self._frame_s = spec.hop_length / spec.sample_rate
        bands = columns["log_mel"].stop - columns["log_mel"].start
        self._band_share = np.full(bands, 1 / bands, np.float32)
        # Which entries a gain moves: mean and percentiles of the bands and of the level.
        self._gain_moves = np.zeros((6, self._rows), np.float32)
        for part in (0, 2, 3, 4):
            self._gain_moves[part, columns["log_mel"]] = self._gain_moves[part, columns["level"]] = 1.0
        self.size = 6 * self._rows + 7 + 3

    def __call__(self, view: FloatArray) -> FloatArray:
        """The vector of a window.

        Parameters
        ----------
        view : float32 (n_columns, frames), the front end's columns

        Returns
        -------
        float32 (size,)
        """
        columns = self._columns
        frames = view.shape[1]
        level = view[columns["level"]][0]
        active = level > level.max() - self._active_db
        n_active = max(1, int(np.count_nonzero(active)))
        table = np.empty((self._rows, frames), np.float32)
        bands = columns["log_mel"]
        log_mel = np.maximum(view[bands], view[bands].max() - self._top_db, out=table[bands])
        table[bands.stop : -1] = view[bands.stop : self._rows - 1]
        rise = log_mel[:, 1:] - log_mel[:, :-1]
        table[-1, 0] = 0.0
        # Sums as products with constant vectors: the quickest reductions NumPy has for arrays of this size.
        np.matmul(self._band_share, np.maximum(rise, _ZERO, out=rise), out=table[-1, 1:])
        vector = np.empty(self.size, np.float32)
        parts = vector[: 6 * self._rows].reshape(6, self._rows)
        change = table[:, 2:] - table[:, :-2]
        np.matmul(np.abs(change, out=change), _weights(active[1:-1]), out=parts[5])
        chosen = table if n_active == frames else table[:, active]
        share, places, weights = _constants(n_active)
        np.matmul(chosen, share, out=parts[0])
        deviation = chosen - parts[0][:, np.newaxis]
        np.sqrt(np.multiply(deviation, deviation, out=deviation) @ share, out=parts[1])
        chosen.sort(axis=1)
        around = chosen.take(places, axis=1)
        around *= weights
        np.add(around[:, 0::2], around[:, 1::2], out=parts[2:5].T)
        # Remove the level: what a gain adds to every band and to the level itself.
        parts -= (parts[0, bands] @ self._band_share) * self._gain_moves
        self._pitch(view, active, n_active, vector[6 * self._rows :])
        return vector

    def _pitch(self, view: FloatArray, active: npt.NDArray[np.bool_], n_active: int, out: FloatArray) -> None:
        voiced = active & (view[self._columns["voicing"]][0] > _VOICED)
        count = int(np.count_nonzero(voiced))
        out[:7] = 0.0
        if count >= 3:
            pitch = view[self._columns["pitch"]][0]
            share = voiced / np.float32(count)
            mean = pitch @ share
            deviation = pitch - mean
            when = np.arange(len(pitch), dtype=np.float32) * np.float32(self._frame_s)
            when -= when @ share
            weighted = when * share
            out[0] = mean
            out[1] = np.sqrt((deviation * deviation) @ share)
            out[5] = np.abs(pitch[1:] - pitch[:-1]) @ _weights(voiced[1:] & voiced[:-1])
            out[6] = (weighted @ deviation) / max(float(weighted @ when), 1e-6 / count)
            values = pitch[voiced]
            values.sort()
            _, places, weights = _constants(count)
            around = values[places] * weights
            out[2:5] = around[0::2] + around[1::2]
        runs = int(np.count_nonzero(voiced[1:] > voiced[:-1])) + int(voiced[0])
        out[7] = n_active / len(active)
        out[8] = count / n_active
        out[9] = runs / (n_active * self._frame_s)


def _weights(mask: npt.NDArray[np.bool_]) -> FloatArray:
    """float32 weights that average over the true places; zeros if there are none."""
    return np.asarray(mask / np.float32(max(1, int(np.count_nonzero(mask)))), np.float32)


@lru_cache(maxsize=256)
def _constants(count: int) -> tuple[FloatArray, npt.NDArray[np.intp], FloatArray]:
    """What depends on the number of values alone: the weights of their mean, and of linear-interpolated percentiles.

    Returns
    -------
    share : float32 (count,)
    places, weights : (6,), for each percentile the two sorted values around it and the weight of each
    """
    places, weights = [], []
    for share in _PERCENTILES:
        position = share * (count - 1)
        below = int(position)
        places += [below, min(below + 1, count - 1)]
        weights += [1 - (position - below), position - below]
    return np.full(count, 1 / count, np.float32), np.array(places, np.intp), np.array(weights, np.float32)
