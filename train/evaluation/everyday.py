"""``evaluate --everyday``: labels of plain voices. Readers without acted emotion, each clip a stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.label_shift import PLAIN
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import Estimate
from train.data.features import read_clip
from train.data.manifest import Row
from train.evaluation.streaming.scores import NO_SPEECH, UNSURE, Shown, emotions_shown, smoothed_again

_UNLABELLED = (UNSURE, NO_SPEECH)
SHARES = (None, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of neutral, for a table


@dataclass
class Tally:
    """Seconds on the screen under each label, and how often one that is neither neutral nor calm appeared."""

    seconds: dict[str, float]
    alarms: int = 0

    def add(self, displayed: Sequence[Shown]) -> None:
        """What one stream showed."""
        for each in displayed:
            self.seconds[each.label] += each.end_s - each.start_s
        plain = [replace(each, label=UNSURE) if each.label in PLAIN else each for each in displayed]
        self.alarms += emotions_shown(plain)

    def as_dict(self) -> dict[str, Any]:
        """Minutes with a label, percent of them by label, false alarms an hour of them."""
        labelled = {label: value for label, value in self.seconds.items() if label not in _UNLABELLED}
        total = max(sum(labelled.values()), 1e-9)
        share = {label: round(100 * value / total, 1) for label, value in sorted(labelled.items())}
        return {
            "minutes": round(total / 60, 2),
            "plain": round(100 * sum(labelled.get(label, 0.0) for label in PLAIN) / total, 1),
            "angry": share.get("angry", 0.0),
            "by_label": share,
            "unsure_minutes": round(self.seconds.get(UNSURE, 0.0) / 60, 2),
            "false_alarms_per_hour": round(self.alarms / total * 3600, 1),
        }


def estimates_of(classifier: Classifier, root: Path, rows: Sequence[Row], config: Config) -> list[list[Estimate]]:
    """The engine's estimates for each clip."""
    engine, found = Engine(classifier, config), []
    for row in tqdm(rows, "everyday", leave=False):
        engine.reset()
        found.append(engine.push(read_clip(root / row.path, engine.sample_rate)) + engine.flush())
    return found


def everyday(
    classifier: Classifier, root: Path, rows: Sequence[Row], config: Config, shares: Sequence[float | None] = ()
) -> Mapping[str, Any]:
    """The table at the configured share of neutral, and at others.

    Parameters
    ----------
    shares : of ``smoothing.neutral_share``
    """
    streams = estimates_of(classifier, root, rows, config)
    table = {}
    for share in dict.fromkeys((config.smoothing.neutral_share, *shares)):
        smoothing = replace(config.smoothing, neutral_share=share)
        tally = Tally(defaultdict(float))
        for estimates in streams:
            tally.add(smoothed_again(estimates, smoothing))
        table["none" if share is None else f"{share:g}"] = tally.as_dict()
    return {"clips": len(rows), "speakers": len({row.speaker for row in rows}), "by_share": table}


def report(result: Mapping[str, Any]) -> str:
    """The table for people."""
    lines = [f"{result['clips']} clips of {result['speakers']} readers, each a stream of its own; percent of the labelled time"]
    for share, row in result["by_share"].items():
        labels = ", ".join(f"{label} {value:g}" for label, value in row["by_label"].items())
        lines.append(
            f"neutral_share {share}: {row['minutes']:g} min, neutral or calm {row['plain']:g} %, angry {row['angry']:g} %,"
            f" {row['false_alarms_per_hour']:g} false alarms an hour; {labels}"
        )
    return "\n".join(lines)
