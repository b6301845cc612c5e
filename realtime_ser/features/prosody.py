"""Prosody of a window: movement of the pitch, rhythm, and modulation of the contours.

Common paralinguistic descriptors (Schuller and Batliner 2013, "Computational Paralinguistics", chapters 6 and 8), computed from
the front end's columns. None depends on the level.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from realtime_ser.records import FloatArray

PITCH, RHYTHM = 17, 11  # lengths of the two vectors
SWINGS_HZ = ((0.5, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 16.0), (16.0, 32.0))
PERCENTILES = (0.1, 0.5, 0.9)
_EXTREMES = (0.03, 0.97)
_STEP = np.float32(0.02)  # octaves from one frame to the next: smaller changes count as steady pitch
_LOUDEST_DB = np.float32(6.0)
_NUCLEUS_DB = np.float32(25.0)  # peaks further below the loudest frame are no syllable
_SMOOTH = 5  # frames over which the level is averaged before peaks are detected
_SMOOTHING = np.full(_SMOOTH, 1 / _SMOOTH, np.float32)
_LEAST_POWER = np.float32(1e-6)

Frames = npt.NDArray[np.bool_]


def pitch_movement(pitch: FloatArray, voicing: FloatArray, level: FloatArray, voiced: Frames, frame_s: float) -> FloatArray:
    """Position and movement of the pitch in a window's voiced frames.

    Parameters
    ----------
    pitch, voicing, level : float32 (frames,): octaves, 0 to 1, dB
    voiced : which frames count; fewer than three give zeros

    Returns
    -------
    float32 (17,): mean, deviation, 10th, 50th, 90th percentile, mean absolute change between neighbours, slope per second;
    range from the 3rd to the 97th percentile, deviation of the changes, share of them that rise and that fall by more than
    0.02 octaves, mean absolute change of the changes, correlation with the level, last quarter less first quarter, mean of
    the frames within 6 dB of the loudest less the mean of all; mean and deviation of the voicing
    """
    out = np.zeros(PITCH, np.float32)
    where = np.flatnonzero(voiced)
    count = len(where)
    if count < 3:
        return out
    octaves, periodic, loud = pitch.take(where), voicing.take(where), level.take(where)
    when = where * np.float32(frame_s)
    when -= when.sum() / count
    out[0] = octaves.sum() / np.float32(count)
    deviation = octaves - out[0]
    out[1] = math.sqrt(deviation @ deviation / count)
    steps = (octaves[1:] - octaves[:-1])[where[1:] - where[:-1] == 1]
    out[6] = (when @ deviation) / max(float(when @ when), 1e-6)
    if len(steps):
        out[5] = np.abs(steps).sum() / len(steps)
        out[8] = math.sqrt(max(0.0, float(steps @ steps) / len(steps) - (float(steps.sum()) / len(steps)) ** 2))
        out[9] = np.count_nonzero(steps > _STEP) / len(steps)
        out[10] = np.count_nonzero(steps < -_STEP) / len(steps)
    if len(steps) > 1:
        out[11] = np.abs(steps[1:] - steps[:-1]).sum() / (len(steps) - 1)
    relative = loud - loud.sum() / np.float32(count)
    spread = math.sqrt(float(relative @ relative) * float(deviation @ deviation))
    out[12] = (relative @ deviation) / spread if spread > 1e-4 * count else 0.0
    quarter = max(1, count // 4)
    out[13] = (deviation[-quarter:].sum() - deviation[:quarter].sum()) / quarter
    strongest = loud > loud.max() - _LOUDEST_DB
    out[14] = (deviation @ strongest) / np.count_nonzero(strongest)
    out[15] = periodic.sum() / np.float32(count)
    periodic -= out[15]
    out[16] = math.sqrt(periodic @ periodic / count)
    octaves.sort()
    percentiles(octaves[np.newaxis], PERCENTILES, out[2:5, np.newaxis])
    ends = np.empty((2, 1), np.float32)
    percentiles(octaves[np.newaxis], _EXTREMES, ends)
    out[7] = ends[1, 0] - ends[0, 0]
    return out


def rhythm(level: FloatArray, active: Frames, voiced: Frames, floor_db: np.float32, frame_s: float) -> FloatArray:
    """Timing of active and voiced frames in a window.

    Parameters
    ----------
    level : float32 (frames,) in dB
    active, voiced : frames that hold speech, and those of them that are periodic
    floor_db : frames this far below the loudest count as silence

    Returns
    -------
    float32 (11,): share of active frames, share of voiced ones among them, voiced runs per second of active speech; syllable
    nuclei (peaks of the smoothed level) per such second, deviation of their levels, mean depth of the valleys between them;
    mean, longest and deviation of the voiced runs in s; share of pauses between first and last active frame, longest in s
    """
    out = np.zeros(RHYTHM, np.float32)
    n_active = max(1, int(np.count_nonzero(active)))
    active_s = n_active * frame_s
    out[0] = n_active / len(active)
    out[1] = np.count_nonzero(voiced) / n_active
    # There are few runs and peaks: plain numbers are faster than small arrays.
    runs = run_lengths(voiced).tolist()
    out[2] = len(runs) / active_s
    peak = level.max()
    # Not mode "same", which returns more values than frames if the kernel is longer.
    height = np.convolve(np.maximum(level - (peak - floor_db), np.float32(0)), _SMOOTHING)[_SMOOTH // 2 :][: len(level)]
    inner = height[1:-1]
    tops = 1 + np.flatnonzero((inner > height[:-2]) & (inner >= height[2:]) & (inner > floor_db - _NUCLEUS_DB))
    out[3] = len(tops) / active_s
    if len(tops) > 1:
        tall = height[tops].tolist()
        out[4] = _deviation(tall)
        valleys = np.minimum.reduceat(height, tops)[:-1].tolist()
        out[5] = sum(min(two) - low for two, low in zip(pairwise(tall), valleys, strict=True)) / len(valleys)
    if runs:
        out[6] = sum(runs) / len(runs) * frame_s
        out[7] = max(runs) * frame_s
        out[8] = _deviation(runs) * frame_s
    sounding = np.flatnonzero(active)
    if len(sounding):
        between = ~active[sounding[0] : sounding[-1] + 1]
        pauses = run_lengths(between).tolist()
        if pauses:
            out[9] = sum(pauses) / len(between)
            out[10] = max(pauses) * frame_s
    return out


def swings(contours: FloatArray, share: FloatArray, frame_s: float) -> FloatArray:
    """Modulation spectrum of contours, in octaves from 0.5 to 32 Hz.

    Parameters
    ----------
    contours : float32 (n, frames)
    share : float32 (frames,), weights of the frames that count, summing to one; the others are set to the mean

    Returns
    -------
    float32 (5 * n,): logarithm of the mean power in each octave, the n of the lowest first
    """
    frames = contours.shape[1]
    size = max(256, 1 << (frames - 1).bit_length())
    active = share > 0
    swing = (contours - (contours @ share)[:, np.newaxis]) * active
    power = np.abs(np.fft.rfft(swing, size, axis=1)) ** 2
    octaves = _octaves(size, frame_s) @ power.T
    octaves /= max(1, int(np.count_nonzero(active)))
    return np.asarray(np.log(octaves + _LEAST_POWER), np.float32).ravel()


def run_lengths(flags: Frames) -> npt.NDArray[np.intp]:
    """Lengths of the runs of true values, in order."""
    padded = np.zeros(len(flags) + 2, np.bool_)
    padded[1:-1] = flags
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return edges[1::2] - edges[0::2]


def _deviation(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def percentiles(ordered: FloatArray, shares: tuple[float, ...], out: FloatArray) -> None:
    """Linear-interpolated percentiles of rows (n, frames) that are sorted, into (len(shares), n)."""
    places, weights = _places(ordered.shape[1], shares)
    around = ordered.take(places, axis=1)
    around *= weights
    np.add(around[:, 0::2], around[:, 1::2], out=out.T)


@lru_cache(maxsize=512)
def _places(count: int, shares: tuple[float, ...]) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """For each percentile of ``count`` sorted values, the two positions around it and their weights."""
    places, weights = [], []
    for share in shares:
        position = share * (count - 1)
        below = int(position)
        places += [below, min(below + 1, count - 1)]
        weights += [1 - (position - below), position - below]
    return np.array(places, np.intp), np.array(weights, np.float32)


@lru_cache(maxsize=16)
def _octaves(size: int, frame_s: float) -> FloatArray:
    """Mean over the DFT's bins of each of ``SWINGS_HZ``, (5, bins); zeros beyond half the frame rate."""
    hz = np.fft.rfftfreq(size, frame_s)
    inside = np.array([(hz >= low) & (hz < high) for low, high in SWINGS_HZ], np.float32)
    return np.asarray(inside / np.maximum(inside.sum(axis=1, keepdims=True), 1), np.float32)
