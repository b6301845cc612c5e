"""Scores of other clips or of another recipe count as not scored; those of earlier versions are taken, and that is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from train.data import manifest
from train.data.manifest import Manifest, Row
from train.evaluation import large
from train.evaluation.digests import digests
from train.evaluation.folds import Job, scored
from train.evaluation.large import Workshop
from train.paths import Paths
from train.settings import TrainSettings, load_setup

_CHANGED = (
    ("more clips", "other clips"),
    ("another label", "other clips"),
    ("more readers", "other clips"),
    ("recipe", "another recipe"),
    ("teacher", "another recipe"),
    ("seed", "another recipe"),
    ("limit", "another recipe"),
)


def _row(corpus: str, who: str, emotion: str = "sad") -> Row:
    return Row(f"{corpus}/{who}.wav", corpus, f"{corpus}-{who}", emotion, "", "", "", "speech", 2.0, who)


ROWS = (_row("tess", "a"), _row("tess", "b", "happy"))
READER = _row("librispeech", "19", "plain")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path, cache=tmp_path, runs=tmp_path / "runs")
    manifest.save(Manifest((*ROWS, READER)), found.manifest)
    for system in ("mlp", "cnn"):
        (found.runs / system).mkdir(parents=True)
    return found


def _changed(what: str, paths: Paths, settings: TrainSettings) -> tuple[tuple[Row, ...], TrainSettings]:
    """The clips in use and the settings after one change."""
    if what == "more clips":
        return (*ROWS, _row("tess", "c")), settings
    if what == "another label":
        return (ROWS[0], replace(ROWS[1], emotion="angry")), settings
    if what == "more readers":
        manifest.save(Manifest((*ROWS, READER, _row("librispeech", "21", "plain"))), paths.manifest)
        return ROWS, settings
    return ROWS, {
        "recipe": replace(settings, mlp=replace(settings.mlp, batch=7), cnn=replace(settings.cnn, steps=7)),
        "teacher": replace(settings, large=replace(settings.large, steps=7)),
        "seed": replace(settings, seed=1),
        "limit": replace(settings, nobody_from=replace(settings.nobody_from, mlp=0.5, cnn=0.5)),
    }[what]


def _of_mlp(paths: Paths, rows: tuple[Row, ...], settings: TrainSettings) -> dict[str, Any]:
    return dict(scored(paths, settings, rows, Job("mlp", "cross")))


def _of_cnn(paths: Paths, rows: tuple[Row, ...], settings: TrainSettings) -> dict[str, Any]:
    return dict(large.written_scores(Workshop(paths, rows, rows, settings, system="cnn"), "cross"))


@pytest.mark.parametrize(("what", "told"), _CHANGED)
@pytest.mark.parametrize(("system", "read"), [("mlp", _of_mlp), ("cnn", _of_cnn)])
def test_scores_of_another_training_are_none(
    system: str,
    read: Callable[[Paths, tuple[Row, ...], TrainSettings], dict[str, Any]],
    what: str,
    told: str,
    paths: Paths,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = load_setup().train
    corpora = {"use": list(settings.use), "within": list(settings.within)}
    file = paths.runs / system / "scores-cross.json"
    file.write_text(json.dumps({"corpora": corpora, "scores": {}, "digest": digests(paths, ROWS, settings, system)}))
    assert read(paths, ROWS, settings)["scores"] == {}
    assert capsys.readouterr().err == ""
    assert read(paths, *_changed(what, paths, settings)) == {}
    assert capsys.readouterr().err == f"train: {file} is of {told}, so it counts as not scored\n"


def test_scores_of_earlier_versions_are_taken_where_nothing_speaks_against_them(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_setup().train
    file = paths.runs / "mlp" / "scores-cross.json"
    older = {"corpora": {"use": list(settings.use), "within": list(settings.within)}, "scores": {}}
    file.write_text(json.dumps(older))
    for _ in range(2):
        assert _of_mlp(paths, ROWS, settings) == older
    assert capsys.readouterr().err.splitlines() == [
        f"train: {file} has no digest of its clips and recipe; it is taken for a score of today's"
    ]
    assert _of_mlp(paths, ROWS, replace(settings, use=("tess",))) == {}
    (paths.runs / "cnn" / "scores-cross.json").write_text(json.dumps({"recipe": {"steps": 1}, "scores": {}}))
    assert _of_cnn(paths, ROWS, settings) == {}
    assert "of another recipe or other corpora" in capsys.readouterr().err


def test_the_share_of_the_vote_and_its_network_count_where_it_votes(paths: Paths) -> None:
    settings = load_setup().train
    for other in (replace(settings, vote=0.1), replace(settings, mlp=replace(settings.mlp, batch=7))):
        before, after = (Workshop(paths, ROWS, ROWS, each) for each in (settings, other))
        assert before.digest("cross") == after.digest("cross")
        assert before.digest("cross-vote") != after.digest("cross-vote")
