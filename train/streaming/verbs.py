"""``evaluate --stream`` and ``tune``, as the command line asks for them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from realtime_ser.config import load_config
from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import load_model
from train.corpora import LABELS
from train.manifest import Row
from train.repeat import command
from train.streaming import report
from train.streaming import tune as tuning
from train.streaming.robustness import Fold

Listeners = Callable[[], list[Fold]]


def evaluate(options: argparse.Namespace, root: Path, rows: Sequence[Row], seed: int, listeners: Listeners) -> int:
    """Conversations, steady speech, sounds and spoilt audio: of the folds' networks, or with --bundle of one bundle."""
    config = load_config(options.config, options.set)
    if options.bundle:
        folds, about = _bundle_alone(options.bundle, rows)
        name = f"bundle-{folds[0].name}"
    else:
        folds, name = listeners(), options.system
        about = (
            f"{options.protocol}: each fold's network hears only speakers whom it never learned from, at a temperature from"
            f" the other folds. Folds: {', '.join(fold.name for fold in folds)}."
        )
    result = {
        "about": about,
        "command": command(options, f"evaluate {_told(options)}"),
        **report.score(folds, root, config, clips=options.clips, seed=seed, others=rows),
    }
    print(about)
    for bar in report.bars(result):
        print(bar)
    for path in report.write(result, name, options.output / "stream"):
        print(path)
    return 0


def tune(options: argparse.Namespace, root: Path, seed: int, listeners: Listeners) -> int:
    """Choose on half of the folds; print the frontier and what the choice gives on the other half."""
    base = load_config(options.config, options.set)
    folds = listeners()
    half = (len(folds) + 1) // 2
    if half == len(folds):
        raise ConfigError("tune needs two folds at least: one to choose on, one to report")
    trials = tuning.search(
        folds[:half], root, base, windows_s=options.windows, hops_s=options.hops, with_gates=not options.no_gates, seed=seed
    )
    best = tuning.choose(trials)
    told = {
        what: tuning.record(folds[half:], root, one.config, seed=seed).tried(one.config.smoothing)
        for what, one in (("as it was", trials[0]), ("chosen", best))
    }
    tuning.show(trials, best, told)
    for path in tuning.write(trials, best, told, options.system, options.output / "stream", command(options, _tuned(options))):
        print(path)
    return 0


def _bundle_alone(bundle: str, rows: Sequence[Row]) -> tuple[list[Fold], str]:
    """One bundle on all clips whose emotion it knows, and what such scores are worth."""
    classifier = load_model(bundle)
    card = classifier.card
    if not set(card.labels) <= set(LABELS):
        raise ConfigError(f"{card.name} knows {', '.join(card.labels)}; only bundles with labels among our eight are scored")
    rows = [row for row in rows if row.emotion in card.labels]
    if not rows:
        raise ConfigError(f"{card.name} knows {', '.join(card.labels)}; no clip of these corpora has such a label")
    learned = set((card.raw.get("training") or {}).get("corpora", ()))
    tested = {row.corpus for row in rows}
    about = f"{card.name} on {', '.join(sorted(tested))}. "
    if learned & tested:
        about += f"It has learned from {', '.join(sorted(learned & tested))}: these are NOT scores for unseen speakers."
    else:
        about += "Its card names none of these corpora as training data."
    return [Fold(card.name, classifier, tuple(rows))], about


def _tuned(options: argparse.Namespace) -> str:
    """The verb and the options that say what was tried."""
    tried = "".join(f" --{name} {' '.join(f'{s:g}' for s in getattr(options, name))}" for name in ("windows", "hops"))
    gates = " --no-gates" if options.no_gates else ""
    return f"tune --system {options.system} --protocol {options.protocol}{_chosen(options)}{tried}{gates}"


def _told(options: argparse.Namespace) -> str:
    """The options that say what was run."""
    what = f"--system {options.system} --protocol {options.protocol} --stream"
    if options.bundle:
        what = f"--bundle {options.bundle}"
    return f"{what}{_chosen(options)} --clips {options.clips}"


def _chosen(options: argparse.Namespace) -> str:
    return f" --fold {' '.join(map(str, options.fold))}" if options.fold else ""
