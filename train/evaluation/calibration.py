"""Calibration of confidences, and the effect of answering "unsure".

Two kinds of answer are evaluated: a clip's (the mean of its windows) and the screen's (each window's smoothed label, as
displayed). Both come from folds whose temperature was fitted on other speakers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from realtime_ser.config import SmoothingConfig
from realtime_ser.engine.smoother import Smoother
from train.data.corpora import LABELS
from train.data.features import HOP_S
from train.evaluation.scores import BINS, Clips
from train.figures import plain, save

ECE_BAR = 0.05
CLIP, SCREEN = "#1f5fa8", "#c2571a"


@dataclass(frozen=True)
class Answers:
    """``confidence`` float64 (n,), 0 to 1, and ``right`` bool (n,) of answers that were given."""

    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        """Share that is right, 0 to 1."""
        return float(self.right.mean()) if len(self.right) else float("nan")


@dataclass(frozen=True)
class Bin:
    """Answers of similar confidence: count, mean confidence and share that is right (0 to 1)."""

    count: int
    confidence: float
    accuracy: float


def of_clips(clips: Clips) -> Answers:
    """Each clip's answer; clips without detected speech have none."""
    spoken = clips.probs.sum(1) > 0
    return Answers(clips.probs[spoken].max(1).astype(np.float64), (clips.guess == clips.target)[spoken])


def of_screen(clips: Clips, smoothing: SmoothingConfig) -> Answers:
    """The label after each window if "unsure" were disabled. Pauses within a clip are skipped."""
    smoother = Smoother(LABELS, replace(smoothing, unsure_below=0.0))
    confidence, right = [], []
    for row, windows in zip(clips.rows, clips.windows, strict=True):
        smoother.reset()
        for probs in windows:
            _, label, sure = smoother.speech(probs, HOP_S)
            confidence.append(sure)
            right.append(label == row.emotion)
    return Answers(np.array(confidence), np.array(right, bool))


def reliability(answers: Answers) -> list[Bin]:
    """Ten bins of equal width in confidence; empty ones are left out."""
    place = np.minimum((answers.confidence * BINS).astype(int), BINS - 1)
    return [
        Bin(int((place == b).sum()), float(answers.confidence[place == b].mean()), float(answers.right[place == b].mean()))
        for b in np.unique(place)
    ]


def calibration_error(answers: Answers) -> float:
    """Expected calibration error, 0 to 1 (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    return sum(abs(b.confidence - b.accuracy) * b.count for b in reliability(answers)) / max(1, len(answers.right))


def coverage(answers: Answers) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Share of answers given, rising, and the share of those that is right, when the least confident are withheld first."""
    order = np.argsort(-answers.confidence, kind="stable")
    count = np.arange(1, len(order) + 1)
    return count / max(1, len(order)), np.cumsum(answers.right[order]) / count


def at(answers: Answers, unsure_below: float) -> dict[str, float | None]:
    """Percent answered with this confidence or more, and of those and of the withheld ones right; None: there are none."""
    given = answers.confidence >= unsure_below
    right, withheld = (
        round(100 * float(answers.right[chosen].mean()), 1) if chosen.any() else None for chosen in (given, ~given)
    )
    return {"answered": round(100 * float(given.mean()), 1), "accuracy": right, "accuracy_of_withheld": withheld}


def table(clips: Clips, smoothing: SmoothingConfig) -> dict[str, Any]:
    """Everything about both kinds of answer."""
    kinds = {"clip": of_clips(clips), "screen": of_screen(clips, smoothing)}
    return {
        "unsure_below": smoothing.unsure_below,
        **{
            name: {
                "answers": len(answers.right),
                "accuracy": round(100 * answers.accuracy, 1),
                "ece": round(calibration_error(answers), 3),
                "at_unsure_below": at(answers, smoothing.unsure_below),
                "bins": [
                    {"count": b.count, "confidence": round(b.confidence, 3), "accuracy": round(b.accuracy, 3)}
                    for b in reliability(answers)
                ],
            }
            for name, answers in kinds.items()
        },
    }


