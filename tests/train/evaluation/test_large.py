"""``large`` and its pupils on the command line: a toy corpus fitted, scored, exported; and what is said of what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import load_model
from train.__main__ import main
from train.data import manifest
from train.data.corpora import LABELS
from train.data.manifest import Manifest, Row
from train.evaluation import large, vote
from train.evaluation.large import Workshop, folds_of
from train.evaluation.scores import Clips
from train.paths import Paths
from train.settings import TrainSettings


def _row(corpus: str, speaker: str) -> Row:
    path = f"{corpus}/{speaker}.flac"
    return Row(path, corpus, speaker, "angry", "", "", "", "speech", 2.0, path)


def test_folds_leave_a_corpus_out_and_no_other_protocol_is_known() -> None:
    rows = [_row("tess", "tess-a"), _row("emovo", "emovo-a"), _row("emodb", "emodb-a")]
    folds = folds_of("cross", rows)
    assert [fold.name for fold in folds] == ["cross-tess", "cross-emovo", "cross-emodb"]
    assert [row.corpus for row in folds[1].train] == ["tess", "emodb"]
    with pytest.raises(ConfigError, match="by emobox and cross"):
        folds_of("random", rows)


def test_the_bundles_of_another_seed_lie_apart(tmp_path: Path) -> None:
    paths, settings = Paths(tmp_path, cache=tmp_path, runs=tmp_path), TrainSettings()
    first, second = (Workshop(paths, (), (), replace(settings, seed=seed)) for seed in (0, 1))
    assert first.place("emobox-1") == tmp_path / "large" / "emobox-1"
    assert second.place("emobox-1") == first.place("emobox-1", 1) == tmp_path / "large" / "emobox-1-again-1"


def _answered(card: Path, root: Path, rows: Sequence[Row]) -> tuple[Clips, Clips]:
    """Every clip as "angry", which it is."""
    windows = tuple(np.eye(len(LABELS), dtype=np.float32)[:1] for _ in rows)
    clips = Clips(tuple(rows), windows, tuple(np.ones(1, np.float32) for _ in rows))
    return clips, clips


@pytest.mark.parametrize("module", [large, vote])
def test_scores_of_some_folds_are_printed_and_leave_those_of_all(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (_row("tess", "tess-a"), _row("emovo", "emovo-a"), _row("emodb", "emodb-a"))
    shop = Workshop(Paths(tmp_path, cache=tmp_path, runs=tmp_path / "runs"), rows, rows)
    manifest.save(Manifest(rows), shop.paths.manifest)
    monkeypatch.setattr(large, "both_ways", _answered)
    monkeypatch.setattr(Workshop, "network", lambda *_: None)
    monkeypatch.setattr(Workshop, "bundle", lambda *_: Path("x"))
    monkeypatch.setattr(vote, "fold_bundle", lambda *_: Path("x"))
    monkeypatch.setattr(vote, "_untempered", lambda path: path)
    name = "cross" if module is large else "cross-vote"
    module.score(shop, "cross")
    every = large.written_scores(shop, name)
    assert set(every["scores"]["corpora"]) == {"tess", "emovo", "emodb"}
    capsys.readouterr()
    module.score(shop, "cross", only=[2])
    said = capsys.readouterr().out
    assert "--fold 2" in said
    assert "fold 2 alone: not written" in said
    assert large.written_scores(shop, name) == every


@pytest.mark.parametrize("given", [[], ["--bundle", "mlp"], ["--bundle", "mlp", "--bars"], ["--system", "large", "--everyday"]])
def test_folds_that_would_be_ignored_are_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *given, "--fold", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("train: --fold takes --stream, --bars, or --system large or cnn, and no --bundle")
    assert error.count("\n") == 1


def test_without_the_encoder_it_says_how_to_get_it(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALTIME_SER_ENCODERS", str(tmp_path))
    common = ["--corpora", str(corpus), "--cache", str(tmp_path / "cache"), "--set", "train.variants=[]"]
    fit = ["fit", *common, "--system", "large", "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr("train.data.features.fill", lambda *_, **__: None)
    assert main(["prepare", *common]) == 0
    capsys.readouterr()
    assert main(fit) == 2
    said = capsys.readouterr().err
    assert "python -m train get encoder" in said
    assert said.count("\n") == 1


@pytest.mark.usefixtures("untrained_encoder")
@pytest.mark.slow
def test_from_a_toy_corpus_to_a_bundle_with_its_scores(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--corpora", str(corpus), "--cache", str(tmp_path / "cache"), "--set", "train.variants=[]"]
    common += ["--set", "train.large.steps=2", "--set", "train.large.groups=2", "--set", "train.large.drawn=12"]
    assert main(["prepare", *common]) == 0
    run = [*common, "--system", "large", "--runs", str(tmp_path / "runs")]
    assert main(["fit", *run]) == 0
    monkeypatch.setattr(Workshop, "tested", lambda _, *corpora: list(corpora) if corpora == ("ased",) else [])
    monkeypatch.setattr("train.release.large.strangers", lambda *_: {"corpus": "x", "four_known": 50.0, "four_cold": 40.0,
        "speakers": 2, "four_known_ci95": [1, 2], "four_cold_ci95": [1, 2], "command": "c"})  # fmt: skip
    assert main(["export", *run, "--weights", str(tmp_path / "weights")]) == 0
    assert "4 emotions: 40.0 % UAR, 50.0 once" in capsys.readouterr().out
    card = load_model(tmp_path / "weights" / "large.json").card
    assert card.stream is not None
    assert card.stream.nobody
    assert "Whisper" in str(card.raw["notice"])
    assert card.raw["training"]["recipe"]["steps"] == 2
    assert "never trained on" in (tmp_path / "weights" / "README.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "runs" / "large" / "all" / "history.json").read_text())[-1]["step"] == 2
    # Convolutions learn from it, by the same commands.
    small = ["train.cnn.steps=2", "train.cnn.groups=2", "train.cnn.width=8"]
    pupil = [*run, *(word for change in small for word in ("--set", change)), "--system", "cnn"]
    assert main(["fit", *pupil]) == 0
    assert main(["export", *pupil, "--weights", str(tmp_path / "weights")]) == 0
    card = load_model(tmp_path / "weights" / "cnn.json").card
    assert card.stream is not None
    assert card.stream.nobody
    assert "Whisper tiny.en (stem of the encoder)" in str(card.raw["notice"])
    assert card.raw["training"]["recipe"]["width"] == 8
    assert json.loads((tmp_path / "runs" / "cnn" / "all" / "history.json").read_text())[-1]["step"] == 2
    # The vector's pupil learns from the drawn windows and from those of the clips.
    few = ["steps=3", "answers=8"]
    changes = [f"train.mlp.taught.{change}" for change in few] + ["train.mlp.variants=[]", "train.mlp.network={hidden: [8]}"]
    pupil = [*run, *(word for change in changes for word in ("--set", change)), "--system", "mlp", "--protocol", "speaker"]
    assert main(["fit", *pupil, "--fold", "1"]) == 0
    (history,) = (tmp_path / "runs" / "mlp").glob("*/history.json")
    assert json.loads(history.read_text())[-1]["step"] == 3
    assert list((tmp_path / "cache").glob("vectors-plain-*"))
