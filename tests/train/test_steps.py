"""Every step is a function that a notebook can call: folders and settings in, results out."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import train
from realtime_ser.errors import ConfigError
from train import prepare
from train.paths import Paths
from train.settings import load_setup

TRAIN = Path(train.__file__).parent


@pytest.mark.slow
def test_the_command_lines_options_stay_in_the_command_line() -> None:
    imports = {
        path.relative_to(TRAIN).as_posix()
        for path in TRAIN.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) and any(name.name == "argparse" for name in node.names)
    }
    assert imports == {"asked.py", "cli.py", "verbs.py"}


def test_corpora_are_prepared_and_audited_without_a_command_line(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = Paths(corpus, cache=tmp_path / "cache")
    settings = load_setup(changes=["train.variants=[]", "train.mlp.variants=[]"]).train
    with pytest.raises(ConfigError, match="train prepare"):
        prepare.rows_in_use(paths, settings)
    found = prepare.prepare(paths, settings)
    assert "ravdess_speech" in capsys.readouterr().out
    rows = prepare.rows_in_use(paths, settings)
    assert rows == found.rows
    assert prepare.audit(rows, settings, "speaker") == (5, [])
    folds, problems = prepare.audit(rows, settings, "random")
    assert folds == 1
    assert any("in both train and test" in problem for problem in problems)
