"""The ``flatstats`` vector: statistics of the active frames of a window.

Level is removed (the vector of a recording 20 dB quieter is the same), pauses and silence are left out by a threshold relative
to the window's loudest frame, and pitch counts only where the voice is periodic.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray

_VOICED = 0.45  # Boersma's voicing threshold
_PERCENTILES = (0.1, 0.5, 0.9)


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
        level = view[columns["level"]][0]
        active = level > level.max() - self._active_db
        table = np.empty((self._rows, view.shape[1]), np.float32)
        table[:-1] = view[: self._rows - 1]
        log_mel = table[columns["log_mel"]]
        np.maximum(log_mel, log_mel.max() - self._top_db, out=log_mel)
        table[-1, 0] = 0.0
        np.maximum(np.diff(log_mel, axis=1), 0).mean(axis=0, out=table[-1, 1:])
        change = np.abs(table[:, 2:] - table[:, :-2]) @ _weights(active[1:-1])
        chosen = table if active.all() else table[:, active]
        vector = np.empty(self.size, np.float32)
        parts = vector[: 6 * self._rows].reshape(6, self._rows)
        parts[0] = chosen.mean(axis=1)
        chosen.std(axis=1, mean=parts[0][:, np.newaxis], out=parts[1])
        chosen.sort(axis=1)
        parts[2:5] = _percentiles(chosen)
        parts[5] = change
        # Remove the level: what a gain adds to every band and to the level itself.
        offset = parts[0, columns["log_mel"]].mean()
        level_row = columns["level"].start
        for row in (0, 2, 3, 4):
            parts[row, columns["log_mel"]] -= offset
            parts[row, level_row] -= offset
        self._pitch(view, active, vector[6 * self._rows :])
        return vector

    def _pitch(self, view: FloatArray, active: npt.NDArray[np.bool_], out: FloatArray) -> None:
        voiced = active & (view[self._columns["voicing"]][0] > _VOICED)
        count, n_active = int(np.count_nonzero(voiced)), int(np.count_nonzero(active))
        out[:7] = 0.0
        if count >= 3:
            pitch = view[self._columns["pitch"]][0]
            values = pitch[voiced]
            when = np.flatnonzero(voiced).astype(np.float32) * np.float32(self._frame_s)
            when = when - when.mean()
            neighbours = voiced[1:] & voiced[:-1]
            out[0], out[1] = values.mean(), values.std()
            out[5] = np.abs(np.diff(pitch)) @ _weights(neighbours)
            out[6] = (when @ (values - out[0])) / max(float(when @ when), 1e-6)
            values.sort()
            out[2:5] = _percentiles(values[np.newaxis])[:, 0]
        runs = int(np.count_nonzero(voiced[1:] & ~voiced[:-1])) + int(voiced[0])
        out[7] = n_active / len(active)
        out[8] = count / max(n_active, 1)
        out[9] = runs / (max(n_active, 1) * self._frame_s)


def _weights(mask: npt.NDArray[np.bool_]) -> FloatArray:
    """float32 weights that average over the true places; zeros if there are none."""
    return np.asarray(mask / max(1, int(np.count_nonzero(mask))), np.float32)


def _percentiles(ordered: FloatArray) -> FloatArray:
    """Linear-interpolated percentiles of rows that are sorted: float32 (3, rows)."""
    positions = np.multiply(_PERCENTILES, ordered.shape[1] - 1)
    below = positions.astype(int)
    above = np.minimum(below + 1, ordered.shape[1] - 1)
    share = (positions - below).astype(np.float32)
    return np.asarray((ordered[:, below] * (1 - share) + ordered[:, above] * share).T, np.float32)
