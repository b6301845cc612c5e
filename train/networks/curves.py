"""A training run's curves: its loss, and the UAR of held-out speakers, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from train.figures import plain, save

LOSS, HELD_OUT = "#8a8f98", "#1f5fa8"


def draw(history: Sequence[Mapping[str, float]], path: Path, title: str) -> None:
    """Write the curves of a run's ``history.json``; the right one only where speakers were held out."""
    watched = [entry for entry in history if "dev_uar" in entry]
    figure, axes = plt.subplots(
        1, 1 + bool(watched), figsize=(4.6 * (1 + bool(watched)), 3.2), squeeze=False, layout="constrained"
    )
    axes[0][0].plot([entry["epoch"] for entry in history], [entry["loss"] for entry in history], color=LOSS)
    # With mixed and smoothed targets the loss stays far above zero.
    axes[0][0].set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    if watched:
        last = watched[-1]
        axes[0][1].plot(
            [entry["epoch"] for entry in watched], [entry["dev_uar"] for entry in watched], color=HELD_OUT, marker="o", ms=4
        )
        axes[0][1].annotate(
            f"{last['dev_uar']:.1f}", (last["epoch"], last["dev_uar"]), (0, 8), textcoords="offset points", ha="center"
        )
        axes[0][1].set(xlabel="epoch", ylabel="UAR of held-out speakers in %", ylim=(0, 100))
    for axis in axes[0]:
        plain(axis, "both")
    figure.suptitle(title, fontsize=11)
    save(figure, path)
