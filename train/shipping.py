"""From trained networks and their scores to the bundle that ships."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from realtime_ser.model.card import Card
from train import ensemble
from train.card import facts
from train.corpora import LABELS
from train.folds import scored, train
from train.manifest import Row
from train.repeat import command
from train.settings import TrainSettings


def ship(options: argparse.Namespace, settings: TrainSettings, root: Path, rows: Sequence[Row]) -> Card:
    """Train on all speakers, or load what has been trained, and write the bundle with its card."""
    folds = scored(options, settings, options.protocol)
    if not folds:
        scoring = command(options, f"evaluate --system {options.system} --protocol {options.protocol}")
        print(f"train: without `{scoring}` before it the bundle is not calibrated and has no scores", file=sys.stderr)
    data = ensemble.load_data(root, rows, settings, options.system, options.cache)
    trained = train(options, settings, data, rows, "all")
    protocol = f" --protocol {options.protocol}" if options.protocol != "emobox" else ""
    about = facts(
        options.system,
        settings,
        rows,
        folds.get("scores"),
        scored(options, settings, "cross").get("scores"),
        sum(_seconds(history) for history in ensemble.histories(data, options.runs, "all")),
        command(options, f"export --system {options.system}{protocol}"),
    )
    return trained.export(
        options.weights / f"{options.system}.onnx",
        name=options.system,
        temperature=folds.get("temperature", 1.0),
        labels=[label for label in LABELS if any(row.emotion == label for row in rows)],
        facts=about,
    )


def _seconds(history: Path) -> float:
    return float(sum(entry["seconds"] for entry in json.loads(history.read_text(encoding="utf-8"))))
