"""Figures of the stream evaluation: robustness curves, reaction times, and displayed labels for each emotion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from train.explore.charts import colour, ordered
from train.figures import plain, save

TITLES = {
    "gain": "gain", "white noise": "white noise, SNR", "pink noise": "pink noise, SNR", "babble": "babble of six, SNR",
    "bandwidth": "bandwidth", "coding": "coding", "low": "low frequencies", "room": "room", "window": "stream.window_s",
    "received": "seconds of voice so far, one window alone",
}  # fmt: skip
LINE, CLEAN, ALLOWED = "#1f5fa8", "#2b2b2b", "#dcebd5"
NOISES = {"white noise": "#8a8f98", "pink noise": "#c2571a", "babble": "#1f5fa8"}


def draw(result: Mapping[str, Any], name: str, folder: Path) -> list[Path]:
    """All pictures of a result; returns their paths."""
    return [
        robustness(result, name, folder / f"{name}-robustness.png"),
        windows(result, name, folder / f"{name}-windows.png"),
        conversation(result, name, folder / f"{name}-conversation.png"),
    ]


def robustness(result: Mapping[str, Any], name: str, path: Path) -> Path:
    """UAR against gain and SNR, and under bandwidths, codings and rooms; the targets are shaded."""
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.1), sharey=True, width_ratios=(1, 1.1, 1.35), layout="constrained")
    clean = result["clean"]["uar"]
    gain = sorted([*_curve(result, "gain"), (0.0, clean, clean, clean)])
    _shade(axes[0], -20, 10, clean, 2)
    _line(axes[0], gain, LINE, None)
    axes[0].set(title="Gain", xlabel="gain in dB (16 bit, clipped at full scale)", ylabel="UAR in %")
    for group, tint in NOISES.items():
        _line(axes[1], sorted(_curve(result, group)), tint, group if group != "babble" else "babble of six speakers")
    _shade(axes[1], 10, 40, clean, 6)
    axes[1].set(title="Noise", xlabel="SNR in dB")
    axes[1].invert_xaxis()
    if axes[1].lines:
        axes[1].legend(frameon=False, fontsize=8, loc="lower left")
    _bars(axes[2], result, clean)
    for axis in axes:
        axis.axhline(clean, color=CLEAN, lw=1, ls="--", zorder=1)
        plain(axis)
    axes[0].annotate(f"unharmed, {clean:.1f} %", (gain[0][0], clean), (0, 4), textcoords="offset points", fontsize=8)
    axes[0].set_ylim(0, 10 * np.ceil((clean + 6) / 10))
    figure.suptitle(f"{name}: UAR of the same clips as their audio gets worse (shaded: what the bars allow)", fontsize=11)
    return save(figure, path)


def windows(result: Mapping[str, Any], name: str, path: Path) -> Path:
    """UAR against the window's length, and against the seconds of a voice so far."""
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.7), sharey=True, layout="constrained")
    clean = result["clean"]["uar"]
    texts = (
        ("window", "The mean over a clip, by stream.window_s", "longest window in s"),
        ("received", "The last window alone, early in a stream", "s since the voice began"),
    )
    for axis, (group, title, label) in zip(axes, texts, strict=True):
        points = sorted(_curve(result, group))
        _line(axis, points, LINE, None)
        for x, y, *_ in points:
            axis.annotate(f"{y:.0f}", (x, y), (0, 7), textcoords="offset points", ha="center", fontsize=8)
        axis.set_xticks([x for x, *_ in points], [f"{x:g}" for x, *_ in points])
        axis.set(xlabel=label)
        axis.set_title(title, fontsize=10)
        plain(axis)
    axes[0].set(ylabel="UAR in %", ylim=(0, 10 * np.ceil((clean + 8) / 10)))
    figure.suptitle(f"{name}: how long a window must be", fontsize=11)
    return save(figure, path)


def conversation(result: Mapping[str, Any], name: str, path: Path) -> Path:
    """Displayed labels for each emotion, and the delay from a new emotion to its label."""
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 3.9), width_ratios=(1.25, 1), layout="constrained")
    _shown(axes[0], result["conversation"]["per_emotion"])
    _reaction(axes[1], result["conversation"], result["delays_s"])
    figure.suptitle(
        f"{name} in conversation: {result['conversation']['segment_uar']:.1f} % segment UAR,"
        f" {result['steady']['flips_per_minute']:.1f} label changes a minute on steady speech",
        fontsize=11,
    )
    return save(figure, path)


