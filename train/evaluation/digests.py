"""Which clips and which recipe scores are of: a card takes no scores of another training."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from train.data.manifest import Row
from train.networks.ensemble import parts_of
from train.networks.school import CNN, LARGE, School
from train.paths import Paths
from train.settings import SYSTEMS, TrainSettings

_OTHER = {"clips": "other clips", "recipe": "another recipe"}


def digests(
    paths: Paths, rows: Sequence[Row], settings: TrainSettings, system: str, voter: str | None = None
) -> dict[str, str]:
    """The ``digest`` of a scores file: "clips" and "recipe", each a short SHA-256.

    Parameters
    ----------
    rows : the clips in use; where ``large`` or its teaching takes part, readers and sounds that may train count too
    voter : another system, whose answer is part of the scores
    """
    systems = [system] if voter is None else [system, voter]
    drawn = any(name not in SYSTEMS or settings.recipe(name).taught is not None for name in systems)
    every = (*rows, *School(paths, tuple(rows), settings.large).beside) if drawn else rows
    clips = sorted([row.path, row.sha256, row.corpus, row.speaker, row.emotion] for row in every)
    recipe: dict[str, Any] = {name: _recipes(settings, name) for name in systems}
    recipe |= {"seed": settings.seed, "vote": None if voter is None else settings.vote}
    return {"clips": _short(clips), "recipe": _short(recipe)}


def _recipes(settings: TrainSettings, system: str) -> dict[str, Any]:
    """The recipes of a system, of its other parts and of its teacher, and its limit for "nobody"."""
    found: dict[str, Any] = {"nobody_from": settings.nobody_from.of(system)}
    if system in SYSTEMS:
        found |= {part: asdict(settings.recipe(part)) for part in parts_of(settings, system)}
    if system == CNN:
        found[CNN] = asdict(settings.cnn)
    if system not in SYSTEMS or settings.recipe(system).taught is not None:
        found[LARGE] = asdict(settings.large)
    return found


def _short(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def read_scores(file: Path, wanted: Mapping[str, str], *, older: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A scores file of these clips and this recipe; empty where there is none, or one of others, which one line says.

    Parameters
    ----------
    wanted : what ``digests`` returns
    older : what a file of earlier versions, which has no digest, must hold; such a file is taken, and one line says that
    """
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    known = found.get("digest")
    if not found:
        return {}
    if known is None:
        if any(found.get(key, value) != value for key, value in (older or {}).items()):
            _say(f"{file} is of another recipe or other corpora, so it counts as not scored")
            return {}
        _say(f"{file} has no digest of its clips and recipe; it is taken for a score of today's")
        return found
    other = [what for key, what in _OTHER.items() if known.get(key) != wanted[key]]
    if other:
        _say(f"{file} is of {' and '.join(other)}, so it counts as not scored")
        return {}
    return found


@lru_cache
def _say(line: str) -> None:
    """Once in a process: each fold reads the same scores."""
    print(f"train: {line}", file=sys.stderr)
