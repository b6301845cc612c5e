"""Before anybody trusts a model the program says how often it is right on people it never met, and what it costs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bundles import write_bundle
from realtime_ser.cli import honest
from realtime_ser.model import classifier
from realtime_ser.model.classifier import find_card


def card(name: str, cold: float, known: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "unseen": {"corpus": {"corpus": "ased", "four_cold": cold, "four_known": known}}, **more}


MLP, LARGE = card("mlp", 48.0, 51.0, latency_ms=0.12, hop_ms=1.1), card("large", 63.0, 70.0, latency_ms=10.0)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cards of ``mlp`` and ``large`` as they would ship."""
    for each in (MLP, LARGE):
        (tmp_path / f"{each['name']}.json").write_text(json.dumps(each))
    monkeypatch.setattr(classifier, "list_bundles", lambda: sorted(tmp_path.glob("*.json")))
    return tmp_path


def test_a_start_names_scores_costs_and_the_better_model(shipped: Path) -> None:
    assert honest.start_text(MLP, 0.25) == (
        "on people never met, four emotions (guessing 25 %): mlp is right 48 to 51 %, about 1.1 ms a hop; large 63 to 70 %,"
        " about 10 ms a hop: --model large fits"
    )
    assert "\n" not in honest.start_text(LARGE, 0.25)
    assert honest.start_text(LARGE, 0.25).endswith("mlp 48 to 51 %, about 1.1 ms a hop")


def test_a_hop_too_short_for_it_promises_nothing(shipped: Path) -> None:
    assert "fits" not in honest.start_text(MLP, 0.1)
    (shipped / "large.json").write_text("{")
    assert "large" not in honest.start_text(MLP, 0.25)
    (shipped / "large.json").write_text(json.dumps(card("large", 40.0, 45.0, latency_ms=1.0)))
    assert "fits" not in honest.start_text(MLP, 0.25), "it is no better"


def test_a_users_own_model_claims_nothing(tmp_path: Path) -> None:
    raw = json.loads(write_bundle(tmp_path, "flat268").read_text())
    assert honest.start_text(raw, 0.25) == honest.score_text(raw) == ""
    assert honest.better_fits([(raw, 1.0), (LARGE, 10.0)], "tiny", 0.25) == ""


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"unseen": {"corpus": {"command": "on strangers"}}, "scores": {"command": "on folds"}}, "on strangers"),
        ({"unseen": {"corpus": {}}, "scores": {"command": "on folds"}}, "on folds"),
        ({"unseen": ["x"], "scores": None}, "not stated"),
        ({"scores": {"command": 3}}, "not stated"),
    ],
)
def test_the_command_is_that_of_the_score_above_it(raw: dict[str, Any], told: str) -> None:
    assert honest.score_command(raw) == told


def test_whether_the_better_model_fits_is_measured() -> None:
    fits = honest.better_fits([(MLP, 1.0), (LARGE, 20.0)], "mlp", 0.25)
    assert fits.startswith("--model large fits: 20 ms of the 250 ms there are")
    assert "mlp 48 to 51 %" in fits
    assert "too close" in honest.better_fits([(MLP, 1.0), (LARGE, 90.0)], "mlp", 0.25)
    assert honest.better_fits([(MLP, 1.0), (LARGE, 20.0)], "large", 0.25) == ""
    assert honest.better_fits([(MLP, 1.0), (LARGE, None)], "mlp", 0.25) == ""


def test_the_shipped_default_says_it_in_one_line() -> None:
    text = honest.start_text(json.loads(find_card("mlp").read_text()), 0.25)
    assert re.match(r"on people never met, four emotions \(guessing 25 %\): mlp is right \d+( to \d+)? %", text)
    assert "large" in text
