"""``python -m train card``: what ``evaluate --bars`` measured of a bundle becomes part of its card."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realtime_ser.bench.hop import hop_ms
from realtime_ser.config import Config, load_config
from realtime_ser.errors import ConfigError
from realtime_ser.model.card import Card, read_card
from realtime_ser.model.classifier import load_model
from train.atomic import write_text
from train.evaluation.bars import PARTS, bars_file, kept_bars, of_engine
from train.networks.card import headline

ABOUT = "learned from all speakers of all corpora named here: scores are of corpora and parts that it never learned from"
_FOR_PICTURES = ("adaptation", "by_share")


def put_on_card(path: Path, runs: Path) -> Card:
    """Write the measured figures, the headline that follows from them and the cost of a hop into a card; returns it.

    Parts that were bounded to a few clips, or measured on a corpus that the network learned from, are left out and said.

    Parameters
    ----------
    path : of the card
    runs : where ``evaluate --bars`` put the figures

    Raises
    ------
    ConfigError : there are no figures of this very network, as the program runs it by default
    """
    card = read_card(path)
    name, found = kept_bars(runs, card, of_engine(load_config()))
    if not found:
        wanted = f"python -m train evaluate --bundle {path} --bars"
        raise ConfigError(
            f"{bars_file(runs, name)} has nothing of this network with the shipped settings; run `{wanted}` first"
        )
    if "settings" not in found:
        file = bars_file(runs, name)
        print(f"train: {file} does not name its settings; its figures are taken for those of the shipped ones", file=sys.stderr)
    raw = dict(card.raw)
    unseen = {"about": ABOUT, **dict(raw.get("unseen") or {}), **_for_card(found)}
    raw["unseen"] = unseen
    raw["headline"] = headline(raw.get("scores"), raw.get("strangers"), unseen.get("corpus"))
    corpus = unseen.get("corpus") or {}
    if not raw.get("scores") and corpus:
        raw["scores"] = {"command": corpus["command"]}
    cost = hop_ms(load_model(path), Config())
    if cost is not None:
        raw["hop_ms"] = round(cost, 2)
    write_text(path, json.dumps(raw, indent=2) + "\n")
    return read_card(path)


def take_measured(path: Path, runs: Path) -> Card:
    """The same for an export: a card whose network has not been measured stays as it is, and what to run is said."""
    try:
        return put_on_card(path, runs)
    except ConfigError as error:
        print(f"train: {error}, then `python -m train card --bundle {path}`", file=sys.stderr)
        return read_card(path)


def _for_card(found: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that a card may boast of."""
    parts: dict[str, Any] = {}
    for name in PARTS:
        part = dict(found.get(name) or {})
        if not part:
            continue
        on_people = name in ("corpus", "spoilt", "conversation")
        if "bounded_to" in part:
            print(f"train: {name} was measured on {part['bounded_to']} clips alone; the card does not get it", file=sys.stderr)
        elif on_people and found.get("learned_from_it"):
            print(f"train: {name} is of people that it learned from; the card does not get it", file=sys.stderr)
        else:
            parts[name] = {key: value for key, value in part.items() if name != "corpus" or key not in _FOR_PICTURES}
    if everyday := parts.get("everyday"):
        share = found.get("neutral_share")
        shown = {"none", "none" if share is None else f"{share:g}", "0.5", "0.7"}
        everyday["by_share"] = {key: row for key, row in everyday["by_share"].items() if key in shown}
        # What the program shows by default.
        everyday["neutral_share"] = share
    return parts
