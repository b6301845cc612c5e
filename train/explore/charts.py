"""Charts of aggregates: counts, level, duration, pitch, and the distribution of voices and emotions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from train.data.manifest import Row
from train.explore.measures import Neighbours, Values
from train.figures import plain, save

COLOURS = {
    "angry": "#c8352b", "calm": "#5fa8a0", "disgust": "#7a8b2c", "fearful": "#7b4fa3", "happy": "#e5a11a", "neutral": "#7d7d7d",
    "sad": "#2f6db3", "surprised": "#e0749b", "bored": "#8c6d4f",
}  # fmt: skip
FEMALE, MALE = "#b3477d", "#2c7a8c"
ORDER = tuple(COLOURS)
NAMES = {
    "ravdess_speech": "RAVDESS speech", "ravdess_song": "RAVDESS song", "crema_d": "CREMA-D", "savee": "SAVEE", "tess": "TESS",
    "emodb": "EmoDB", "nemo": "nEMO", "jl": "JL-Corpus",
}  # fmt: skip


def colour(emotion: str) -> str:
    """Colour of an emotion; labels that no model has are dark grey."""
    return COLOURS.get(emotion, "#444444")


def named(corpus: str) -> str:
    """Display name of a corpus."""
    return NAMES.get(corpus, corpus)


def ordered(emotions: Sequence[str] | set[str]) -> list[str]:
    """In the order of the label set, others behind it."""
    return sorted(emotions, key=lambda one: (ORDER.index(one) if one in ORDER else len(ORDER), one))


def counts(rows: Sequence[Row], path: Path) -> Path:
    """Clips per corpus and emotion, by gender where the corpus has it."""
    corpora = list(dict.fromkeys(row.corpus for row in rows))
    emotions = ordered({row.emotion for row in rows})
    table = np.array([[sum(row.corpus == c and row.emotion == e for row in rows) for e in emotions] for c in corpora])
    women = np.array(
        [
            [sum(row.corpus == c and row.emotion == e and row.gender == "female" for row in rows) for e in emotions]
            for c in corpora
        ]
    )
    known = [any(row.gender for row in rows if row.corpus == c) for c in corpora]
    figure, axis = plt.subplots(figsize=(2.6 + 0.95 * len(emotions), 1.3 + 0.62 * len(corpora)), layout="constrained")
    axis.imshow(np.sqrt(table), cmap="Blues", aspect="auto", vmin=0, vmax=np.sqrt(table.max()) * 1.15)
    for i, j in np.ndindex(*table.shape):
        if table[i, j]:
            dark = table[i, j] > 0.6 * table.max()
            axis.text(j, i - 0.12, f"{table[i, j]}", ha="center", va="center", color="w" if dark else "k", fontsize=11)
            if known[i]:
                parts = f"{women[i, j]} f, {table[i, j] - women[i, j]} m"
                axis.text(j, i + 0.25, parts, ha="center", va="center", color="w" if dark else "#444444", fontsize=7)
    axis.set_xticks(range(len(emotions)), emotions)
    speakers = [len({row.speaker for row in rows if row.corpus == c}) for c in corpora]
    axis.set_yticks(
        range(len(corpora)), [f"{named(c)}\n{n} speakers" for c, n in zip(corpora, speakers, strict=True)], fontsize=9
    )
    axis.set_title("Clips per corpus and emotion (f women, m men, where the corpus has it)", fontsize=10)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return save(figure, path)


def boxes(rows: Sequence[Row], values: Values, path: Path, *, title: str, unit: str) -> Path:
    """One panel for each corpus, one box (quartiles, 5 to 95 %) for each emotion."""
    corpora = list(dict.fromkeys(row.corpus for row in rows))
    figure, axes = plt.subplots(
        1, len(corpora), figsize=(2.9 * len(corpora), 3.6), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, corpus in zip(axes[0], corpora, strict=True):
        own = [(row.emotion, value) for row, value in zip(rows, values, strict=True) if row.corpus == corpus]
        emotions = ordered({emotion for emotion, _ in own})
        groups = [[v for e, v in own if e == emotion and not np.isnan(v)] for emotion in emotions]
        drawn = axis.boxplot(groups, whis=(5, 95), showfliers=False, patch_artist=True, widths=0.65)
        for emotion, box, median in zip(emotions, drawn["boxes"], drawn["medians"], strict=True):
            box.set(facecolor=colour(emotion), alpha=0.75, edgecolor="#333333", lw=0.7)
            median.set(color="k", lw=1.4)
        axis.set_xticks(range(1, len(emotions) + 1), emotions, rotation=55, ha="right", fontsize=8)
        axis.set_title(named(corpus), fontsize=9)
        plain(axis)
    axes[0][0].set_ylabel(unit)
    figure.suptitle(title, fontsize=11)
    return save(figure, path)


def pitch(rows: Sequence[Row], values: Values, path: Path) -> Path:
    """Median and quartiles of the clips' pitch for each emotion, women beside men, for corpora with genders."""
    corpora = [c for c in dict.fromkeys(row.corpus for row in rows) if any(row.gender for row in rows if row.corpus == c)]
    figure, axes = plt.subplots(
        1, len(corpora), figsize=(2.9 * len(corpora), 3.8), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, corpus in zip(axes[0], corpora, strict=True):
        emotions = ordered({row.emotion for row in rows if row.corpus == corpus})
        for gender, tint, shift in (("female", FEMALE, -0.16), ("male", MALE, 0.16)):
            for place, emotion in enumerate(emotions):
                wanted = (corpus, emotion, gender)
                own = [v for row, v in zip(rows, values, strict=True) if (row.corpus, row.emotion, row.gender) == wanted]
                own = [v for v in own if not np.isnan(v)]
                if own:
                    low, middle, high = np.percentile(own, (25, 50, 75))
                    axis.plot([place + shift] * 2, [low, high], color=tint, lw=3.5, alpha=0.55, solid_capstyle="round")
                    axis.plot(place + shift, middle, "o", color=tint, ms=6)
        axis.set_xticks(range(len(emotions)), emotions, rotation=55, ha="right", fontsize=8)
        axis.set_title(named(corpus), fontsize=9)
        axis.set_yscale("log", base=2)
        ticks = [t for t in (80, 100, 125, 160, 200, 250, 315, 400, 500) if axis.get_ylim()[0] <= t <= axis.get_ylim()[1]]
        axis.set_yticks(ticks, [str(t) for t in ticks])
        axis.minorticks_off()
        plain(axis)
    axes[0][0].set_ylabel("fundamental in Hz")
    handles = [plt.Line2D([], [], color=c, marker="o", lw=3, label=n) for n, c in (("women", FEMALE), ("men", MALE))]
    axes[0][-1].legend(handles=handles, frameon=False, fontsize=8)
    figure.suptitle("Pitch per emotion and gender: median and quartiles of the clips' medians", fontsize=11)
    return save(figure, path)


def scatter(
    rows: Sequence[Row], xy: Values, path: Path, *, title: str, axes_names: tuple[str, str], dots: bool, groups: str
) -> Path:
    """The plane twice, by emotion and by speaker: centres and ellipses that hold about half of each group; dots on request.

    Parameters
    ----------
    xy : (clips, 2)
    groups : "emotion and speaker", or "corpus" for a single panel
    """
    fields = ("emotion", "speaker") if groups != "corpus" else ("corpus",)
    figure, axes = plt.subplots(1, len(fields), figsize=(5.6 * len(fields), 5.0), squeeze=False, layout="constrained")
    for axis, field in zip(axes[0], fields, strict=True):
        values = np.array([getattr(row, field) for row in rows])
        names = ordered(set(values)) if field == "emotion" else sorted(set(values))
        wheel = plt.get_cmap("turbo")(np.linspace(0.05, 0.95, max(2, len(names))))
        for place, name in enumerate(names):
            tint = colour(name) if field == "emotion" else wheel[place]
            own = xy[values == name]
            if dots:
                axis.scatter(*own.T, s=5, color=tint, alpha=0.35, lw=0)
            if len(own) > 2:
                _ellipse(axis, own, tint)
            label = named(name) if field != "speaker" else None
            axis.scatter(*own.mean(axis=0), s=55, color=tint, edgecolor="k", lw=0.6, zorder=4, label=label)
        axis.set(xlabel=axes_names[0], title=f"by {field}")
        if field != "speaker":
            axis.legend(fontsize=8, frameon=False, loc="best")
        limits = np.percentile(xy, (1, 99), axis=0)
        margin = 0.08 * (limits[1] - limits[0])
        axis.set_xlim(limits[0, 0] - margin[0], limits[1, 0] + margin[0])
        axis.set_ylim(limits[0, 1] - margin[1], limits[1, 1] + margin[1])
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel(axes_names[1])
    figure.suptitle(title, fontsize=11)
    return save(figure, path)


def _ellipse(axis: Axes, points: Values, tint: Any) -> None:
    """Ellipse that holds about half of a normal distribution."""
    values, vectors = np.linalg.eigh(np.cov(points.T))
    width, height = 2 * 1.177 * np.sqrt(np.maximum(values[::-1], 0))
    angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    axis.add_patch(Ellipse(tuple(points.mean(axis=0)), width, height, angle=angle, facecolor=tint, alpha=0.16, lw=0))
    axis.add_patch(Ellipse(tuple(points.mean(axis=0)), width, height, angle=angle, fill=False, edgecolor=tint, lw=1.2))


def nearest(found: dict[str, Neighbours], path: Path) -> Path:
    """Attributes that a clip shares with its nearest neighbour, for each corpus."""
    figure, axis = plt.subplots(figsize=(8.2, 0.9 + 0.75 * len(found)), layout="constrained")
    rows = list(found.items())
    series = (
        ("its speaker (any clip may be the neighbour)", "#8a8f98", [n.speaker for _, n in rows]),
        ("its emotion (any clip may be the neighbour)", "#c2571a", [n.anyone for _, n in rows]),
        ("its emotion (other speakers' clips only)", "#1f5fa8", [n.strangers for _, n in rows]),
    )
    for number, (label, tint, values) in enumerate(series):
        places = np.arange(len(rows)) + (number - 1) * 0.26
        axis.barh(places, values, height=0.24, color=tint, label=label)
        for place, value in zip(places, values, strict=True):
            axis.text(value + 0.7, place, f"{value:.0f}", va="center", fontsize=8)
    axis.set_yticks(range(len(rows)), [named(name) for name, _ in rows])
    axis.invert_yaxis()
    axis.set(xlim=(0, 112), xlabel="% of clips whose nearest neighbour in the flattened vector shares")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    plain(axis)
    axis.grid(False, axis="y")
    return save(figure, path)
