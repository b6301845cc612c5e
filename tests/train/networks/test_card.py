"""What a card says of a network that learned from the public corpora, from own recordings, from both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from train.data import splits
from train.networks import card

WEIGHTS = Path(__file__).parents[3] / "weights"
SHARE_ALIKE = "CC BY-NC-SA 4.0"


def scores(protocol: str, emotions: int) -> dict[str, Any]:
    return {
        "protocol": f"{protocol}: clip by clip",
        "uar_mean": 61.54,
        "per_class_recall": dict.fromkeys(map(str, range(emotions))),
    }


@pytest.mark.parametrize("name", ["mlp", "cnn", "large"])
def test_the_shipped_cards_say_what_this_code_would(name: str) -> None:
    shipped = json.loads((WEIGHTS / f"{name}.json").read_text(encoding="utf-8"))
    corpora = shipped["training"]["corpora"]
    assert card.headline(shipped["scores"], shipped["strangers"], shipped["unseen"]["corpus"]) == shipped["headline"]
    assert card.licence(corpora) == shipped["licence"] == SHARE_ALIKE
    failures = card.known_failures(corpora)
    assert failures == shipped["known_failures"][: len(failures)]


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        ("emobox", "61.5 % UAR, 3 emotions, unseen actors"),
        ("speaker", "61.5 % UAR, 3 emotions, unseen speakers"),
        ("random", "61.5 % UAR, 3 emotions, a random split, speakers known"),
    ],
)
def test_a_headline_says_whose_voices_were_asked(protocol: str, told: str) -> None:
    assert card.headline(scores(protocol, 3), None) == told
    assert card.headline(None, None) == "not yet scored"


def test_every_protocol_of_folds_says_who_was_tested() -> None:
    assert set(card.TESTED) == set(splits.PROTOCOLS) - {"cross"}


@pytest.mark.parametrize(
    ("corpora", "told"),
    [
        (["emodb", "nemo"], SHARE_ALIKE),
        (["folder", "ravdess_speech"], SHARE_ALIKE),
        (["folder", "folder_office"], "its owner's: trained on own recordings alone"),
        (["crema_d", "folder"], "see its training data: crema_d: ODbL 1.0"),
    ],
)
def test_the_corpora_decide_the_licence(corpora: list[str], told: str) -> None:
    assert card.licence(corpora) == told


def test_failures_name_the_languages_and_own_recordings() -> None:
    public, own, both = (card.known_failures(names) for names in (["emodb", "tess"], ["folder_a"], ["folder", "nemo"]))
    assert "actors (English, German)" in public[0]
    assert "owner's recordings" in own[0]
    assert "actors" not in own[0]
    assert ["(Polish)" in both[0], "owner's recordings" in both[1]] == [True, True]
    assert public[1:] == own[1:] == both[2:]
