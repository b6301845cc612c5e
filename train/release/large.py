"""``large`` as it ships: the network of ``fit`` with every score that has been measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realtime_ser.config import Config
from realtime_ser.model.card import Card
from realtime_ser.model.classifier import Classifier
from train.evaluation.bars import read_bars
from train.evaluation.everyday import everyday
from train.evaluation.large import EVERYDAY, SYSTEM, Workshop, strangers, written_scores
from train.evaluation.nobody import sounds
from train.networks.large_card import facts
from train.networks.waveform_bundle import write_bundle
from train.release.measured import put_on_card


def ship(shop: Workshop, live: Config, weights: Path) -> Card:
    """Train on everybody, or load that run; write the bundle with its card.

    Its scores on what it never learned from are those of ``evaluate --bars``, where that has measured this very network;
    otherwise they are measured here.
    """
    network = shop.network(shop.acted, "all")
    cross, folds = written_scores(shop.paths.runs, "cross"), written_scores(shop.paths.runs, "emobox")
    path, recipe = weights / f"{SYSTEM}.onnx", shop.recipe
    fitted = cross or folds or {"temperature": 1.0, "cold": recipe.cold}
    history = json.loads((shop.paths.runs / SYSTEM / "all" / "history.json").read_text(encoding="utf-8"))

    def write(**measured: Mapping[str, Any]) -> Card:
        about = facts(
            recipe,
            (*shop.acted, *shop.school.beside),
            seed=0,
            seconds=sum(entry["seconds"] for entry in history),
            cross=cross.get("scores"),
            scores=folds.get("scores"),
            **measured,
        )
        return write_bundle(
            network,
            path,
            name=SYSTEM,
            temperature=float(fitted["temperature"]),
            memory_s=recipe.memory_s,
            cold=float(fitted["cold"]),
            facts=about,
        )

    card = write()
    if read_bars(shop.paths.runs, SYSTEM, card.sha256):
        return put_on_card(card.path, shop.paths.runs)
    classifier = Classifier(card)
    return write(
        strangers=strangers(classifier, shop),
        everyday=everyday(classifier, shop.corpora, shop.tested(*EVERYDAY), live, (None, live.smoothing.neutral_share)),
        sounds=sounds(classifier, shop.corpora, shop.tested("sounds"), live),
    )
