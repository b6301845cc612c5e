"""What a card says of people its network never met, and what it does not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from realtime_ser.model.unseen import shipped_score, unseen_score

CORPUS = {"corpus": "ased", "four_cold": 48.3, "four_known": 51.1}


def card(**corpus: Any) -> dict[str, Any]:
    return {"name": "mlp", "latency_ms": 0.1, "unseen": {"corpus": {**CORPUS, **corpus}}}


def test_the_score_and_its_cost() -> None:
    score = unseen_score(card())
    assert score is not None
    assert (str(score), score.hop_ms) == ("48 to 51 %", 0.1)
    assert str(unseen_score(card(four_known=44.0))) == "44 to 48 %", "adapting may cost"
    assert str(unseen_score(card(four_known=48.4))) == "48 %"
    whole = unseen_score({**card(), "hop_ms": 1.2})
    assert whole is not None
    assert whole.hop_ms == 1.2, "a whole hop rather than the network alone"


@pytest.mark.parametrize("wrong", [None, "50", True, float("nan"), -1, 101, [50]])
def test_no_percentage_is_no_score(wrong: Any) -> None:
    assert unseen_score(card(four_cold=wrong)) is None
    score = unseen_score({**card(), "latency_ms": "fast"})
    assert score is not None
    assert score.hop_ms is None


@pytest.mark.parametrize("raw", [{}, {"unseen": 3}, {"unseen": {"corpus": []}}, {"unseen": {"corpus": {}}}, {"unseen": {}}])
def test_a_card_without_it_says_nothing(raw: dict[str, Any]) -> None:
    assert unseen_score(raw) is None


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, json.dumps({"unseen": {}})])
def test_a_damaged_card_says_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    assert shipped_score(tmp_path / "a.json") is None
    assert shipped_score(tmp_path / "absent.json") is None
