"""``python -m train vote``: a finished bundle gets the vote of the ``mlp`` that ships."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from realtime_ser.errors import ConfigError
from realtime_ser.model.card import Card, read_card
from realtime_ser.model.classifier import load_model
from train.atomic import write_text
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.evaluation import scores as scoring
from train.evaluation.both_ways import both_ways
from train.evaluation.folds import Job, folds_of, scored
from train.evaluation.large import VOTER
from train.evaluation.vote import vote_of
from train.networks import ensemble
from train.paths import Paths
from train.settings import Setup


def add_vote(paths: Paths, setup: Setup, rows: tuple[Row, ...], path: Path, share: float, corpus: str) -> Card:
    """Fit the mean's temperature on people whom neither network met, and write ``vote`` into the card.

    There the voter is the ``mlp`` of leave-one-corpus-out that did not learn from ``corpus``; beside the bundle it is the one
    that ships.

    Parameters
    ----------
    path : of the card; the ``mlp`` that ships lies beside it
    share : the voter's weight; 0: the card loses its vote

    Raises
    ------
    ConfigError : the bundle learned from ``corpus``, there is no such fold, or it has not been scored
    """
    raw = json.loads(path.read_text(encoding="utf-8"))
    for key in ("vote", "vote_fitted_on"):
        raw.pop(key, None)
    if share:
        temperature = _temperature(paths, setup, rows, path, share, corpus)
        raw["vote"] = dict(vote_of(read_card(path.with_name(f"{VOTER}.json")), share, temperature))
        raw["vote_fitted_on"] = corpus
    write_text(path, json.dumps(raw, indent=2) + "\n")
    return load_model(path).card


def _temperature(paths: Paths, setup: Setup, rows: tuple[Row, ...], path: Path, share: float, corpus: str) -> float:
    card, settings, job = read_card(path), setup.train, Job(VOTER, "cross")
    if corpus in (card.raw.get("training") or {}).get("corpora", ()):
        raise ConfigError(f"{card.name} learned from {corpus}, so it says nothing about strangers; give another corpus")
    found = [fold for fold in folds_of("cross", rows, settings, VOTER) if fold.name == f"cross-{corpus}"]
    known = scored(paths, settings, rows, job)
    if not found or not known:
        command = f"evaluate --system {VOTER} --protocol cross"
        raise ConfigError(f"no scores of a {VOTER} that did not learn from {corpus}; run `{command}`")
    (fold,) = found
    folder = paths.runs / "vote" / f"{card.name}-{corpus}"
    folder.mkdir(parents=True, exist_ok=True)
    data = ensemble.load_data(paths, rows, settings, VOTER)
    trained = ensemble.train(data, fold.train, settings, VOTER, paths.runs, fold.name, test=fold.test)
    voter = trained.export(folder / f"{VOTER}.onnx", name=VOTER, temperature=float(known["temperature"]))
    beside = folder / path.name
    shutil.copy(card.onnx_path, beside.with_suffix(".onnx"))
    write_text(beside, json.dumps({**card.raw, "vote": vote_of(voter, share)}) + "\n")
    clips = [row for row in fold.test if row.emotion in LABELS]
    played = both_ways(beside, paths.corpora, clips)
    for how, part in zip(("cold", "known"), played, strict=True):
        print(f"{card.name} with {share:g} of {VOTER}, {corpus} {how}: {scoring.uar(scoring.among(part, scoring.FOUR)):.1f} %")
    return scoring.best_temperature(scoring.join(played))
