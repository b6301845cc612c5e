"""Measures every clip with the live front end: level, pitch, length, and how well its vector identifies the speaker."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime_ser.features.frames import FrameTransform
from realtime_ser.features.spec import FrontEndSpec
from train.data import cache as feature_cache
from train.data import features
from train.data.cache import Item
from train.data.manifest import Row

SPEC = FrontEndSpec("flatstats", n_fft=1024, hop_length=250)
VOICED = 0.6  # height of the autocorrelation's peak from which a frame counts as voiced
ACTIVE_DB = 35.0  # frames this far below the clip's loudest are silence
LEAST_VOICED = 5  # frames; with fewer a clip has no pitch

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measures:
    """Arrays (clips,), in the order of the rows.

    Attributes
    ----------
    level_db : RMS of the clip's active frames, dBFS
    peak_db : RMS of its loudest frame, dBFS
    pitch_hz : median fundamental of its voiced frames; NaN where too few are
    duration_s : length
    """

    level_db: Values
    peak_db: Values
    pitch_hz: Values
    duration_s: Values


def measure(root: Path, rows: Sequence[Row], cache: Path, *, progress: bool = True) -> Measures:
    """Measure every clip, or take it from the cache."""
    x = feature_cache.per_clip("measures", root, rows, SPEC, cache, clip_measures, progress=progress)["X"].astype(np.float64)
    return Measures(x[0], x[1], x[2], np.array([row.duration_s for row in rows]))


@functools.lru_cache(maxsize=1)
def _transform() -> FrameTransform:
    return FrameTransform(SPEC)


def clip_measures(item: Item) -> dict[str, Any]:
    """For ``data.cache.per_clip``: level, peak and pitch as a column."""
    samples = features.read_clip(item.path, SPEC.sample_rate)
    transform = _transform()
    count = 1 + (len(samples) - SPEC.n_fft) // SPEC.hop_length
    strided = np.lib.stride_tricks.sliding_window_view(samples, SPEC.n_fft)[:: SPEC.hop_length][:count]
    out = np.empty((transform.n_columns, count), np.float32)
    transform(strided, out)
    level, voicing, pitch = (out[transform.columns[name]][0] for name in ("level", "voicing", "pitch"))
    active = level > level.max() - ACTIVE_DB
    voiced = active & (voicing > VOICED)
    mean = 10 * np.log10(np.mean(10 ** (level[active] / 10)))
    median = 2.0 ** np.median(pitch[voiced]) if voiced.sum() >= LEAST_VOICED else np.nan
    return {"X": np.array([[mean], [level.max()], [median]], np.float32)}


def differences(rows: Sequence[Row], values: Values, one: str, other: str) -> Values:
    """For each speaker with both: median of ``values`` in one emotion less that in the other."""
    found = []
    for speaker in sorted({row.speaker for row in rows}):
        pair = []
        for emotion in (one, other):
            own = [v for row, v in zip(rows, values, strict=True) if row.speaker == speaker and row.emotion == emotion]
            pair.append(np.nanmedian(own) if own else np.nan)
        found.append(pair[0] - pair[1])
    result = np.array(found)
    return result[~np.isnan(result)]


def standardised(vectors: npt.NDArray[np.float32]) -> Values:
    """The flattened vector with its mel powers in dB, each value with mean 0 and deviation 1."""
    x = vectors.astype(np.float64)
    x[:, 140:] = 10 * np.log10(np.maximum(x[:, 140:], 1e-10))
    x -= x.mean(axis=0)
    deviation = x.std(axis=0)
    return np.asarray(x / np.where(deviation > 1e-9, deviation, 1.0))


def plane(x: Values) -> tuple[Values, tuple[float, float]]:
    """The first two principal components (n, 2), and the shares of the variance they hold."""
    _, singular, directions = np.linalg.svd(x, full_matrices=False)
    # The sign of a component is arbitrary; make the largest entry positive, so that pictures are reproducible.
    directions = directions[:2]
    directions *= np.sign(directions[np.arange(2), np.abs(directions).argmax(axis=1)])[:, None]
    share = singular**2 / np.sum(singular**2)
    return x @ directions.T, (float(share[0]), float(share[1]))


def explained(groups: Sequence[str], x: Values) -> float:
    """Share of the variance of ``x`` (clips, D) explained by the groups' means, 0 to 1."""
    names = np.array(groups)
    centre = x.mean(axis=0)
    between = sum(np.sum(names == name) * np.sum((x[names == name].mean(axis=0) - centre) ** 2) for name in sorted(set(groups)))
    return float(between / np.sum((x - centre) ** 2))


@dataclass(frozen=True)
class Neighbours:
    """How often a clip's nearest other clip in the flattened vector has its emotion, or its speaker, in percent.

    ``anyone``: among all clips, as in a random split; ``strangers``: among other speakers' only; ``speaker``: is its speaker's;
    ``speaker_chance``: would be, by chance.
    """

    anyone: float
    strangers: float
    speaker: float
    speaker_chance: float


def neighbours(rows: Sequence[Row], x: Values) -> Neighbours:
    """See ``Neighbours``; ``x`` (clips, D) standardised."""
    emotion, speaker = np.array([row.emotion for row in rows]), np.array([row.speaker for row in rows])
    squares = (x**2).sum(axis=1)
    distance = squares[:, None] + squares[None] - 2 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(axis=1)
    same = speaker[:, None] == speaker[None]
    stranger = np.where(same, np.inf, distance).argmin(axis=1)
    return Neighbours(
        100 * float(np.mean(emotion[nearest] == emotion)),
        100 * float(np.mean(emotion[stranger] == emotion)),
        100 * float(np.mean(speaker[nearest] == speaker)),
        100 * float((same.sum() - len(rows)) / (len(rows) * (len(rows) - 1))),
    )
