"""How often a bundle is right on people it never met, by its card; nothing where the card does not say."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GUESSING = 25.0  # percent, of four emotions
_MAX_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class UnseenScore:
    """A card's score on a corpus that its network never learned from: the mean of four emotions' recalls, percent.

    Attributes
    ----------
    name : of the bundle
    corpus : which
    cold : each clip a stream of its own
    known : once the stream has adapted to the voice
    hop_ms : milliseconds of a hop where the bundle was made; None: its card does not say
    """

    name: str
    corpus: str
    cold: float
    known: float
    hop_ms: float | None

    def __str__(self) -> str:
        low, high = sorted((round(self.cold), round(self.known)))
        return f"{low} %" if low == high else f"{low} to {high} %"


def unseen_score(card: Mapping[str, Any]) -> UnseenScore | None:
    """The score on a raw card; None where it has none, or one that is no percentage."""
    unseen = card.get("unseen")
    corpus = unseen.get("corpus") if isinstance(unseen, Mapping) else None
    if not isinstance(corpus, Mapping):
        return None
    cold, known, name = corpus.get("four_cold"), corpus.get("four_known"), corpus.get("corpus")
    if not (_within(cold, 100) and _within(known, 100) and isinstance(name, str)):
        return None
    cost = card.get("hop_ms", card.get("latency_ms"))
    return UnseenScore(str(card.get("name", "")), name, float(cold), float(known), float(cost) if _within(cost, 1e6) else None)  # type: ignore[arg-type]


def shipped_score(path: Path) -> UnseenScore | None:
    """The score on the card of a bundle that is not loaded; None for a card that cannot be read.

    The card is not checked: that would cost a stream's start more than reading it.
    """
    try:
        with path.open("rb") as file:
            raw = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return unseen_score(raw) if isinstance(raw, Mapping) else None


def _within(value: object, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= most
