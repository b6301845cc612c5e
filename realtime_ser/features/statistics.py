"""The ``flatstats`` vector: statistics of the active frames of a window.

Level is removed (the vector of a recording 20 dB quieter is the same), pauses and silence are excluded by a threshold relative
to the window's loudest frame, and pitch is used only in voiced frames. Quantities of single frames and their neighbours are
already columns, so that a window costs a few matrix products.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from realtime_ser.features.prosody import (
    PERCENTILES,
    PITCH,
    RHYTHM,
    SWINGS_HZ,
    percentiles,
    pitch_movement,
    rhythm,
    swings,
)
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray

_VOICED = 0.45  # Boersma's voicing threshold
_LOUD_DB = np.float32(12.0)  # frames this close to the loudest are mostly vowels
_FEW = 3  # fewer frames of a kind give zeros
_PAST = 3  # frames: the change of the flux spans two frames, the flux one
_CEPSTRA = 4  # MFCC with a modulation spectrum, beside level and centroid


class StatisticsVector:
    """Computes the vector.

    Layout, over active frames but the first three, for every base row (log-mel, MFCC, level, zero crossings, centroid,
    rolloff, voicing, flux): mean, deviation, mean absolute change over two frames, slope per second, root mean square change,
    mean of the frames within 12 dB of the loudest, curvature (of a parabola through the frames, per second squared), 10th,
    50th and 90th percentile. Then mean log-mel of the voiced and of the unvoiced frames (zeros where there are fewer than
    three), ``prosody.swings`` of level, four MFCC and centroid, ``prosody.pitch_movement`` and ``prosody.rhythm``.

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
        cepstra = columns["mfcc"].start + np.arange(min(_CEPSTRA, spec.n_mfcc))
        self._swinging = np.array([self._level, *cepstra, columns["centroid"].start])
        *self._edges, self.size = np.cumsum(
            (10 * self._rows, 2 * self._bands, len(SWINGS_HZ) * len(self._swinging), PITCH, RHYTHM)
        ).tolist()

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
        # The first frames' changes refer to frames before the window: use those frames only as the others' past.
        view = view[:, min(_PAST, view.shape[1] - 1) :]
        base, change, level = view[:rows], view[self._change], view[self._level]
        peak = level.max()
        active = level > peak - self._active_db
        voiced = active & (view[self._voicing] > _VOICED)
        unvoiced = active & ~voiced
        share = _even(active)
        slope, curvature = _shape(share, self._frame_s)
        # Compute everything linear in the columns by one product with weights, which reads them once.
        kinds = np.stack((share, slope, _even(level > peak - _LOUD_DB), curvature, _even(voiced), _even(unvoiced)), axis=1)
        sums = base @ kinds
        mean, offset = sums[:, 0], sums[:bands, 0].sum() / np.float32(bands)

        vector = np.empty(self.size, np.float32)
        part = np.split(vector, self._edges)
        table = part[0].reshape(10, rows)
        deviation = base - mean[:, np.newaxis]
        deviation *= deviation
        table[0], table[3], table[5], table[6] = mean, sums[:, 1], sums[:, 2], sums[:, 3]
        np.sqrt(deviation @ share, out=table[1])
        np.matmul(change, share, out=table[2])
        np.sqrt(np.multiply(change, change, out=deviation) @ share, out=table[4])
        ordered = base.compress(active, axis=1)
        ordered.sort(axis=1)
        percentiles(ordered, PERCENTILES, table[7:])
        for places in (table[0], table[5], *table[7:]):
            # Remove the level, which a gain adds to every band and to the level row.
            places[:bands] -= offset
            places[self._level] -= offset
        for place, which, column in ((part[1][:bands], voiced, 4), (part[1][bands:], unvoiced, 5)):
            place[:] = sums[:bands, column] - offset if np.count_nonzero(which) >= _FEW else 0
        contours = base[self._swinging]
        np.maximum(contours[0], peak - self._active_db, out=contours[0])
        part[2][:] = swings(contours, share, self._frame_s)
        part[3][:] = pitch_movement(view[self._pitch], view[self._voicing], level, voiced, self._frame_s)
        part[4][:] = rhythm(level, active, voiced, self._active_db, self._frame_s)
        return vector


def _even(chosen: npt.NDArray[np.bool_]) -> FloatArray:
    """Equal weights of the chosen frames, summing to one; zeros where there is none."""
    return np.asarray(chosen * np.float32(1 / max(1, int(np.count_nonzero(chosen)))), np.float32)


def _shape(share: FloatArray, frame_s: float) -> tuple[FloatArray, FloatArray]:
    """Weights that turn a row into its regression slope per second, and into the curvature that a parabola adds to it."""
    when = _seconds(len(share), frame_s)
    centred = when - when @ share
    weights = centred * share
    square = centred * centred
    variance = square @ share
    spread = np.float32(max(float(variance), 1e-6))
    bend = square - variance - centred * ((square @ weights) / spread)
    weighed = bend * share
    return weights / spread, weighed / np.float32(max(float(weighed @ bend), 1e-4))


@lru_cache(maxsize=256)
def _seconds(frames: int, frame_s: float) -> FloatArray:
    return np.asarray(np.arange(frames) * frame_s, np.float32)
