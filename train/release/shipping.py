"""From trained networks and their scores to the bundle that ships."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from realtime_ser.model.card import Card
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.evaluation.folds import Job, scored
from train.networks import ensemble
from train.networks.card import facts
from train.networks.school import School
from train.paths import Paths
from train.release.measured import take_measured
from train.settings import Setup, TrainSettings


def ship(paths: Paths, setup: Setup, rows: Sequence[Row], job: Job) -> Card:
    """Train on all speakers, or load the finished training, and write the bundle with its card into ``weights``.

    The card gets the scores of ``job.protocol``. Its temperature is that of leave-one-corpus-out where that was scored, because
    users are strangers to the network: on unseen actors of a corpus that it knows it is surer than on them.
    """
    settings, system = setup.train, job.system
    folds, cross = (scored(paths, settings, rows, each) for each in (job, replace(job, protocol="cross")))
    if not folds and not cross:
        scoring = setup.command(f"evaluate --system {system} --protocol {job.protocol}")
        print(f"train: without `{scoring}` before it the bundle is not calibrated and has no scores", file=sys.stderr)
    data = ensemble.load_data(paths, rows, settings, system)
    trained = ensemble.train(data, rows, settings, system, paths.runs, "all", threads=job.threads)
    protocol = f" --protocol {job.protocol}" if job.protocol != "emobox" else ""
    about = facts(
        system,
        settings,
        (*rows, *data.beside) if isinstance(data, School) else rows,
        _of_folds(folds, rows, settings, system),
        cross.get("scores"),
        sum(_seconds(history) for history in ensemble.histories(data, settings, system, paths.runs, "all")),
        setup.command(f"export --system {system}{protocol}"),
    )
    path = paths.weights / f"{system}.onnx"
    trained.export(
        path,
        name=system,
        temperature=(cross or folds).get("temperature", 1.0),
        labels=[label for label in LABELS if any(row.emotion == label for row in rows)],
        facts=about,
    )
    return take_measured(path.with_suffix(".json"), paths.runs)


def _of_folds(folds: Mapping[str, Any], rows: Sequence[Row], settings: TrainSettings, system: str) -> dict[str, Any] | None:
    """The folds' scores; with what their networks lacked, where the one that ships learned from more corpora."""
    scores: dict[str, Any] | None = folds.get("scores")
    others = sorted({row.corpus for row in rows} - set(settings.within))
    if scores is None or not others or settings.recipe(system).taught is not None:
        return scores
    return {**scores, "without": others}


def _seconds(history: Path) -> float:
    return float(sum(entry["seconds"] for entry in json.loads(history.read_text(encoding="utf-8"))))
