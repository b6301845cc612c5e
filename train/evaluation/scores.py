"""Scores, through the engine: every clip is played as a stream, and its windows answer together, as in ``classify``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from realtime_ser.batch.answer import joint_answer
from realtime_ser.batch.answer import speech_s as seconds_of_speech
from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import Block, FloatArray
from train.data.corpora import LABELS
from train.data.features import read_clip
from train.data.manifest import Row

FOUR = ("neutral", "happy", "sad", "angry")  # labels of every corpus
Change = Callable[[FloatArray, int, Row], tuple[FloatArray, int]]

BINS = 10  # of confidence, for the calibration error


@dataclass(frozen=True)
class Clips:
    """The engine's results for clips.

    Attributes
    ----------
    rows : the clips
    windows : for each clip float32 (windows with speech, labels), probabilities; no row where the gate found no speech
    speech_s : for each clip float32 (windows with speech,), seconds of speech in each window, by the gate
    probs : float32 (clips, labels), each clip's windows' ``joint_answer``; zeros where there is none
    target : index of each clip's true label
    guess : index of the most probable label; -1, which counts as wrong, where no window held speech
    """

    rows: tuple[Row, ...]
    windows: tuple[FloatArray, ...]
    speech_s: tuple[FloatArray, ...]

    @cached_property
    def probs(self) -> FloatArray:
        return np.stack([joint_answer(*parts) for parts in zip(self.windows, self.speech_s, strict=True)])

    @cached_property
    def target(self) -> npt.NDArray[np.int64]:
        return np.array([LABELS.index(row.emotion) for row in self.rows])

    @cached_property
    def guess(self) -> npt.NDArray[np.int64]:
        return np.where(self.probs.sum(1) > 0, self.probs.argmax(1), -1)


def stream_clips(
    classifier: Classifier,
    root: Path,
    rows: Sequence[Row],
    *,
    by_speaker: bool = False,
    seed: int = 0,
    config: Config | None = None,
    change: Change | None = None,
    progress: bool = True,
) -> Clips:
    """Play clips through the engine.

    Parameters
    ----------
    by_speaker : a speaker's clips are one stream, in random order, with a break between clips that no window spans: the running
        normalisation keeps its adaptation to the voice. Otherwise every clip is a separate stream
    seed : of that order
    config : of the engine; None: the defaults
    change : degradation of the audio: (float32 (n,), rate in Hz, row) -> (float32 (m,), rate in Hz); another rate only for
        clips that are streams of their own
    """
    engine = Engine(classifier, config)
    order = speakers_in_turn(rows, seed) if by_speaker else list(range(len(rows)))
    windows: dict[int, FloatArray] = {}
    speech_s: dict[int, FloatArray] = {}
    # A bundle may have fewer labels, and in another order.
    place = [LABELS.index(label) for label in classifier.card.labels]
    voice = None
    for i in tqdm(order, "streaming", disable=not progress, leave=False):
        if not by_speaker or rows[i].speaker != voice:
            engine.reset()
        voice = rows[i].speaker
        audio: Block | FloatArray = read_clip(root / rows[i].path, engine.sample_rate)
        if change is not None:
            changed, rate = change(audio, engine.sample_rate, rows[i])
            audio = changed if rate == engine.sample_rate else Block(changed, rate, 0)
        estimates = engine.push(audio) + engine.flush()
        spoken = [estimate for estimate in estimates if estimate.probs]
        windows[i] = np.zeros((len(spoken), len(LABELS)), np.float32)
        if spoken:
            windows[i][:, place] = [estimate.probs for estimate in spoken]
        speech_s[i] = np.array([seconds_of_speech(each) for each in spoken], np.float32)
    every = range(len(rows))
    return Clips(tuple(rows), tuple(windows[i] for i in every), tuple(speech_s[i] for i in every))


def speakers_in_turn(rows: Sequence[Row], seed: int = 0) -> list[int]:
    """Places of the clips, a speaker's together and in random order: as ``stream_clips`` plays them by speaker."""
    return sorted(np.random.default_rng(seed).permutation(len(rows)).tolist(), key=lambda i: rows[i].speaker)


