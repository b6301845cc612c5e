"""The page beside the weights says what the cards say."""

from __future__ import annotations

import json
from pathlib import Path

from train.release.weights_page import write_page

CARD = {
    "name": "tiny",
    "recipe": "joint",
    "description": "a network",
    "parameters": 1234567,
    "window_s": 3.0,
    "min_window_s": 1.0,
    "latency_ms": 1.234,
    "training": {
        "corpora": ["ravdess_speech", "tess"],
        "clips": 2377,
        "speakers": 26,
        "seed": 0,
        "seconds": 600,
        "command": "python -m train export --system tiny",
        "commit": "abc1234",
    },
    "scores": {
        "protocol": "emobox: each clip streamed",
        "uar_mean": 61.5,
        "uar_std_folds": 3.1,
        "uar_ci95": [57.0, 66.0],
        "uar_seeds": [61.0, 62.0],
        "by_speaker": {"uar_mean": 65.0, "uar_std_folds": 2.0, "uar_ci95": [60.0, 70.0]},
        "per_class_recall": {"sad": 40.0},
        "per_gender": {"female": 70.0, "male": 50.0},
        "per_intensity": {"normal": 50.0, "strong": 70.0},
        "ece": 0.03,
        "clips": 1439,
        "clips_without_speech": 3,
        "command": "python -m train evaluate --system tiny",
    },
    "strangers": {
        "four_stream": {"mean": 70.0, "worst": 55.0},
        "four_clip": {"mean": 56.0, "worst": 41.0},
        "corpora": {
            "tess": {
                "speakers": 2,
                "labels": ["sad", "angry"],
                "four_stream": 90.0,
                "four_stream_ci95": [85.0, 95.0],
                "all_stream": 70.0,
            }
        },
        "command": "python -m train evaluate --system tiny --protocol cross",
    },
    "known_failures": ["whispering"],
}


def test_the_page_tells_good_and_bad_with_the_commands_that_print_them(tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(CARD))
    page = write_page(tmp_path).read_text()
    for told in (
        "1,234,567",
        "61.5",
        "57 to 66",
        "worst **55.0**",
        "tested on tess",
        "sad 40.0",
        "whispering",
        "abc1234",
        "1.23 ms",
    ):
        assert told in page, told
    for command in ("evaluate --system tiny`", "--protocol cross`", "export --system tiny`"):
        assert command in page, command
    assert "CC BY-NC-ND 4.0" in page


def test_an_unscored_card_is_no_fault(tmp_path: Path) -> None:
    bare = {key: value for key, value in CARD.items() if key not in ("scores", "strangers", "training")}
    (tmp_path / "tiny.json").write_text(json.dumps(bare))
    assert "`tiny`" in write_page(tmp_path).read_text()


def test_the_page_tells_what_the_scored_networks_knew_before(tmp_path: Path) -> None:
    for others, told in ((0, False), (1, True)):
        training = {**CARD["training"], "recipe": {"others_first": others}}  # type: ignore[dict-item]
        (tmp_path / "tiny.json").write_text(json.dumps({**CARD, "training": training}))
        assert ("had learned the other corpora" in write_page(tmp_path).read_text()) == told


def test_what_was_never_trained_on_comes_first(tmp_path: Path) -> None:
    unseen = {
        "corpus": {
            "corpus": "ased", "speakers": 65, "four_known": 54.1, "four_cold": 52.3, "four_known_ci95": [50.0, 58.0],
            "four_cold_ci95": [48.0, 56.0], "command": "python -m train evaluate --strangers",
        },
        "everyday": {"speakers": 92, "by_share": {"none": {"plain": 85.7, "angry": 0.3}}},
        "sounds": {"files": 98, "all": {"both": 1.27, "gate": 5.97}, "with_voices": {"both": 0.0}},
    }  # fmt: skip
    card = {**CARD, "unseen": unseen, "notice": "Some encoder: MIT licence", "scores": {"command": "x"}}
    (tmp_path / "tiny.json").write_text(json.dumps(card), encoding="utf-8")
    page = write_page(tmp_path).read_text(encoding="utf-8")
    assert "ased, never trained on" in page
    assert "52.3** (95 %: 48 to 56)" in page
    assert "85.7 / 0.3 %" in page
    assert "windows with an emotion | 1.27 %" in page
    assert "It begins with Some encoder: MIT licence." in page
    taught = {**card, "training": {**CARD["training"], "teacher": {"model": "large"}}}  # type: ignore[dict-item]
    (tmp_path / "tiny.json").write_text(json.dumps(taught), encoding="utf-8")
    assert "Its teacher `large` begins with Some encoder: MIT licence." in write_page(tmp_path).read_text(encoding="utf-8")


def test_a_vote_is_told_and_which_scores_are_without_it(tmp_path: Path) -> None:
    voting = CARD | {"vote": {"model": "mlp", "sha256": "0", "share": 0.6}}
    (tmp_path / "tiny.json").write_text(json.dumps(voting))
    page = write_page(tmp_path).read_text()
    assert "mlp has 0.6 of the answer" in page
    assert "| unseen corpora and actors | of the network without the vote |" in page
    scored = voting | {"strangers": CARD["strangers"] | {"vote": {}}, "alone": {"four_stream": 75.5, "uar_mean": 73.4}}  # type: ignore[operator]
    (tmp_path / "tiny.json").write_text(json.dumps(scored))
    page = write_page(tmp_path).read_text()
    assert "| the network without the vote | unseen corpora as streams 75.5, unseen actors 73.4 |" in page
    assert "| unseen corpora and actors |" not in page


def test_other_files_beside_the_cards_stay_and_are_no_cards(tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(CARD))
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "sad"}}))
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "broken.json").write_text('{"a": 1')
    (tmp_path / "README.md").write_text("# My own page\n")
    page = write_page(tmp_path)
    assert page.name == "MODELS.md"
    assert page.read_text().count("## `") == 1
    assert (tmp_path / "README.md").read_text() == "# My own page\n"
    (tmp_path / "README.md").unlink()
    assert write_page(tmp_path) == write_page(tmp_path) == tmp_path / "README.md"


def test_a_page_about_somebody_elses_network_claims_nothing(tmp_path: Path) -> None:
    """It was called "The shipped models", with 0 parameters, 0 clips and nan ms."""
    card = {"name": "mine", "window_s": 3.0, "min_window_s": 1.0, "front_end": {"recipe": "waveform"}, "headline": "no score"}
    (tmp_path / "mine.json").write_text(json.dumps(card))
    text = write_page(tmp_path).read_text()
    assert text.startswith("# The models here\n")
    assert "recipe `waveform`; windows of 1 to 3 s." in text
    for empty in ("0 parameters", "0 clips", "nan", "trained with", "Known failures"):
        assert empty not in text
    assert write_page(tmp_path).name == "README.md", "its own page is written over"


def test_the_page_says_what_the_scored_networks_lacked(tmp_path: Path) -> None:
    scores = {**CARD["scores"], "without": ["ravdess_speech", "tess"]}  # type: ignore[dict-item]
    (tmp_path / "tiny.json").write_text(json.dumps({**CARD, "scores": scores}))
    assert "did not learn from ravdess_speech, tess, as the bundle did" in write_page(tmp_path).read_text()
