"""Tries settings of the stream (windows, hops, gates and smoothers) on speakers outside the networks' training data.

Speech is played through the engine, the slow part, once for each window, hop and gate; the windows' results are then smoothed
again with every smoother. Half of the folds choose the settings, the other half score the choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

from realtime_ser.config import Config, GateConfig, SmoothingConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.records import Estimate
from train.atomic import write_text
from train.evaluation.streaming.conversation import Scene
from train.evaluation.streaming.report import conversations, steady_talk
from train.evaluation.streaming.robustness import Fold
from train.evaluation.streaming.scores import Tally, known, listen, smoothed_again
from train.figures import plain, save

ONSET_S, FLIPS = 1.5, 4.0  # the bars
WORTH, NEARER = 3.0, 1.0  # points of UAR that meeting both targets may cost, and that coming closer to them may
Played = Sequence[tuple[Scene, Sequence[Estimate]]]


@dataclass(frozen=True)
class Trial:
    """Settings and their results.

    Attributes
    ----------
    uar : segment UAR in conversation, in percent
    onset_s : median seconds from an emotion's onset to its label
    flips : label changes a minute on steady speech
    unsure, undetected : share of the voice's time, in percent
    """

    config: Config
    uar: float
    onset_s: float
    flips: float
    unsure: float
    undetected: float

    @property
    def short_of(self) -> float:
        """Distance from the targets, as a share of them; 0: both met; infinite where no label was ever right."""
        if np.isnan(self.onset_s):
            return np.inf
        return max(0.0, self.onset_s / ONSET_S - 1) + max(0.0, self.flips / FLIPS - 1)

    def beats(self, other: Trial) -> bool:
        """Whether it is as good in every respect and better in one."""
        mine, theirs = (-self.uar, self.onset_s, self.flips), (-other.uar, other.onset_s, other.flips)
        return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))


@dataclass(frozen=True)
class Recording:
    """The windows' results in conversations and on steady speech, under one window, hop and gate."""

    config: Config
    talk: Played
    steady: Played

    def tried(self, smoothing: SmoothingConfig) -> Trial:
        """Smooth with these settings and score."""
        changing, same = _scored(self.talk, smoothing), _scored(self.steady, smoothing)
        config = replace(self.config, smoothing=smoothing)
        return Trial(config, changing.uar, changing.onset(50), same.flips_per_minute, changing.unsure, changing.undetected)


def record(folds: Sequence[Fold], root: Path, config: Config, *, seed: int) -> Recording:
    """Play all folds' conversations and steady speech."""
    talk: list[tuple[Scene, Sequence[Estimate]]] = []
    same: list[tuple[Scene, Sequence[Estimate]]] = []
    for fold in folds:
        engine = Engine(fold.classifier, config)
        for kept, scenes in ((talk, conversations(fold, root, seed=seed)), (same, steady_talk(fold, root, seed=seed))):
            for scene in scenes:
                estimates = listen(engine, scene.samples, scene.rate)
                # Keep only the truth: the audio of all folds does not fit in memory.
                kept.append((scene.without_audio(), estimates))
    return Recording(config, talk, same)


def smoothers(base: SmoothingConfig) -> Iterator[SmoothingConfig]:
    """Filters of every kind, each with several rules for label changes."""
    filters: list[dict[str, Any]] = [{"method": "none"}]
    filters += [{"method": "ema", "time_constant_s": seconds} for seconds in (0.3, 0.45, 0.7, 1.0, 1.5)]
    filters += [{"method": "hmm", "stay_probability": stay, "evidence_s": s} for stay, s in product((0.7, 0.9), (0.5, 1.0))]
    filters += [{"method": "majority", "span_s": seconds} for seconds in (1.0, 2.0)]
    leads = product((0.06, 0.15, 0.3, 0.45), (0.25, 0.5, 1.0))
    rules: list[dict[str, Any]] = [{"change": "lead", "margin": margin, "hold_s": hold_s} for margin, hold_s in leads]
    sums = product((0.4, 0.6, 0.8, 1.0, 1.3, 1.5), (0.2, 0.25, 0.3, 0.4, 0.6, 0.8, 1.2))
    rules += [{"change": "cusum", "cusum_drift": drift, "cusum_threshold": threshold} for drift, threshold in sums]
    for chosen, rule in product(filters, rules):
        yield replace(base, **chosen, **rule)