def chosen(clips: Clips, places: Sequence[int]) -> Clips:
    """The clips at these places."""
    return Clips(*(tuple(column[i] for i in places) for column in (clips.rows, clips.windows, clips.speech_s)))


def among(clips: Clips, labels: Sequence[str]) -> Clips:
    """The clips of these labels, with the other labels' probabilities set to zero."""
    keep = [i for i, row in enumerate(clips.rows) if row.emotion in labels]
    open_ = np.array([label in labels for label in LABELS], np.float32)
    windows = [clips.windows[i] * open_ for i in keep]
    windows = [part / np.maximum(part.sum(axis=1, keepdims=True), 1e-9) for part in windows]
    return Clips(tuple(clips.rows[i] for i in keep), tuple(windows), tuple(clips.speech_s[i] for i in keep))


def join(parts: Sequence[Clips]) -> Clips:
    """The clips of several folds as one set."""
    return Clips(
        tuple(row for part in parts for row in part.rows),
        tuple(window for part in parts for window in part.windows),
        tuple(seconds for part in parts for seconds in part.speech_s),
    )


def recalls(clips: Clips) -> dict[str, float]:
    """Recall per label in percent, for the labels that occur."""
    target, guess = clips.target, clips.guess
    return {LABELS[i]: 100 * float(np.mean(guess[target == i] == i)) for i in np.unique(target)}


def uar(clips: Clips) -> float:
    """Unweighted average recall in percent: the mean of the labels' recalls."""
    return float(np.mean(list(recalls(clips).values())))


def accuracy(clips: Clips) -> float:
    """Share of clips that are right, in percent."""
    return 100 * float(np.mean(clips.guess == clips.target))