def _shown(axis: Axes, per_emotion: Mapping[str, Mapping[str, float]]) -> None:
    """For each emotion, the share of its time under each displayed label; the emotion's own colour is the right label."""
    emotions = ordered(list(per_emotion))
    parts = {
        "another emotion": ([100 - sum(per_emotion[e].values()) for e in emotions], "#b9b9b9"),
        "unsure": ([per_emotion[e]["unsure"] for e in emotions], "#dedede"),
        "no speech found": ([per_emotion[e]["undetected"] for e in emotions], "#f8f8f8"),
    }
    left = np.array([per_emotion[e]["right"] for e in emotions])
    axis.barh(emotions, left, color=[colour(e) for e in emotions])
    for place, value in enumerate(left):
        # Too narrow for its number: put it to the right, on grey.
        inside = value >= 6
        where, tint = (value / 2, "w") if inside else (value + 2.5, "k")
        axis.text(where, place, f"{value:.0f}", ha="center", va="center", fontsize=9, fontweight="bold", color=tint)
    for what, (values, tint) in parts.items():
        axis.barh(emotions, values, left=left, color=tint, edgecolor="#aaaaaa", lw=0.5, label=what)
        for place, value in enumerate(values):
            if value >= 6:
                axis.text(left[place] + value / 2, place, f"{value:.0f}", ha="center", va="center", fontsize=8, color="#444444")
        left = left + np.array(values)
    axis.invert_yaxis()
    axis.set(xlim=(0, 100), xlabel="% of the time in which a voice sounds")
    axis.set_title("What the screen shows (in colour: the right label)", fontsize=10)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, -0.36), ncols=3, frameon=False, fontsize=8)
    axis.spines[:].set_visible(False)
    axis.tick_params(axis="y", length=0)


def _reaction(axis: Axes, talk: Mapping[str, Any], delays: list[float]) -> None:
    """Share of stretches that have their label, against the time since the emotion began."""
    share = 100 * np.arange(1, len(delays) + 1) / max(1, talk["stretches"])
    axis.step([0, *delays], [0, *share], where="post", color=LINE, lw=1.8)
    median = talk["onset_to_label_s"]["p50"]
    median = 0.0 if median is None else median
    axis.axvline(1.5, color="#2e7d32", lw=1, ls=":")
    axis.annotate("bar for the median: 1.5 s", (1.5, 2), (4, 0), textcoords="offset points", color="#2e7d32", fontsize=8)
    reached = 100 - talk["never_labelled_share"]
    axis.plot(median, reached / 2, "o", color=LINE, ms=6)
    axis.annotate(f"median {median:.2f} s", (median, reached / 2), (8, -4), textcoords="offset points", fontsize=8)
    axis.axhline(reached, color="#999999", lw=1, ls="--")
    axis.annotate(
        f"{talk['never_labelled_share']:.0f} % never get it",
        (8, reached),
        (0, 4),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    axis.set(xlim=(0, 8), ylim=(0, 102), xlabel="s since the emotion's first sound", ylabel="% of stretches labelled")
    axis.set_title("How soon a new emotion gets its label", fontsize=10)
    plain(axis)


def _curve(result: Mapping[str, Any], group: str) -> list[tuple[float, float, float, float]]:
    """(value, UAR, lower, upper) of a group's points; the band is the drop's interval."""
    clean = result["clean"]["uar"]
    return [
        (each["value"], each["uar"], clean - each["high"], clean - each["low"])
        for each in result["points"]
        if each["group"] == group
    ]


def _line(axis: Axes, points: list[tuple[float, float, float, float]], tint: str, label: str | None) -> None:
    if not points:
        return
    x, y, low, high = (np.array(column) for column in zip(*points, strict=True))
    axis.fill_between(x, low, high, color=tint, alpha=0.13, lw=0)
    axis.plot(x, y, "o-", color=tint, ms=4.5, lw=1.6, label=label)


def _shade(axis: Axes, first: float, last: float, clean: float, points: float) -> None:
    axis.fill_between([first, last], clean - points, clean, color=ALLOWED, lw=0, zorder=0)


def _bars(axis: Axes, result: Mapping[str, Any], clean: float) -> None:
    """Bandwidths, codings and rooms, side by side."""
    chosen = [each for each in result["points"] if each["group"] in ("bandwidth", "coding", "room")]
    tints = {"bandwidth": "#2c7a8c", "coding": "#7b4fa3", "room": "#8c6d4f"}
    for place, each in enumerate(chosen):
        axis.bar(place, each["uar"], width=0.72, color=tints[each["group"]], alpha=0.85)
        axis.plot([place, place], [clean - each["high"], clean - each["low"]], color="k", lw=1)
        axis.annotate(f"{each['uar']:.0f}", (place, 1.5), ha="center", color="w", fontsize=8)
    axis.fill_between([-0.36, 0.36], clean - 6, clean, color=ALLOWED, lw=0, zorder=0)
    names = [each["name"].replace("telephone, ", "telephone,\n") for each in chosen]
    axis.set_xticks(range(len(chosen)), names, rotation=55, ha="right", fontsize=8)
    axis.set_title("Bandwidth, coding, rooms")
