"""What a bundle's card says beside its graph: what it is, what it learned from, how good it is, where it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from train.manifest import Row
from train.settings import TrainSettings

_DESCRIPTIONS = {
    "mlp": "perceptrons on window statistics of log-mel, MFCC, level, spectral shape, pitch and rhythm",
    "cnn": "two networks of residual 2-D convolutions on log-mel with attentive pooling over time, averaged with the mlp's",
}
_FAILURES = [
    "trained on actors (English, German, Polish); spontaneous speech and other languages are guesses",
    "in a stream's first half minute it hardly knows voice and microphone: scores are then those of single clips, lower",
    "a voice that shows one emotion for minutes becomes in part the normal that the model compares with",
    "calm and neutral, sad and neutral, happy and fearful are taken for one another",
    "in a bare room, in loud noise and with other people talking behind the voice it is right much less often"
    " (docs/results/stream)",
    "no use for decisions about people: it hears how a voice sounds, not what a person feels",
]


def commit() -> str | None:
    """The source tree's commit, shortened; None outside a repository."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def facts(
    system: str,
    settings: TrainSettings,
    rows: Sequence[Row],
    scores: Mapping[str, Any] | None,
    strangers: Mapping[str, Any] | None,
    seconds: float,
) -> dict[str, Any]:
    """The card's readable part.

    Parameters
    ----------
    scores, strangers : what ``evaluate`` wrote for the folds of RAVDESS and for leave-one-corpus-out, or None before it ran
    """
    recipe = settings.recipe(system)
    headline = "not yet scored"
    if scores:
        headline = f"{scores['uar_mean']:.1f} % UAR, 8 emotions, unseen actors"
    if scores and strangers:
        # What a stranger may expect comes first; short enough for a line of the dashboard.
        four = strangers["four_stream"]["mean"]
        headline = f"unseen corpora, 4 emotions: {four:.1f} % UAR; unseen actors, 8: {scores['uar_mean']:.1f} %"
    return {
        "description": _DESCRIPTIONS[system],
        "headline": headline,
        "licence": "CC BY-NC-SA 4.0",
        "training": {
            "corpora": sorted({row.corpus for row in rows}),
            "clips": len(rows),
            "speakers": len({row.speaker for row in rows}),
            "seed": settings.seed,
            "epochs": recipe.epochs,
            "seconds": round(seconds),
            "command": f"python -m train export --system {system}",
            "commit": commit(),
            "recipe": {key: value for key, value in asdict(recipe).items() if key != "front_end"},
        },
        "scores": dict(scores or {}),
        "strangers": dict(strangers or {}),
        "known_failures": _FAILURES,
    }
