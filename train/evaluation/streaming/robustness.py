"""UAR of clips through the engine under degraded audio and shorter windows, compared with the clean clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from realtime_ser.config import Config
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import FloatArray
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.evaluation import scores
from train.evaluation.scores import Change, Clips
from train.evaluation.streaming.conditions import Condition
from train.evaluation.streaming.conversation import voiced_span

WINDOWS_S = (1.0, 1.5, 2.0, 2.5, 3.0)
RECEIVED_S = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
_BEFORE_S = 0.5  # of the clip before its voice, for short streams
DRAWS = 1000


@dataclass(frozen=True)
class Fold:
    """A model and the clips to score it on, normally of speakers outside its training data."""

    name: str
    classifier: Classifier
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Point:
    """A point of a curve; percent, drops in points of UAR.

    Attributes
    ----------
    group, name, value : see ``Condition``
    drop : difference to the same clips without the condition; ``low`` and ``high``: its 95 % interval over speakers
    undetected : share of clips in which the gate found no speech (they count as wrong)
    """

    group: str
    name: str
    value: float
    uar: float
    drop: float
    low: float
    high: float
    undetected: float


def subset(rows: Sequence[Row], count: int, *, seed: int = 0) -> tuple[Row, ...]:
    """``count`` clips, speakers and emotions in turn; all where there are no more or ``count`` is 0."""
    if not count or len(rows) <= count:
        return tuple(rows)
    rng = np.random.default_rng(seed)
    piles: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for place in rng.permutation(len(rows)):
        piles[rows[place].emotion, rows[place].speaker].append(rows[place])
    rounds = [
        pile[turn] for turn in range(max(map(len, piles.values()))) for _, pile in sorted(piles.items()) if turn < len(pile)
    ]
    kept = {row.path for row in rounds[:count]}
    return tuple(row for row in rows if row.path in kept)


def streamed(folds: Sequence[Fold], root: Path, config: Config, change: Change | None = None) -> Clips:
    """All folds' clips through the engine, each by its own fold's model."""
    play = partial(scores.stream_clips, config=config, change=change, progress=False)
    return scores.join([play(fold.classifier, root, fold.rows) for fold in folds])


def curves(folds: Sequence[Fold], root: Path, config: Config, chosen: Sequence[Condition], clean: Clips) -> list[Point]:
    """One point for each condition."""
    points = []
    for condition in tqdm(chosen, "conditions", leave=False):
        worse = streamed(folds, root, config, condition.apply)
        points.append(point(condition.group, condition.name, condition.value, clean, worse))
    return points


def windows(folds: Sequence[Fold], root: Path, config: Config, clean: Clips) -> list[Point]:
    """UAR with ``stream.window_s`` set to each length that the models take."""
    longest = min(fold.classifier.card.window_s for fold in folds)
    shortest = max(fold.classifier.card.min_window_s for fold in folds)
    points = []
    for seconds in tqdm([s for s in WINDOWS_S if shortest <= s <= longest], "windows", leave=False):
        short = replace(config, stream=replace(config.stream, window_s=seconds))
        points.append(point("window", f"{seconds:g} s", seconds, clean, streamed(folds, root, short)))
    return points


def first_seconds(folds: Sequence[Fold], root: Path, config: Config, clean: Clips) -> list[Point]:
    """UAR of one window alone: the last one of a stream with that many seconds of a voice, and half a second before it."""
    points = []
    for seconds in tqdm(RECEIVED_S, "first seconds", leave=False):
        short = streamed(folds, root, config, partial(_first, seconds=seconds))
        last = Clips(short.rows, tuple(part[-1:] for part in short.windows), tuple(part[-1:] for part in short.speech_s))
        points.append(point("received", f"{seconds:g} s", seconds, clean, last))
    return points


def point(group: str, name: str, value: float, clean: Clips, worse: Clips) -> Point:
    """Compare the same clips under a condition and without it."""
    low, high = interval(clean, worse)
    score = scores.uar(worse)
    undetected = 100 * float(np.mean(worse.guess < 0))
    return Point(group, name, value, score, scores.uar(clean) - score, low, high, undetected)


def interval(clean: Clips, worse: Clips, *, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the drop in UAR, by resampling speakers with replacement (bootstrap, Efron 1979)."""
    speakers = sorted({row.speaker for row in clean.rows})
    who = np.array([speakers.index(row.speaker) for row in clean.rows])
    times = np.random.default_rng(seed).multinomial(len(speakers), np.full(len(speakers), 1 / len(speakers)), draws)
    drops = _uar_of(times, who, clean) - _uar_of(times, who, worse)
    return float(np.nanpercentile(drops, 2.5)), float(np.nanpercentile(drops, 97.5))


def _uar_of(times: npt.NDArray[np.int64], who: npt.NDArray[np.int64], clips: Clips) -> npt.NDArray[np.float64]:
    """UAR of each draw; ``times`` (draws, speakers) is the number of times each speaker was drawn."""
    shape = (times.shape[1], len(LABELS))
    count, right = np.zeros(shape), np.zeros(shape)
    np.add.at(count, (who, clips.target), 1)
    np.add.at(right, (who, clips.target), clips.guess == clips.target)
    present = count.sum(0) > 0
    with np.errstate(invalid="ignore"):
        recall = (times @ right[:, present]) / (times @ count[:, present])
    return np.asarray(100 * np.nanmean(recall, axis=1))


def _first(samples: FloatArray, rate: int, row: Row, *, seconds: float) -> tuple[FloatArray, int]:  # noqa: ARG001
    onset, _ = voiced_span(samples, rate)
    before = round(_BEFORE_S * rate)
    lead = np.zeros(max(0, before - onset), np.float32)
    return np.concatenate((lead, samples[max(0, onset - before) : onset + round(seconds * rate)])), rate
