"""From trained networks and their scores to the bundle that ships."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from realtime_ser.card import Card
from train import ensemble
from train.card import facts
from train.corpora import LABELS
from train.folds import scored, train
from train.manifest import Row
from train.settings import TrainSettings


def ship(options: argparse.Namespace, settings: TrainSettings, root: Path, rows: Sequence[Row]) -> Card:
    """Train on all speakers, or load what has been trained, and write the bundle with its card."""
    folds = scored(options, options.protocol)
    if not folds:
        scoring = f"python -m train evaluate --system {options.system} --protocol {options.protocol}"
        print(f"train: without `{scoring}` before it the bundle is not calibrated and has no scores", file=sys.stderr)
    data = ensemble.load_data(root, rows, settings, options.system, options.cache)
    trained = train(options, settings, data, rows, "all")
    used = [row for row in rows if row.emotion in LABELS]
    about = facts(
        options.system,
        settings,
        used,
        folds.get("scores"),
        scored(options, "cross").get("scores"),
        sum(_seconds(history) for history in ensemble.histories(data, options.runs, "all")),
        _command(options),
    )
    return trained.export(
        options.weights / f"{options.system}.onnx",
        name=options.system,
        temperature=folds.get("temperature", 1.0),
        labels=[label for label in LABELS if any(row.emotion == label for row in used)],
        facts=about,
    )


def _command(options: argparse.Namespace) -> str:
    """What does it again, as a shell takes it."""
    command = f"python -m train export --system {options.system}"
    if options.config:
        command += f" --config {shlex.quote(Path(options.config).name)}"
    if options.protocol != "emobox":
        command += f" --protocol {options.protocol}"
    return command + "".join(f" --set {shlex.quote(change)}" for change in options.set)


def _seconds(history: Path) -> float:
    return float(sum(entry["seconds"] for entry in json.loads(history.read_text(encoding="utf-8"))))
