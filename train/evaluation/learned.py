"""Whose voices a network has learned from: scores on them are no scores for people it never met."""

from __future__ import annotations

from collections.abc import Iterable

from realtime_ser.model.card import Card
from train.data.splits import family_of


def learned_from(card: Card, corpora: Iterable[str]) -> list[str]:
    """Those of ``corpora`` whose speakers a card's network has learned from: of the same family as one that the card names."""
    families = {family_of(name) for name in (card.raw.get("training") or {}).get("corpora", ())}
    return sorted({name for name in corpora if family_of(name) in families})
