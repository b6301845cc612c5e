"""What a card says of a network that learned from the public corpora, from own recordings, from both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from train.data import splits
from train.data.manifest import Row
from train.networks import card
from train.settings import load_setup

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


def _row(corpus: str, speaker: str, emotion: str) -> Row:
    return Row(f"{corpus}/{speaker}.wav", corpus, f"{corpus}-{speaker}", emotion, "", "", "", "speech", 2.0, speaker)


def test_a_taught_model_names_readers_sounds_its_teacher_and_the_encoder() -> None:
    rows = [_row("folder", "me", "happy"), _row("librispeech", "19", "plain"), _row("sounds", "esc_rain_1", "nobody")]
    settings = load_setup().train
    made = card.facts("mlp", settings, rows, None, None, 3.0, "c")
    training = made["training"]
    assert (training["corpora"], training["clips"], training["speakers"]) == (["folder", "librispeech", "sounds"], 3, 2)
    assert made["licence"] == "see its training data: librispeech: CC BY 4.0; sounds: CC BY-NC 3.0"
    assert made["notice"].startswith("Whisper tiny.en (stem and first three blocks of the encoder): MIT")
    assert training["teacher"]["model"] == "large"
    assert training["teacher"]["encoder"]["file"] == "whisper-tiny-en.npz"
    assert training["steps"] == 12000
    assert "epochs" not in {**training, **training["recipe"]}
    assert not any("actors" in failure for failure in made["known_failures"][:1]), "readers do not act"
    # From labels alone there is neither, and epochs count.
    alone = replace(settings, mlp=replace(settings.mlp, taught=None))
    made = card.facts("mlp", alone, rows[:1], None, None, 3.0, "c")
    assert {"notice", "teacher", "steps"}.isdisjoint({**made, **made["training"]})
    assert made["training"]["epochs"] == 60
    assert made["licence"] == "its owner's: trained on own recordings alone"
    # Without readers and sounds it still has its teacher's encoder.
    assert card.facts("mlp", settings, rows[:1], None, None, 3.0, "c")["licence"].endswith("and the encoder in its notice")
