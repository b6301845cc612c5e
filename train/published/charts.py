"""Learning curves, confusion matrices and the overview, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from train.figures import plain, save

TRAIN, RANDOM, SPEAKER, PUBLISHED = "#8a8f98", "#c2571a", "#1f5fa8", "#2b2b2b"
TITLES = {"random": "as its authors: random split", "speaker": "unseen speakers"}


def curves(pair: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Accuracy against epochs under both protocols (first fold); rows without a history are left out."""
    pair = [row for row in pair if row["history"]]
    if not pair:
        return
    figure, axes = plt.subplots(1, len(pair), figsize=(4.6 * len(pair), 3.2), sharey=True, squeeze=False, layout="constrained")
    for axis, row in zip(axes[0], pair, strict=True):
        epochs = [entry["epoch"] for entry in row["history"]]
        axis.plot(epochs, [entry["train"] for entry in row["history"]], color=TRAIN, label="training clips")
        colour = RANDOM if row["protocol"] == "random" else SPEAKER
        axis.plot(epochs, [entry.get("test", np.nan) for entry in row["history"]], color=colour, label="test clips")
        chance = 100 / len(row["labels"])
        axis.axhline(chance, color="#cccccc", lw=1, ls=":")
        axis.annotate("chance", (epochs[0], chance), (2, 2), textcoords="offset points", color="#888888", fontsize=8)
        published = row["published"].get("test") or row["published"].get("validation")
        if published and row["protocol"] == "random":
            axis.axhline(published, color=PUBLISHED, lw=1, ls="--", label=f"published, {published:g} %")
        axis.set(title=TITLES[row["protocol"]], xlabel="epoch", ylim=(0, 102))
        axis.legend(loc="lower right", fontsize=8, frameon=False)
        plain(axis, "x")
    axes[0][0].set_ylabel("accuracy in %")
    figure.suptitle(f"{pair[0]['system']}: {pair[0]['data']}, {pair[0]['variant']}", fontsize=11)
    save(figure, path)


def confusions(pair: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Shares of each true label's clips, under both protocols, all folds together."""
    figure, axes = plt.subplots(1, len(pair), figsize=(4.8 * len(pair), 4.4), squeeze=False, layout="constrained")
    for axis, row in zip(axes[0], pair, strict=True):
        table = np.array(row["confusion"], float)
        share = 100 * table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=100)
        for i, j in np.ndindex(*share.shape):
            if share[i, j] >= 0.5:
                axis.text(
                    j, i, f"{share[i, j]:.0f}", ha="center", va="center", fontsize=8, color="w" if share[i, j] > 55 else "k"
                )
        axis.set_xticks(range(len(row["labels"])), row["labels"], rotation=45, ha="right", fontsize=8)
        axis.set_yticks(range(len(row["labels"])), row["labels"], fontsize=8)
        axis.set_title(
            f"{TITLES.get(row['protocol'], TITLES['speaker'])}\n{row['test']:.0f} % right, {row['uar']:.0f} % UAR", fontsize=9
        )
        axis.set_xlabel("answer")
    axes[0][0].set_ylabel("true label (rows sum to 100 %)")
    figure.suptitle(f"{pair[0]['system']}: {pair[0]['data']}, {pair[0]['variant']}", fontsize=11)
    save(figure, path)


def overview(pairs: Sequence[tuple[str, Mapping[str, Mapping[str, Any]]]], path: Path) -> None:
    """For each system: published, ours under its authors' protocol, ours on unseen speakers."""
    figure, axis = plt.subplots(figsize=(8.6, 1.2 + 0.5 * len(pairs)), layout="constrained")
    for place, (_, rows) in enumerate(pairs):
        random, speaker = rows.get("random"), rows.get("speaker")
        if random and speaker:
            axis.plot(
                [speaker["test"], random["test"]], [place, place], color="#d9d9d9", lw=5, zorder=1, solid_capstyle="round"
            )
        for row, colour in ((random, RANDOM), (speaker, SPEAKER)):
            if row and row["test"] is not None:
                axis.scatter(row["test"], place, s=90, color=colour, zorder=3)
                where = (row["test"], place)
                axis.annotate(f"{row['test']:.0f}", where, (0, 8), textcoords="offset points", ha="center", fontsize=8)
        published = (random or {}).get("published", {})
        value = published.get("test") or published.get("validation")
        if value:
            axis.scatter(value, place, marker="|", s=330, color=PUBLISHED, lw=2, zorder=4)
    axis.set_yticks(range(len(pairs)), [name for name, _ in pairs], fontsize=9)
    axis.set(xlim=(0, 100), ylim=(len(pairs) - 0.4, -0.8), xlabel="accuracy on test clips in %")
    handles = [
        plt.Line2D([], [], marker="o", ls="", ms=8, color=RANDOM, label=TITLES["random"]),
        plt.Line2D([], [], marker="o", ls="", ms=8, color=SPEAKER, label=TITLES["speaker"]),
        plt.Line2D([], [], marker="|", ls="", ms=12, mew=2, color=PUBLISHED, label="published (more corpora, random split)"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    plain(axis, "x")
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    save(figure, path)