def streams(base: Config, windows_s: Iterable[float], hops_s: Iterable[float]) -> list[Config]:
    """The base with every window and hop."""
    return [
        replace(base, stream=replace(base.stream, window_s=window, hop_s=hop)) for window, hop in product(windows_s, hops_s)
    ]


def gates(base: Config) -> list[Config]:
    """The base with one setting of the gate changed at a time."""
    gate = base.gate
    return [
        replace(base, gate=changed)
        for changed in (
            *(replace(gate, vad_threshold=threshold) for threshold in (0.15, 0.4)),
            *(replace(gate, speech_within_s=seconds) for seconds in (0.3, 0.5, 0.75)),
            replace(gate, min_speech_s=0.35),
        )
    ]


def search(
    folds: Sequence[Fold],
    root: Path,
    base: Config,
    *,
    windows_s: Sequence[float],
    hops_s: Sequence[float],
    with_gates: bool = True,
    seed: int,
) -> list[Trial]:
    """Every window and hop with every smoother, then the gates around the best of them. The first trial is the base itself."""
    trials = [record(folds, root, base, seed=seed).tried(base.smoothing)]
    for config in tqdm(streams(base, windows_s, hops_s), "windows and hops", leave=False):
        played = record(folds, root, config, seed=seed)
        trials += [played.tried(smoothing) for smoothing in tqdm([*smoothers(base.smoothing)], "smoothers", leave=False)]
    best = choose(trials).config
    for config in tqdm(gates(best) if with_gates else [], "gates", leave=False):
        trials.append(record(folds, root, config, seed=seed).tried(best.smoothing))
    return trials


def choose(trials: Sequence[Trial]) -> Trial:
    """The trial with the highest UAR among those that meet the targets; if none does, the closest one that loses a point at
    most.

    Without that last condition settings would win under which the label hardly changes and is hardly ever right. Points are
    relative to the first trial.
    """
    fair = [one for one in trials if one.uar >= trials[0].uar - NEARER]
    within = [one for one in trials if one.short_of == 0 and one.uar >= trials[0].uar - WORTH]
    return max(within, key=lambda one: one.uar) if within else min(fair, key=lambda one: (one.short_of, -one.uar))


def frontier(trials: Sequence[Trial]) -> list[Trial]:
    """The Pareto frontier, ordered by onset."""
    best = [one for one in trials if not any(other.beats(one) for other in trials)]
    return sorted(best, key=lambda one: (one.onset_s, one.flips))


def named(config: Config) -> str:
    """Settings in a few words."""
    smoothing = config.smoothing
    how = {
        "ema": f"ema {smoothing.time_constant_s:g} s",
        "hmm": f"hmm {smoothing.stay_probability:g}, {smoothing.evidence_s:g} s",
        "majority": f"majority {smoothing.span_s:g} s",
        "none": "no filter",
    }[smoothing.method]
    window = f"{config.stream.window_s:g}" if config.stream.window_s else "model's"
    usual, gate = asdict(GateConfig()), asdict(config.gate)
    changed = "".join(f", gate.{key} {_written(value)}" for key, value in gate.items() if value != usual[key])
    steady = {
        "cusum": f"cusum {smoothing.cusum_drift:g}, {smoothing.cusum_threshold:g} s",
        "lead": f"margin {smoothing.margin:g}, hold {smoothing.hold_s:g} s",
    }[smoothing.change]
    return f"window {window} s, hop {config.stream.hop_s:g} s, {how}, {steady}{changed}"


def _written(value: float | None) -> str:
    return "null" if value is None else f"{value:g}"


