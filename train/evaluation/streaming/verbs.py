"""The verbs ``evaluate --stream`` and ``tune``."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import load_model
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.evaluation.folds import Job, listeners
from train.evaluation.learned import learned_from
from train.evaluation.streaming import report
from train.evaluation.streaming import tune as tuning
from train.evaluation.streaming.robustness import Fold
from train.paths import Paths
from train.settings import ON_AUDIO, Setup


def evaluate(
    paths: Paths,
    setup: Setup,
    rows: Sequence[Row],
    job: Job,
    *,
    only: Sequence[int] = (),
    clips: int = 96,
    folds: list[Fold] | None = None,
) -> None:
    """Conversations, steady speech, sounds and spoilt audio, by the networks of a protocol's folds; written into ``output``.

    Parameters
    ----------
    rows : the clips in use
    only : numbers of the folds, from 1; empty: all
    clips : of each fold, for the curves; 0: all
    folds : the networks, where they are not those that ``listeners`` makes
    """
    folds = folds or listeners(paths, setup, rows, job, only)
    about = (
        f"{job.protocol}: each fold's network is scored only on speakers outside its training data,"
        f" {_tempered(job.system, folds)}. Folds: {', '.join(fold.name for fold in folds)}."
    )
    command = f"evaluate --system {job.system} --protocol {job.protocol} --stream{_chosen(only)} --clips {clips}"
    _report(paths, setup, rows, folds, job.system, about, command, clips)


def _tempered(system: str, folds: Sequence[Fold]) -> str:
    """How the folds' answers were calibrated; see ``bars.audio_folds`` for large and cnn."""
    if system not in ON_AUDIO:
        return "at a temperature from the other folds"
    if any(fold.classifier.voter is None for fold in folds):
        return "without a fitted temperature"
    return (
        "with the vote, at the temperatures that ship: one for all corpora, fitted on leave-one-corpus-out, where these"
        " speakers were played to networks that had learned from the other corpora alone"
    )


def evaluate_bundle(
    paths: Paths, setup: Setup, rows: Sequence[Row], bundle: str, *, only: Sequence[int] = (), clips: int = 96
) -> None:
    """The same, by one bundle, a name or a path, on the clips of the corpora that folds are made of."""
    folds, about = _bundle_alone(bundle, [row for row in rows if row.corpus in setup.train.within])
    command = f"evaluate --bundle {bundle}{_chosen(only)} --clips {clips}"
    _report(paths, setup, rows, folds, f"bundle-{folds[0].name}", about, command, clips)


def _report(
    paths: Paths, setup: Setup, rows: Sequence[Row], folds: list[Fold], name: str, about: str, command: str, clips: int
) -> None:
    others = [row for row in rows if row.corpus in setup.train.within]
    scored = report.score(folds, paths.corpora, setup.live, clips=clips, seed=setup.train.seed, others=others)
    result = {"about": about, "command": setup.command(command), **scored}
    print(about)
    for bar in report.bars(result):
        print(bar)
    for path in report.write(result, name, paths.output / "stream"):
        print(path)


def tune(
    paths: Paths,
    setup: Setup,
    rows: Sequence[Row],
    job: Job,
    *,
    only: Sequence[int] = (),
    windows_s: Sequence[float] = (1.0, 1.5, 2.0, 3.0),
    hops_s: Sequence[float] = (0.25,),
    gates: bool = True,
) -> tuning.Trial:
    """Choose on half of the folds; print the frontier and what the choice gives on the other half; returns the choice."""
    root, seed = paths.corpora, setup.train.seed
    folds = listeners(paths, setup, rows, job, only)
    half = (len(folds) + 1) // 2
    if half == len(folds):
        raise ConfigError("tune needs two folds at least: one to choose on, one to report")
    trials = tuning.search(folds[:half], root, setup.live, windows_s=windows_s, hops_s=hops_s, with_gates=gates, seed=seed)
    best = tuning.choose(trials)
    others = {
        what: tuning.record(folds[half:], root, one.config, seed=seed).tried(one.config.smoothing)
        for what, one in (("as it was", trials[0]), ("chosen", best))
    }
    tuning.show(trials, best, others)
    tried = f" --windows {' '.join(f'{s:g}' for s in windows_s)} --hops {' '.join(f'{s:g}' for s in hops_s)}"
    options = f"tune --system {job.system} --protocol {job.protocol}{_chosen(only)}{tried}{'' if gates else ' --no-gates'}"
    for path in tuning.write(trials, best, others, job.system, paths.output / "stream", setup.command(options)):
        print(path)
    return best


def _bundle_alone(bundle: str, rows: Sequence[Row]) -> tuple[list[Fold], str]:
    """One bundle on all clips whose emotion it has, and a note on what such scores mean."""
    classifier = load_model(bundle)
    card = classifier.card
    if not set(card.labels) <= set(LABELS):
        raise ConfigError(
            f"{card.name} has the labels {', '.join(card.labels)}; only bundles with labels among our eight are scored"
        )
    rows = [row for row in rows if row.emotion in card.labels]
    if not rows:
        raise ConfigError(f"{card.name} has the labels {', '.join(card.labels)}; no clip of these corpora has such a label")
    tested = {row.corpus for row in rows}
    learned = learned_from(card, tested)
    about = f"{card.name} on {', '.join(sorted(tested))}. "
    if learned:
        about += f"It has learned from people of {', '.join(learned)}: these are NOT scores for unseen speakers."
    else:
        about += "Its card names none of these corpora as training data."
    return [Fold(card.name, classifier, tuple(rows))], about


def _chosen(only: Sequence[int]) -> str:
    return f" --fold {' '.join(map(str, only))}" if only else ""
