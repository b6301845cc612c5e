"""``evaluate --sounds``: how many windows of real sounds, in which nobody speaks, get an emotion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import Block
from train.data.corpora.sounds import WITH_VOICES
from train.data.features import read_clip
from train.data.manifest import Row


def sounds(classifier: Classifier, root: Path, rows: Sequence[Row], config: Config) -> Mapping[str, Any]:
    """By kind of sound: windows, and percent of them with an emotion, by the gate alone and with the model's nobody."""
    engines = {
        "gate": Engine(classifier, replace(config, gate=replace(config.gate, model=False))),
        "both": Engine(classifier, config),
    }
    count: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in tqdm(rows, "sounds", leave=False):
        samples = read_clip(root / row.path, 16000)
        for name, engine in engines.items():
            engine.reset()
            estimates = engine.push(Block(samples, 16000, 0)) + engine.flush()
            count[row.sentence][name] += sum(each.state == "speech" for each in estimates)
        count[row.sentence]["windows"] += len(estimates)
    kinds = {kind: _percent(parts) for kind, parts in sorted(count.items())}
    silent = [parts for kind, parts in count.items() if kind not in WITH_VOICES]
    voices = [parts for kind, parts in count.items() if kind in WITH_VOICES]
    return {"files": len(rows), "all": _percent(_sum(silent)), "with_voices": _percent(_sum(voices)), "by_kind": kinds}


def report(result: Mapping[str, Any]) -> str:
    """The table for people."""
    rows = {"all but those with voices": result["all"], "those with voices": result["with_voices"], **result["by_kind"]}
    lines = [f"{result['files']} files; percent of windows with an emotion"]
    lines += [
        f"{name}: {row['both']:g} % of {row['windows']} windows (gate alone {row['gate']:g})" for name, row in rows.items()
    ]
    return "\n".join(lines)


def _sum(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {key: sum(part.get(key, 0) for part in parts) for key in ("windows", "gate", "both")}


def _percent(parts: Mapping[str, int]) -> dict[str, float]:
    windows = parts.get("windows", 0)
    shares = {name: round(100 * parts.get(name, 0) / max(1, windows), 2) for name in ("gate", "both")}
    return {"windows": windows, **shares}