def calibration_error(clips: Clips) -> float:
    """Expected calibration error, 0 to 1, over ten bins of confidence (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    spoken = clips.probs.sum(1) > 0
    confidence, right = clips.probs[spoken].max(1), (clips.guess == clips.target)[spoken]
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(confidence[place == b].mean() - right[place == b].mean()) * np.mean(place == b) for b in np.unique(place)]
    return float(np.sum(gaps))


def confusion(clips: Clips) -> npt.NDArray[np.int64]:
    """Clips per true label (rows) and answer (columns; the last one: no speech found)."""
    table = np.zeros((len(LABELS), len(LABELS) + 1), np.int64)
    np.add.at(table, (clips.target, clips.guess), 1)
    return table


def tempered(clips: Clips, temperature: float) -> Clips:
    """The clips as the same network would have answered at another temperature."""
    windows = []
    for part in clips.windows:
        powered = np.maximum(part, 1e-8) ** np.float32(1 / temperature)
        windows.append(powered / powered.sum(axis=1, keepdims=True))
    return Clips(clips.rows, tuple(windows), clips.speech_s)


def best_temperature(clips: Clips) -> float:
    """The temperature that makes held-out probabilities most likely to be right (lowest negative log-likelihood).

    Clips and windows have equal weight: scores are of clips, but the display shows windows, which are less accurate.
    """
    spoken = np.flatnonzero(clips.probs.sum(1) > 0)
    target = clips.target[spoken]
    counts = [len(clips.windows[i]) for i in spoken]
    grid = np.geomspace(0.25, 4, 81)
    costs = []
    for temperature in grid:
        tried = tempered(clips, temperature)
        windows = np.concatenate([tried.windows[i] for i in spoken])
        costs.append(_surprise(tried.probs[spoken], target) + _surprise(windows, np.repeat(target, counts)))
    return float(grid[int(np.argmin(costs))])


def _surprise(probs: FloatArray, target: npt.NDArray[np.int64]) -> float:
    """Mean negative log-likelihood of the truth, in nats."""
    return -float(np.log(probs[np.arange(len(target)), target] + 1e-9).mean())


def scores(seeds: Sequence[Sequence[Clips]]) -> dict[str, Any]:
    """A card's scores of a protocol's folds, for each of several seeds; percent with one decimal."""
    every = join([fold for folds in seeds for fold in folds])
    each = np.mean([[uar(fold) for fold in folds] for folds in seeds], axis=0)
    by_seed = [float(np.mean([uar(fold) for fold in folds])) for folds in seeds]
    by = {
        "per_gender": ("gender", ("female", "male")),
        "per_intensity": ("intensity", ("normal", "strong")),
    }
    groups = {
        name: {value: round(uar(part), 1) for value in values if (part := _where(every, field, value)) is not None}
        for name, (field, values) in by.items()
    }
    return {
        "uar_mean": round(float(np.mean(each)), 1),
        "uar_std_folds": round(float(np.std(each)), 1),
        "uar_folds": [round(float(value), 1) for value in each],
        "uar_seeds": [round(value, 1) for value in by_seed],
        "uar_std_seeds": round(float(np.std(by_seed)), 1),
        "uar_ci95": interval(join(seeds[0])),
        "accuracy": round(accuracy(every), 1),
        "per_class_recall": {label: round(value, 1) for label, value in recalls(every).items()},
        "confusion": confusion(every).tolist(),
        **groups,
        "ece": round(calibration_error(every), 3),
        "clips": len(every.rows) // len(seeds),
        "clips_without_speech": int(np.sum(every.guess < 0)) // len(seeds),
    }


def cross_scores(folds: Sequence[tuple[str, Sequence[str], Clips, Clips]]) -> dict[str, Any]:
    """Leave-one-corpus-out; percent with one decimal.

    Parameters
    ----------
    folds : for each corpus left out: its name, the labels that the others have too, its clips each as a separate stream, and
        its speakers' clips as one stream each
    """
    table: dict[str, Any] = {"corpora": {}}
    for name, known, apart, joined in folds:
        shared = [label for label in known if any(row.emotion == label for row in apart.rows)]
        table["corpora"][name] = {
            "labels": shared,
            "speakers": len({row.speaker for row in apart.rows}),
            **{
                f"{what}_{how}": round(uar(among(clips, labels)), 1)
                for what, labels in (("four", FOUR), ("all", shared))
                for how, clips in (("stream", joined), ("clip", apart))
            },
            "recall_four_stream": {label: round(value, 1) for label, value in recalls(among(joined, FOUR)).items()},
            "four_stream_ci95": interval(among(joined, FOUR)),
        }
    for key in ("four_stream", "four_clip", "all_stream", "all_clip"):
        each = [part[key] for part in table["corpora"].values()]
        table[key] = {"mean": round(float(np.mean(each)), 1), "worst": min(each)}
    return table


def interval(clips: Clips, draws: int = 1000) -> list[float]:
    """95 % confidence interval of the UAR, percent, by the bootstrap over speakers, which differ more than clips do."""
    speakers = sorted({row.speaker for row in clips.rows})
    place = np.array([speakers.index(row.speaker) for row in clips.rows])
    total, right = (np.zeros((len(speakers), len(LABELS))) for _ in range(2))
    np.add.at(total, (place, clips.target), 1)
    np.add.at(right, (place, clips.target), clips.guess == clips.target)
    chosen = np.random.default_rng(0).integers(len(speakers), size=(draws, len(speakers)))
    total, right = total[chosen].sum(axis=1), right[chosen].sum(axis=1)
    with np.errstate(invalid="ignore"):
        values = np.nanmean(np.where(total > 0, right / total, np.nan), axis=1)
    return [round(100 * float(edge), 1) for edge in np.percentile(values, (2.5, 97.5))]


def _where(clips: Clips, field: str, value: str) -> Clips | None:
    keep = [i for i, row in enumerate(clips.rows) if getattr(row, field) == value]
    return chosen(clips, keep) if keep else None
