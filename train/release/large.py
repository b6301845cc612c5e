"""``large`` and ``cnn`` as they ship: the network of ``fit`` with every score that has been measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realtime_ser.config import load_config
from realtime_ser.model.card import Card
from realtime_ser.model.classifier import load_model
from train.data.corpora import LABELS
from train.evaluation.bars import of_engine, read_bars
from train.evaluation.everyday import everyday
from train.evaluation.large import EVERYDAY, STRANGERS, Workshop, strangers, written_scores
from train.evaluation.nobody import sounds
from train.evaluation.vote import shipped_vote
from train.networks.large_card import facts
from train.networks.waveform_bundle import write_bundle
from train.release.measured import put_on_card


def ship(shop: Workshop, weights: Path) -> Card:
    """Train on everybody, or load that run; write the bundle with its card.

    Its scores on what it never learned from are those of ``evaluate --bars``, where that has measured this very network;
    otherwise they are measured here, as the program runs by default.
    """
    network = shop.network(shop.acted, "all")
    runs = shop.paths.runs
    cross, folds = written_scores(shop, "cross"), written_scores(shop, "emobox")
    labels = [label for label in LABELS if any(row.emotion == label for row in shop.acted)]
    vote = shipped_vote(shop, weights, labels)
    # The card's scores are of what answers; of the graph alone it has the means.
    voted = [written_scores(shop, f"{name}-vote") if vote else {} for name in ("cross", "emobox")]
    path, recipe = weights / f"{shop.system}.onnx", shop.recipe
    fitted = cross or folds or {"temperature": 1.0, "cold": recipe.cold}
    histories = [json.loads((folder / "history.json").read_text(encoding="utf-8")) for folder in shop.folders("all")]

    def write(**measured: Mapping[str, Any]) -> Card:
        about = facts(
            shop.system,
            recipe,
            (*shop.acted, *shop.school.beside),
            seed=shop.settings.seed,
            command=shop.command(f"export --system {shop.system}"),
            seconds=sum(entry["seconds"] for history in histories for entry in history),
            cross=(voted[0] or cross).get("scores"),
            scores=(voted[1] or folds).get("scores"),
            **measured,
        )
        if vote:
            about |= {"vote": vote, "alone": _alone(cross, folds)}
        return write_bundle(
            network,
            path,
            name=shop.system,
            temperature=float(fitted["temperature"]),
            memory_s=recipe.memory_s,
            cold=float(fitted["cold"]),
            nobody_from=shop.nobody_from,
            labels=labels,
            facts=about,
        )

    card = write()
    live = load_config()
    if read_bars(runs, shop.system, card.identity, of_engine(live)):
        return put_on_card(card.path, runs)
    classifier = load_model(card.path)
    measured: dict[str, Mapping[str, Any]] = {}
    if shop.tested(STRANGERS):
        measured["strangers"] = strangers(classifier, shop)
    else:
        print(f"train: no clip of {STRANGERS}, so the card has no score of people never met", file=sys.stderr)
    if readers := shop.tested(*EVERYDAY):
        shares = (None, live.smoothing.neutral_share)
        measured["everyday"] = everyday(classifier, shop.corpora, readers, live, shares)
    if silent := shop.tested("sounds"):
        measured["sounds"] = sounds(classifier, shop.corpora, silent, live)
    return write(**measured)


def _alone(cross: Mapping[str, Any], folds: Mapping[str, Any]) -> dict[str, float]:
    """The graph's own means of leave-one-corpus-out and of RAVDESS's folds, in percent."""
    corpora = cross.get("scores", {}).get("corpora", {}).values()
    found = {key: round(sum(row[key] for row in corpora) / len(corpora), 1) for key in ("four_clip", "four_stream") if corpora}
    return found | ({"uar_mean": folds["scores"]["uar_mean"]} if folds else {})
