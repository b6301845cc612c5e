"""What ``evaluate --bars`` measures on streams: points lost by condition, and conversations, on people never met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.evaluation import scores as scoring
from train.evaluation.streaming.conditions import Condition, conditions
from train.evaluation.streaming.conversation import conversation, steady
from train.evaluation.streaming.report import by_speaker, seed_of
from train.evaluation.streaming.robustness import DRAWS, Fold, point, streamed, subset
from train.evaluation.streaming.scores import Tally, listen, shown

# The conditions that have a bar: (group, name) as in ``conditions``.
BARRED = (
    ("low", "DC 0.1"),
    ("low", "hum of 50 Hz, 0.1"),
    ("low", "rumble, 20 dB over the voice"),
    ("white noise", "10 dB"),
    ("pink noise", "10 dB"),
    ("babble", "10 dB"),
    ("bandwidth", "telephone, 300 to 3,400 Hz"),
    ("room", "RT60 0.4 s"),
)
_FEWEST_CLIPS = 6  # of a speaker, for a conversation


def barred(root: Path, rows: Sequence[Row]) -> list[Condition]:
    """The conditions of ``BARRED``; ``rows`` are the clips for babble."""
    return [each for each in conditions(root, rows) if (each.group, each.name) in BARRED]


def spoilt(
    folds: Sequence[Fold], root: Path, config: Config, labels: Sequence[str], *, clips: int, seed: int
) -> dict[str, Any]:
    """Points of UAR that each condition costs the same clips, each a stream of its own.

    Parameters
    ----------
    folds : bundles, each with clips of speakers outside its training data; their other speakers make the babble
    labels : that count
    clips : of each fold; 0: all
    """
    rows = [row for fold in folds for row in fold.rows]
    some = [
        Fold(fold.name, fold.classifier, subset([row for row in fold.rows if row.emotion in labels], clips, seed=seed))
        for fold in folds
    ]
    clean = scoring.among(streamed(some, root, config), labels)
    points = []
    for condition in tqdm(barred(root, rows), "conditions", leave=False):
        worse = scoring.among(streamed(some, root, config, condition.apply), labels)
        found = asdict(point(condition.group, condition.name, condition.value, clean, worse))
        points.append({key: round(value, 2) if isinstance(value, float) else value for key, value in found.items()})
    return {
        "corpus": rows[0].corpus,
        "clips": len(clean.rows),
        "speakers": len({row.speaker for row in clean.rows}),
        "labels": list(labels),
        "clean": round(scoring.uar(clean), 1),
        "clean_ci95": scoring.interval(clean),
        "points": points,
    }


def talk(folds: Sequence[Fold], root: Path, config: Config, *, clips: int, seed: int) -> dict[str, Any]:
    """Conversations and steady speech of the folds' speakers.

    Parameters
    ----------
    clips : speakers are added until they have this many; 0: all speakers with six clips of two emotions
    """
    both, same = Tally(), Tally()
    each: list[Tally] = []
    names: list[str] = []
    corpora: set[str] = set()
    for fold in folds:
        engine, taken = Engine(fold.classifier, config), 0
        rate = engine.sample_rate
        for name, own in tqdm(list(by_speaker(fold.rows)), "conversations", leave=False):
            if len(own) < _FEWEST_CLIPS or len({row.emotion for row in own}) < 2 or (clips and taken >= clips):
                continue
            taken += len(own)
            names.append(name)
            corpora |= {row.corpus for row in own}
            scene = conversation(root, own, rate, seed=seed_of(name, seed))
            alone, displayed = Tally(), shown(listen(engine, scene.samples, scene.rate))
            for tally in (both, alone):
                tally.add(scene, displayed)
            each.append(alone)
            for scene in steady(root, own, rate, seed=seed_of(name, seed)):
                same.add(scene, shown(listen(engine, scene.samples, scene.rate)))
    if not names:
        return {}
    figures = both.as_dict()
    return {
        "corpus": ", ".join(sorted(corpora)),
        "speakers": len(names),
        "minutes": figures["minutes"],
        "right": figures["segment_uar"],
        "right_ci95": _interval(each),
        "unsure": figures["unsure_share"],
        "undetected": figures["undetected_share"],
        "onset_to_label_s": figures["onset_to_label_s"],
        "never_labelled": figures["never_labelled_share"],
        "steady_minutes": round(same.minutes, 1),
        "changes_per_minute": round(same.flips_per_minute, 2),
    }


def lost(measured: Mapping[str, Any], group: str, name: str) -> Mapping[str, Any] | None:
    """The point of a condition among what ``spoilt`` returned; None: not measured."""
    found: list[Mapping[str, Any]] = [
        each for each in measured.get("points", ()) if (each["group"], each["name"]) == (group, name)
    ]
    return found[0] if found else None


def _interval(tallies: Sequence[Tally]) -> list[float]:
    """95 % interval of the right share of the time, percent, by the bootstrap over speakers."""
    total, right = (np.zeros((len(tallies), len(LABELS))) for _ in range(2))
    for i, tally in enumerate(tallies):
        for emotion, seconds in tally.seconds.items():
            row = defaultdict(float, seconds)
            total[i, LABELS.index(emotion)] = sum(row.values())
            right[i, LABELS.index(emotion)] = row[emotion]
    drawn = np.random.default_rng(0).integers(len(tallies), size=(DRAWS, len(tallies)))
    total, right = total[drawn].sum(axis=1), right[drawn].sum(axis=1)
    with np.errstate(invalid="ignore"):
        values = np.nanmean(np.where(total > 0, right / total, np.nan), axis=1)
    return [round(100 * float(edge), 1) for edge in np.percentile(values, (2.5, 97.5))]
