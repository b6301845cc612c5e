"""``large`` with the vote of ``mlp``: its folds, the temperature of the mean, what ships, and a finished bundle's vote."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_ser.config import resource
from realtime_ser.model.card import read_card
from realtime_ser.model.classifier import load_model
from train.__main__ import main

_OTHERS = ("neu", "gio", "tri", "rab", "pau", "dis", "sor")


@pytest.fixture
def two_corpora(corpus: Path, tmp_path: Path) -> Path:
    """The toy corpus, and its first two voices backwards as another one with the labels that it lacks."""
    root = tmp_path / "corpora"
    shutil.copytree(corpus, root)
    (root / "emovo").mkdir()
    for speaker in (1, 2):
        files = sorted((root / "ravdess_speech").glob(f"*-0{speaker}.flac"))
        for number, emotion in enumerate(_OTHERS):
            samples, rate = soundfile.read(files[number % len(files)], dtype="float32")
            soundfile.write(root / "emovo" / f"{emotion}-f{speaker}-b{number}.flac", np.roll(samples[::-1], number), rate)
    return root


@pytest.mark.usefixtures("untrained_encoder")
@pytest.mark.slow
def test_folds_temperature_and_what_ships(
    two_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("train.release.large.strangers", lambda *_: {})
    runs, weights = tmp_path / "runs", tmp_path / "weights"
    changes = ["variants=[]", "mlp.variants=[]", "mlp.network={hidden: [8]}", "mlp.taught.steps=3", "mlp.taught.answers=8"]
    changes += ["large.steps=2", "large.groups=2", "large.drawn=12", "use=[ravdess_speech, emovo]", "vote=0.3"]
    changes += ["nobody_from.large=0.6"]
    common = ["--corpora", str(two_corpora), "--cache", str(tmp_path / "cache")]
    common += [word for change in changes for word in ("--set", f"train.{change}")]
    assert main(["prepare", *common]) == 0
    common += ["--runs", str(runs)]
    cross = ["evaluate", *common, "--protocol", "cross", "--system"]
    assert main([*cross, "large", "--vote"]) == 2
    assert "evaluate --system large --protocol cross" in capsys.readouterr().err
    for system in (["large"], ["mlp"], ["large", "--vote"]):
        assert main([*cross, *system]) == 0
    found = json.loads((runs / "large" / "scores-cross-vote.json").read_text())
    assert set(found["scores"]["corpora"]) == {"ravdess", "emovo"}
    assert found["scores"]["vote"] == {"model": "mlp", "share": 0.3}
    fold = load_model(runs / "large" / "cross-emovo" / "vote" / "large.json")
    assert fold.voter is not None
    assert fold.voter.card.raw["fitted_temperature"] == pytest.approx(
        json.loads((runs / "mlp" / "scores-cross.json").read_text())["temperature"], abs=1e-3
    )
    # A second repetition has networks of its own, and the score is of both.
    assert main([*cross, "large", "--vote", "--seeds", "2", "--fold", "2"]) == 0
    assert "cross-emovo-again-1: " in capsys.readouterr().out
    first, again = (runs / "large" / f"cross-emovo{end}" / "vote" for end in ("", "-again-1"))
    for name in ("large.onnx", "mlp.onnx"):
        assert (first / name).read_bytes() != (again / name).read_bytes()
    (runs / "large" / "scores-cross-vote.json").write_text(json.dumps(found))
    assert main([*cross, "large", "--elsewhere", "--fold", "2"]) == 0
    said = capsys.readouterr().out
    assert "cross-emovo cold" in said
    assert "cross-emovo known" in said
    assert re.search(r"cross-emovo cold.*   \d+ and \d+ of \d+\n", said)
    # Without an mlp beside it large ships alone; with it, with its vote.
    export = ["export", *common, "--weights", str(weights), "--system"]
    assert main([*export, "large"]) == 0
    assert read_card(weights / "large.json").vote is None
    assert main([*export, "mlp"]) == 0
    few = json.loads((weights / "mlp.json").read_text())
    (weights / "mlp.json").write_text(json.dumps({**few, "labels": few["labels"][:4]}))
    capsys.readouterr()
    assert main([*export, "large"]) == 0
    assert "has 4 labels and large 8" in capsys.readouterr().err
    (weights / "mlp.json").write_text(json.dumps(few))
    assert main([*export, "large"]) == 0
    shipped = load_model(weights / "large.json")
    assert shipped.voter is not None
    assert shipped.card.vote is not None
    assert (shipped.card.vote.share, shipped.card.vote.temperature) == (0.3, found["temperature"])
    assert shipped.card.raw["strangers"]["vote"]["model"] == "mlp"
    # The folds are scored with the limit for "nobody" that ships.
    for each in (shipped, fold):
        assert each.voter is not None
        assert (each.card.nobody_from, each.voter.card.nobody_from) == (0.6, 0.25)
    assert shipped.card.raw["alone"]["four_clip"] > 0


def _without(folder: Path, corpus: str) -> str:
    """A copy of ``cnn`` whose card names one corpus less; returns its path."""
    card = json.loads((resource("weights") / "cnn.json").read_text(encoding="utf-8"))
    card["training"]["corpora"].remove(corpus)
    (folder / "cnn.json").write_text(json.dumps(card), encoding="utf-8")
    for name in ("cnn.onnx", "mlp.onnx", "mlp.json"):
        shutil.copy(resource("weights") / name, folder)
    return str(folder / "cnn.json")


def test_a_bundle_that_learned_from_the_corpus_gets_no_vote(
    two_corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--corpora", str(two_corpora), "--cache", str(tmp_path / "cache")]
    assert main(["prepare", *common, "--set", "train.variants=[]", "--set", "train.mlp.variants=[]"]) == 0
    stranger = _without(tmp_path, "emovo")
    cases = (("cnn", "emodb", "learned from emodb"), (stranger, "emovo", "no scores of a mlp that did not learn from emovo"))
    for bundle, corpus, message in cases:
        vote = ["vote", *common, "--runs", str(tmp_path / "runs"), "--bundle", bundle, "--share", "0.5", "--corpus", corpus]
        assert main(vote) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert main(["vote", *common, "--bundle", "cnn", "--share", "1.5"]) == 2
    assert "--share" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--vote"], "--vote and --elsewhere take --system large"),
        (["--elsewhere"], "--vote and --elsewhere take --system large"),
        (["--system", "large", "--elsewhere", "--seeds", "3"], "--elsewhere takes one seed"),
    ],
)
def test_what_the_vote_does_not_go_with_is_said(given: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *given]) == 2
    assert message in capsys.readouterr().err
