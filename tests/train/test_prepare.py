"""What is prepared, what is in use, and what is said where nothing can be learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from realtime_ser.errors import ConfigError
from train.data import manifest
from train.data.corpora.folder import UNNAMED
from train.data.corpora.readers import PLAIN
from train.data.corpora.sounds import NOBODY
from train.data.manifest import Manifest, Row
from train.paths import Paths
from train.prepare import audit, prepare, rows_in_use, rows_to_learn
from train.settings import TrainSettings, load_setup


def clip(corpus: str, speaker: str, emotion: str = "angry", number: int = 0) -> Row:
    path = f"{corpus}/{speaker}-{emotion}-{number}.flac"
    return Row(path, corpus, speaker, emotion, "", "", "", "speech", 2.0, path)


TESTS = (clip("ased", "ased-1"), clip("sounds", "sounds", NOBODY), clip("speechocean", "speechocean-1", PLAIN))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path, cache=tmp_path, runs=tmp_path / "runs")


def test_corpora_that_only_test_are_prepared_and_train_nothing(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for a model of one's own, which is measured and not trained."""
    monkeypatch.setattr(manifest, "build", lambda *_, **__: Manifest(TESTS))
    prepare(paths, TrainSettings())
    assert "nothing to train on" in capsys.readouterr().out
    assert manifest.load(paths.manifest).rows == TESTS
    with pytest.raises(ConfigError) as caught:
        rows_in_use(paths, TrainSettings())
    assert "there is no clip of" in str(caught.value)
    assert "train.use=[" not in str(caught.value), "what cannot train is no remedy"


@pytest.mark.parametrize("use", [("ravdess_speech",), ("sounds",)])
def test_the_remedy_names_what_can_train(paths: Paths, monkeypatch: pytest.MonkeyPatch, use: tuple[str, ...]) -> None:
    monkeypatch.setattr(manifest, "build", lambda *_, **__: Manifest((*TESTS, clip("folder", "folder-ann"))))
    with pytest.raises(ConfigError, match=r"there are clips of folder: use them with --set 'train.use=\[folder\]'$"):
        prepare(paths, replace(TrainSettings(), use=use))


def test_the_audit_is_of_what_taught_systems_train_on() -> None:
    """A folder beside those of the folds trains, too, where ``large`` teaches; its unnamed voices may be anybody's."""
    rows = [clip("folder", f"folder-{name}", number=number) for name in "abcdef" for number in (1, 2)]
    rows += [clip("folder_b", UNNAMED, number=number) for number in (1, 2)]
    settings = replace(load_setup().train, use=("folder", "folder_b"), within=("folder",))
    count, problems = audit(rows, settings, "speaker")
    assert count == 5
    assert len(problems) >= 5
    assert UNNAMED in problems[0]
    alone = replace(settings, mlp=replace(settings.mlp, taught=None), logmel=replace(settings.logmel, taught=None))
    assert audit(rows, alone, "speaker") == (5, [])


def test_one_label_is_nothing_to_tell_apart(paths: Paths) -> None:
    manifest.save(Manifest((clip("folder", "folder-ann"), clip("folder", "folder-bea"))), paths.manifest)
    with pytest.raises(ConfigError, match="nothing to tell apart: every clip in use is angry"):
        rows_to_learn(paths, replace(TrainSettings(), use=("folder",)))


def test_folds_of_corpora_that_are_not_in_use_name_the_setting() -> None:
    settings = replace(load_setup().train, use=("folder",), within=("ravdess_speech",))
    with pytest.raises(ConfigError, match=r"ravdess_speech \(train.within\).*: --set 'train.within=\[folder\]'"):
        audit([clip("folder", "folder-ann")], settings, "speaker")
