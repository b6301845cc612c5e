"""``large`` or ``cnn`` with the vote of ``mlp``, as it ships: the folds of both, which learned from the same people."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realtime_ser.errors import ConfigError
from realtime_ser.model.card import Card, read_card
from train.atomic import write_text
from train.data.corpora import LABELS
from train.data.splits import Split
from train.evaluation import scores as scoring
from train.evaluation.folds import Job, scored
from train.evaluation.large import (
    VOTER,
    Workshop,
    folds_of,
    keep,
    of_folds,
    of_seeds,
    played,
    some,
    table,
    written_scores,
)
from train.networks import ensemble
from train.networks.waveform_bundle import write_bundle


def vote_of(voter: Card, share: float, temperature: float = 1.0) -> Mapping[str, Any]:
    """A card's ``vote``: with the network of this card."""
    return {"model": voter.path.stem, "sha256": voter.sha256, "share": share, "temperature": round(temperature, 4)}


def fold_bundle(shop: Workshop, fold: Split, number: int = 0) -> Path:
    """Write what ships of a fold, both networks with the temperatures that ship; returns the card of the larger one.

    Networks that are not in the runs are trained.

    Parameters
    ----------
    number : of the repetition, of both networks

    Raises
    ------
    ConfigError : leave-one-corpus-out, which fits these temperatures, has not been scored
    """
    own, settings = written_scores(shop, "cross"), shop.settings
    other = scored(shop.paths, settings, shop.acted, Job(VOTER, "cross"))
    for system, found in ((shop.system, own), (VOTER, other)):
        if not found:
            raise ConfigError(
                f"run `python -m train evaluate --system {system} --protocol cross` before: it fits a temperature"
            )
    folder = shop.place(fold.name, number) / "vote"
    folder.mkdir(parents=True, exist_ok=True)
    trained = ensemble.train(
        shop.school,
        fold.train,
        settings,
        VOTER,
        shop.paths.runs,
        fold.name,
        number=number,
        threads=shop.threads,
        test=fold.test,
    )
    voter = trained.export(folder / f"{VOTER}.onnx", name=VOTER, temperature=float(other["temperature"]))
    temperature = float(written_scores(shop, "cross-vote").get("temperature", 1.0))
    return write_bundle(
        shop.network(fold.train, fold.name, number),
        folder / f"{shop.system}.onnx",
        name=shop.system,
        temperature=float(own["temperature"]),
        memory_s=shop.recipe.memory_s,
        cold=float(own["cold"]),
        nobody_from=shop.nobody_from,
        facts={"vote": vote_of(voter, settings.vote, temperature)},
    ).path


def score(shop: Workshop, protocol: str, *, seeds: int = 1, only: Sequence[int] = ()) -> Mapping[str, Any]:
    """Score the folds with the vote; writes ``scores-PROTOCOL-vote.json`` into the runs of the system, and returns that.

    The mean's temperature is fitted on leave-one-corpus-out, cold clips and known voices alike, and holds for other protocols.

    Parameters
    ----------
    seeds : number of repetitions of both networks
    only : numbers of folds, from 1 on, whose scores are printed and not written; none: all

    Raises
    ------
    ConfigError : see ``fold_bundle``
    """
    began = time.perf_counter()
    folds = some(folds_of(protocol, shop.acted), only)
    apart, joined = played(shop, folds, seeds, lambda fold, number: _untempered(fold_bundle(shop, fold, number)))
    if protocol == "cross":
        temperature = scoring.best_temperature(scoring.join([clips for part in (*apart, *joined) for clips in part]))
    else:
        temperature = float(written_scores(shop, "cross-vote").get("temperature", 1.0))
    apart, joined = ([[scoring.tempered(clips, temperature) for clips in seed] for seed in part] for part in (apart, joined))
    asked = f"evaluate --system {shop.system} --protocol {protocol} --vote{of_seeds(seeds)}{of_folds(only)}"
    written = {
        "scores": {
            **table(protocol, folds, apart, joined, shop.command(asked)),
            "vote": {"model": VOTER, "share": shop.settings.vote},
        },
        "temperature": round(temperature, 4),
        "digest": shop.digest(f"{protocol}-vote"),
        "seconds": time.perf_counter() - began,
    }
    keep(shop, f"{protocol}-vote", written, only)
    return written


def _untempered(path: Path) -> Path:
    """The same voting bundle, its mean left as it is."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["vote"]["temperature"] = 1.0
    write_text(path, json.dumps(raw, indent=2) + "\n")
    return path


def shipped_vote(shop: Workshop, weights: Path, labels: Sequence[str] = LABELS) -> Mapping[str, Any] | None:
    """The ``vote`` of the card that ships, with the ``mlp`` that lies beside it.

    None where there is none, it has other labels than these, or ``score`` has not fitted the mean's temperature: the system
    then answers alone.
    """
    beside, found = weights / f"{VOTER}.json", written_scores(shop, "cross-vote")
    if not shop.settings.vote or not found or not beside.is_file():
        return None
    voter = read_card(beside)
    if voter.labels != tuple(labels):
        few = f"{beside} has {len(voter.labels)} labels and {shop.system} {len(labels)}"
        print(f"train: {few}, so {shop.system} answers alone", file=sys.stderr)
        return None
    return vote_of(voter, shop.settings.vote, float(found["temperature"]))