def summary(found: Mapping[str, Any]) -> str:
    """The table in a few lines, for people."""
    lines = []
    for name, what in (("clip", "a clip's answer"), ("screen", "the screen, window by window")):
        one, point = found[name], found[name]["at_unsure_below"]
        met = "met" if one["ece"] <= ECE_BAR else "SHORT"
        lines.append(
            f"{what}: {one['accuracy']:.1f} % right, calibration error {one['ece']:.3f} (at most {ECE_BAR:g}: {met});"
            f" unsure below {found['unsure_below']:g}: {point['answered']:.1f} % answered, {_percent(point['accuracy'])} of"
            f" those right, {_percent(point['accuracy_of_withheld'])} of the others"
        )
    return "\n".join(lines)


def picture(clips: Clips, smoothing: SmoothingConfig, name: str, path: Path) -> Path:
    """Confidence against accuracy for both kinds of answer, and accuracy against coverage."""
    clip, screen = of_clips(clips), of_screen(clips, smoothing)
    figure, axes = plt.subplot_mosaic(
        [["clip", "screen", "withheld"], ["clips", "windows", "withheld"]],
        figsize=(13.2, 4.8), height_ratios=(3.4, 1), layout="constrained",
    )  # fmt: skip
    _reliability(axes["clip"], axes["clips"], clip, CLIP, "A clip's answer")
    _reliability(axes["screen"], axes["windows"], screen, SCREEN, "The screen, window by window")
    axis = axes["withheld"]
    for answers, tint, what in ((clip, CLIP, "a clip's answer"), (screen, SCREEN, "the screen")):
        share, right = coverage(answers)
        # The curve is too noisy for the first few answers.
        shown = share >= 0.02
        point = at(answers, smoothing.unsure_below)
        text = f"{what}: {point['answered']:.0f} % answered, {_percent(point['accuracy'])} of them right"
        axis.plot(100 * share[shown], 100 * right[shown], color=tint, lw=1.8, label=text)
        if point["answered"] and point["accuracy"]:
            axis.plot(point["answered"], point["accuracy"], "o", color=tint, ms=9, mec="w", mew=1.5, zorder=4)
    axis.set(xlim=(0, 103), ylim=(0, 102), xlabel="% answered, the surest first", ylabel="% of the answers right")
    axis.set_title(f"Saying nothing when unsure (dots: below {smoothing.unsure_below:g})", fontsize=10)
    axis.legend(frameon=False, fontsize=8, loc="lower left")
    plain(axis)
    figure.suptitle(f"{name}: calibration (speakers not in the training data)", fontsize=11)
    return save(figure, path)


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f} %"


def _reliability(axis: Axes, below: Axes, answers: Answers, tint: str, title: str) -> None:
    """Accuracy of each bin at its mean confidence, and how many answers lie in each."""
    bins = reliability(answers)
    for b in bins:
        middle = 10 * min(int(b.confidence * BINS), BINS - 1) + 5
        below.bar(middle, b.count, width=9, color="#d5d5d5")
        below.annotate(
            f"{b.count:,}", (middle, b.count), (0, 2), textcoords="offset points", ha="center", fontsize=7, color="#666666"
        )
    shown = [b for b in bins if b.count >= 10]
    axis.plot([0, 100], [0, 100], color="#999999", lw=1, ls="--", label="perfect calibration")
    axis.plot([100 * b.confidence for b in shown], [100 * b.accuracy for b in shown], "o-", color=tint, ms=6)
    axis.set(xlim=(0, 100), ylim=(0, 102), ylabel="% right")
    axis.legend(frameon=False, fontsize=8, loc="upper left")
    axis.set_title(f"{title}: calibration error {calibration_error(answers):.3f}", fontsize=10)
    below.set(xlim=(0, 100), ylim=(0, 1.35 * max(b.count for b in bins)), xlabel="confidence in %", ylabel="answers")
    below.set_yticks([])
    plain(axis)
    plain(below)
