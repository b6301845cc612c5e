"""Trains and scores every published system: as its authors did, and on unseen speakers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from realtime_ser.errors import ConfigError
from train.atomic import write_text
from train.data.manifest import Manifest, Row
from train.published import family_a, family_b, family_c, frozen, inputs, report, training
from train.published.experiment import Experiment

# The fast ones first, so that an interrupted run has most of the table.
_ORDER = ("B-svm", "C-dnn", "A-flat", "B-cnn", "A-cnn", "B-rnn")


def experiments() -> list[Experiment]:
    """Every row, in the order in which they run: the full array before its parts."""
    every = [*family_a.experiments(), *family_b.experiments(), *family_c.experiments()]
    parts = ("mfcc", "chroma", "mel")
    return sorted(every, key=lambda one: (one.system == "A-cnn" and one.variant in parts, _ORDER.index(one.system)))


def reproduce(
    root: Path,
    manifest: Manifest,
    *,
    cache: Path,
    runs: Path,
    output: Path,
    only: Sequence[str] = (),
    epochs: Mapping[str, int] | None = None,
    every: Sequence[Experiment] | None = None,
    progress: bool = True,
) -> Path:
    """Run the missing rows, then write the table.

    Parameters
    ----------
    root : folder of the corpora
    runs : where each row's result is kept, as JSON; a row whose settings and clips are the same is not run again
    output : gets ``published.md``, ``published.html``, ``published.json`` and ``published/*.png``
    only : beginnings of the ids of rows to run; empty: all. Rows that are neither run nor among the runs stay in the table as
        ``output`` has them
    epochs : by system or id, instead of the published number

    Returns
    -------
    the Markdown file

    Raises
    ------
    ConfigError : ``only`` or ``epochs`` name nothing
    """
    every = experiments() if every is None else every
    epochs = epochs or {}
    for name in (*only, *epochs):
        if not any(each.startswith(name) for each in (*(one.id for one in every), *([frozen.ID] if name in only else []))):
            raise ConfigError(f"no row's id begins with {name!r}; ids are such as {every[0].id}")
    wanted = [one for one in every if not only or one.id.startswith(tuple(only))]
    loaded: dict[str, Any] = {}
    bar = tqdm(wanted, "published", disable=not progress)
    for experiment in bar:
        bar.set_postfix_str(experiment.id)
        file = runs / f"{experiment.id.replace('/', '--')}.json"
        try:
            rows = experiment.rows(manifest.rows)
        except ConfigError as error:
            bar.write(f"{experiment.id}: left out, {error}")
            continue
        chosen = max((name for name in epochs if experiment.id.startswith(name)), key=len, default=None)
        count = experiment.epochs if chosen is None else epochs[chosen]
        identity = experiment.identity(rows, count)
        if file.exists() and json.loads(file.read_text(encoding="utf-8"))["identity"] == identity:
            continue
        kind = "stack" if experiment.inputs.startswith("stack") else experiment.inputs
        if kind not in loaded:
            # Load inputs once, for all clips of any row; large ones one kind at a time.
            loaded = {name: value for name, value in loaded.items() if not name.startswith(("stack", "sequences"))}
            loaded[kind] = _load(kind, every, root, manifest.rows, cache, progress)
        x, place = loaded[kind]
        if kind == "stack":
            x = x[:, inputs.PARTS[experiment.inputs.partition("-")[2] or "full"]]
        result = run(experiment, rows, manifest.rows, x, place, epochs=count)
        write_text(file, json.dumps({"identity": identity, **result}, indent=1) + "\n")
    before = _table(output)
    done = [
        json.loads(file.read_text(encoding="utf-8")) if (file := _file(runs, one)).exists() else before[one.id]
        for one in every
        if _file(runs, one).exists() or one.id in before
    ]
    beside = [before[frozen.ID]] if frozen.ID in before else []
    if any(frozen.ID.startswith(name) for name in only):
        beside = [frozen.frozen_row(root, manifest.rows, cache=cache, runs=runs, progress=progress)]
    return report.write(done, output, runs=runs.parent, beside=beside)


def _table(output: Path) -> dict[str, Any]:
    """The rows that the table has, by id."""
    file = output / "published.json"
    rows = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return {row["id"]: row for row in rows}


def _file(runs: Path, experiment: Experiment) -> Path:
    return runs / f"{experiment.id.replace('/', '--')}.json"


def _load(
    kind: str, every: Sequence[Experiment], root: Path, rows: Sequence[Row], cache: Path, progress: bool
) -> tuple[Any, dict[str, int]]:
    users = [one for one in every if one.inputs == kind or (kind == "stack" and one.inputs.startswith("stack"))]
    corpora = {name for one in users for name in (*one.corpora, *one.unseen)}
    if not kind.startswith(("stack", "sequences")):
        corpora = {name for one in every for name in (*one.corpora, *one.unseen)}  # the means of all clips are one cache
    clips = [row for row in rows if row.corpus in corpora]
    return inputs.load(kind, root, clips, cache, progress=progress), {row.path: i for i, row in enumerate(clips)}


def run(
    experiment: Experiment,
    rows: Sequence[Row],
    every: Sequence[Row],
    x: Any,
    place: dict[str, int],
    *,
    epochs: int,
) -> dict[str, Any]:
    """One row of the table.

    Parameters
    ----------
    rows : the experiment's clips; ``every`` the manifest's
    x, place : inputs, and a clip's index in them by its path
    """
    labels = sorted(experiment.emotions)
    folds = experiment.make_folds(rows)
    results, fitted = training.run_folds(experiment, x, place, folds, labels, epochs=epochs)
    confusion = np.sum([result["confusion"] for result in results], axis=0)
    each = [training.uar(np.array(result["confusion"])) for result in results]
    front_end = inputs.stack if experiment.inputs.startswith(("stack", "seq")) else inputs.means
    elsewhere = {}
    for corpus in experiment.unseen:
        others = [row for row in every if row.corpus == corpus and row.emotion in labels]
        if others:
            target = np.array([labels.index(row.emotion) for row in others])
            table = np.zeros((len(labels), len(labels)), np.int64)
            np.add.at(table, (target, fitted[0].predict(x[[place[row.path] for row in others]])), 1)
            elsewhere[corpus] = {
                "clips": len(others),
                "labels": sorted({row.emotion for row in others}),
                "accuracy": round(100 * float(np.trace(table) / table.sum()), 1),
                "uar": round(training.uar(table), 1),
            }
    devs = [result["dev"] for result in results if result["dev"] is not None]
    return {
        "id": experiment.id,
        "system": experiment.system,
        "data": experiment.data,
        "variant": experiment.variant,
        "protocol": experiment.protocol,
        "note": experiment.note,
        "corpora": sorted({row.corpus for row in rows}),
        "absent": experiment.absent(every),
        "unseen_absent": sorted(set(experiment.unseen) - set(elsewhere)),
        "clips": len(rows),
        "speakers": len({row.speaker for row in rows}),
        "folds": len(folds),
        "labels": labels,
        "epochs": epochs if experiment.network else None,
        "published_epochs": experiment.published_epochs,
        "published": dict(experiment.published),
        "train": round(float(np.mean([result["train"] for result in results])), 1),
        "validation": round(float(np.mean(devs)), 1) if devs else None,
        "test": round(float(np.mean([result["test"] for result in results])), 1),
        "uar": round(float(np.mean(each)), 1),
        "uar_std": round(float(np.std(each)), 1),
        "per_class": training.per_class(confusion, labels),
        "confusion": confusion.tolist(),
        "never_answered": [label for i, label in enumerate(labels) if not confusion[:, i].sum()],
        "unseen_corpora": elsewhere,
        "seconds": round(float(np.mean([result["seconds"] for result in results])), 1),
        "parameters": fitted[0].parameters,
        "latency_ms": {name: round(value, 2) for name, value in training.latency_ms(fitted[0], x, front_end).items()},
        "history": results[0]["history"],
        "fold_results": [{key: result[key] for key in ("name", "clips", "train", "dev", "test")} for result in results],
    }