def show(trials: Sequence[Trial], best: Trial, others: Mapping[str, Trial]) -> None:
    """Print the frontier, and the scores of the choice on the other folds."""
    from rich.console import Console
    from rich.table import Table

    columns = ("segment UAR %", "onset to label s", "flips a minute", "unsure %", "no speech %")
    title = (
        f"{len(trials)} settings: those that none beats in UAR, onset and flips at once, and that lose a point of UAR at most"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("settings")
    for column in columns:
        table.add_column(column, justify="right")
    listed = [one for one in frontier(trials) if one.uar >= trials[0].uar - NEARER]
    for one in listed if best in listed else [*listed, best]:
        table.add_row(named(one.config), *_figures(one), style="bold green" if one is best else None)
    table.add_section()
    for what, one in others.items():
        table.add_row(f"folds that did not choose, {what}", *_figures(one))
    Console(width=170).print(table)


def write(
    trials: Sequence[Trial], best: Trial, others: Mapping[str, Trial], name: str, folder: Path, command: str
) -> list[Path]:
    """``NAME-tune.json`` with the frontier and the choice, and a picture of all trials."""
    found = {
        "command": command,
        "trials": len(trials),
        "as_it_was": as_dict(trials[0]),
        "chosen": as_dict(best),
        "on_folds_that_did_not_choose": {what: as_dict(one) for what, one in others.items()},
        "frontier": [{key: value for key, value in as_dict(one).items() if key != "set"} for one in frontier(trials)],
    }
    write_text(folder / f"{name}-tune.json", json.dumps(found, indent=1) + "\n")
    return [folder / f"{name}-tune.json", picture(trials, trials[0], best, name, folder / f"{name}-tune.png")]


def _figures(one: Trial) -> tuple[str, ...]:
    return f"{one.uar:.1f}", f"{one.onset_s:.2f}", f"{one.flips:.1f}", f"{one.unsure:.1f}", f"{one.undetected:.1f}"


def as_dict(trial: Trial) -> dict[str, Any]:
    """The figures and what ``--set`` takes."""
    figures = {key: known(getattr(trial, key)) for key in ("uar", "onset_s", "flips", "unsure", "undetected")}
    return {"settings": named(trial.config), **figures, "set": overrides(trial.config)}


def overrides(config: Config) -> list[str]:
    """The stream's settings as ``section.key=value``."""
    live: Mapping[str, Any] = config.as_dict()
    return [
        f"{section}.{key}={'null' if value is None else value}"
        for section in ("stream", "gate", "smoothing")
        for key, value in live[section].items()
    ]


def picture(trials: Sequence[Trial], base: Trial, best: Trial, name: str, path: Path) -> Path:
    """Every trial: flips against onset, UAR as colour; the bars' corner shaded."""
    figure, axis = plt.subplots(figsize=(7.6, 4.8), layout="constrained")
    axis.fill_between([0, ONSET_S], 0, FLIPS, color="#dcebd5", lw=0, zorder=0)
    axis.annotate("within both bars", (0.02, FLIPS), (4, -12), textcoords="offset points", fontsize=8, color="#2e7d32")
    shown = [one for one in trials if one.onset_s == one.onset_s]
    dots = axis.scatter([t.onset_s for t in shown], [t.flips for t in shown], c=[t.uar for t in shown], s=16, cmap="viridis")
    for one, what, marker in ((base, "as it was", "s"), (best, "chosen", "*")):
        axis.plot(one.onset_s, one.flips, marker, ms=9 if marker == "s" else 15, mfc="none", mec="#c2571a", mew=2, ls="",
                  label=f"{what}: {one.uar:.1f} % UAR, {one.onset_s:.2f} s, {one.flips:.1f} a minute")  # fmt: skip
    figure.colorbar(dots, label="segment UAR in %")
    axis.set(xlabel="median s from an emotion's onset to its label", ylabel="label changes a minute on steady speech")
    axis.set(xlim=(0, None), ylim=(0, None))
    axis.legend(loc="upper right", frameon=False, fontsize=9)
    axis.set_title(f"{name}: {len(shown)} settings of window, gate and smoother", fontsize=11)
    plain(axis)
    return save(figure, path)


def _scored(played: Played, smoothing: SmoothingConfig) -> Tally:
    result = Tally()
    for scene, estimates in played:
        result.add(scene, smoothed_again(estimates, smoothing))
    return result
