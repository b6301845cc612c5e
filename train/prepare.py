"""Prepares training data: the manifest, cached features, the clips in use, and an audit of their splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from realtime_ser.errors import ConfigError
from train.data import manifest, splits
from train.data.corpora import CORPORA, LABELS
from train.data.corpora.reserved import NEVER
from train.data.manifest import Manifest, Row
from train.data.select import select
from train.paths import Paths
from train.settings import SYSTEMS, TrainSettings


def prepare(paths: Paths, settings: TrainSettings) -> Manifest:
    """Write the manifest, report excluded files, and fill the feature cache for every system that needs it.

    Raises
    ------
    ConfigError : no clip is usable, those that can teach are not in use, or a corpus in use is for tests only
    """
    _refuse_reserved(settings)
    found = manifest.build(paths.corpora, memory=paths.cache / "manifest.known.json")
    manifest.save(found, paths.manifest)
    print(manifest.summary(found))
    for path, reason in found.left_out:
        print(f"left out {path}: {reason}")
    for name in found.absent:
        print(f"absent {name}: {CORPORA[name].url}")
    from train.data import features

    used = found.where(corpus=settings.use)
    rows = [row for row in used if row.emotion in LABELS]
    for emotion, count in sorted(Counter(row.emotion for row in used if row.emotion not in LABELS).items()):
        print(f"not learned: {count} clips of {emotion!r}, which is not among {', '.join(LABELS)}")
    if not rows:
        if used or _teachable(found.rows) or not found.rows:
            raise ConfigError(_none_in_use(found.rows, settings))
        print(f"nothing to train on: no clip has a label of {', '.join(LABELS)}; `evaluate --bundle` can measure with these")
    for system in SYSTEMS if rows else ():
        recipe = settings.recipe(system)
        if recipe.taught is not None and not recipe.taught.clips:
            continue  # learns from drawn windows alone
        features.fill(paths.corpora, rows, recipe.spec, paths.cache, recipe.all_variants)
    return found


def rows_in_use(paths: Paths, settings: TrainSettings) -> tuple[Row, ...]:
    """The clips in use that have one of our labels, from which splits are made.

    Raises
    ------
    ConfigError : no manifest, no such clip in it, or a corpus in use that is for tests only
    """
    _refuse_reserved(settings)
    found = manifest.load(paths.manifest)
    rows = tuple(row for row in found.where(corpus=settings.use) if row.emotion in LABELS)
    if not rows:
        raise ConfigError(_none_in_use(found.rows, settings))
    return select(rows, settings.select)


def rows_to_learn(paths: Paths, settings: TrainSettings) -> tuple[Row, ...]:
    """``rows_in_use``; ConfigError, too, where they are all of one label."""
    rows = rows_in_use(paths, settings)
    if len(labels := {row.emotion for row in rows}) < 2:
        raise ConfigError(f"nothing to tell apart: every clip in use is {', '.join(labels) or 'left out by train.select'}")
    return rows


def audit(
    rows: Sequence[Row], settings: TrainSettings, protocol: str, *, dev_speakers: int = 0, sentences: bool = False
) -> tuple[int, list[str]]:
    """How many folds a protocol has, and every leak in them; see ``splits.audit``.

    Parameters
    ----------
    rows : the clips in use
    dev_speakers : held out of the training speakers too
    sentences : a sentence on both sides is a leak too
    """
    inside = rows if protocol == "cross" else rows_within(rows, settings, protocol)
    folds = splits.make(protocol, inside, dev_speakers=dev_speakers)
    if protocol != "cross" and any(settings.recipe(system).taught is not None for system in SYSTEMS):
        folds = splits.with_others(folds, [row for row in rows if row.corpus not in settings.within])
    by_sentence = protocol == "sentence"
    problems = [
        problem
        for fold in folds
        for problem in splits.audit(fold, speakers=not by_sentence, sentences=by_sentence or sentences)
    ]
    return len(folds), problems


def rows_within(rows: Sequence[Row], settings: TrainSettings, protocol: str) -> list[Row]:
    """The clips of which a protocol's folds are made.

    Raises
    ------
    ConfigError : there are none
    """
    inside = [row for row in rows if row.corpus in settings.within]
    if not inside:
        used = ", ".join(dict.fromkeys(row.corpus for row in rows))
        raise ConfigError(
            f"{protocol} folds are made of {', '.join(settings.within)} (train.within), of which there is no clip in use;"
            f" in use are {used}: --set 'train.within=[{used}]'"
        )
    return inside


def _refuse_reserved(settings: TrainSettings) -> None:
    reserved = [name for name in settings.use if name in NEVER]
    if reserved:
        raise ConfigError(f"train.use names {', '.join(reserved)}, a test of strangers: nothing is trained or calibrated on it")


def _none_in_use(rows: Sequence[Row], settings: TrainSettings) -> str:
    """Why none of the manifest's clips can be used for training, and what to do."""
    if not rows:
        return "nothing to learn: the manifest is empty; run `python -m train prepare`"
    used = ", ".join(settings.use)
    labels = sorted({row.emotion for row in rows if row.corpus in settings.use})
    why = (
        f"the labels of {used} are {', '.join(labels)}, none of {', '.join(LABELS)}"
        if labels
        else f"there is no clip of {used}"
    )
    there = ", ".join(_teachable(rows))
    remedy = f"; there are clips of {there}: use them with --set 'train.use=[{there}]'" if there else ""
    return f"nothing to learn: {why}{remedy}"


def _teachable(rows: Sequence[Row]) -> list[str]:
    """The corpora with clips that may train and have one of our labels."""
    return sorted({row.corpus for row in rows if row.emotion in LABELS and row.corpus not in NEVER})
