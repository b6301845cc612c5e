"""``recipes.yaml``: the shipped one is valid, files and single values are laid over it, a mistake is named."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from realtime_ser.config import load_config
from realtime_ser.errors import ConfigError
from train.settings import RECIPES, load_setup, train_settings


def test_the_shipped_section_describes_both_systems() -> None:
    settings = load_setup().train
    assert settings.recipe("mlp").spec.recipe == "moments"
    assert settings.recipe("mlp").taught is not None
    assert settings.recipe("logmel").spec.recipe == "stacked"
    assert settings.recipe("logmel").all_variants[0].name == "plain"
    assert all(variant.seed for variant in settings.logmel.variants)


def test_a_file_and_single_values_are_laid_over_the_shipped_settings(tmp_path: Path) -> None:
    mine = tmp_path / "my own.yaml"
    mine.write_text("train: {seed: 5, logmel: {epochs: 7}}\ngate: {vad: false}\n")
    changes = ["train.logmel.batch=3", "stream.hop_s=0.5", "train.logmel.epochs=9", "train.use=[folder, tess]"]
    setup, shipped = load_setup(mine, changes), load_setup().train
    assert (setup.train.seed, setup.train.logmel.epochs, setup.train.logmel.batch) == (5, 9, 3)
    assert setup.train.use == ("folder", "tess")
    assert (setup.train.mlp, setup.train.logmel.variants) == (shipped.mlp, shipped.logmel.variants)
    assert (setup.live.gate.vad, setup.live.stream.hop_s) == (False, 0.5)
    assert setup.live == load_config(mine, ["stream.hop_s=0.5"]), "the live path reads the same file"
    told = shlex.split(setup.command("fit --system logmel"))
    assert told[:6] == ["python", "-m", "train", "fit", "--system", "logmel"]
    assert told[6:] == ["--config", "my own.yaml", *(part for change in changes for part in ("--set", change))]


def test_a_copy_of_the_shipped_file_changes_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text(RECIPES.read_text(encoding="utf-8"))
    assert load_setup(copy).train == load_setup().train


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.sed=1", "--set train.sed=1: unknown setting 'train.sed'; did you mean 'train.seed'"),
        ("train.large.smoothing=0", "'train.large.smoothing' is now called 'train.large.label_smoothing'"),
        ("train.logmel.epochs=0", "'train.logmel.epochs' must be between 1 and 100000, got 0"),
        ("train.mlp.variants=[{speed: 1.1}]", "'train.mlp.variants[0].name' is missing"),
        ("train.logmel.masking.noise_db=[1, 2, 3]", "'train.logmel.masking.noise_db' takes two numbers, the lower one first"),
        ("train.use=tess", "'train.use' takes a list, got 'tess'"),
        ("train=3", "'train' is a section"),
        ("gate.vda=false", "did you mean 'gate.vad'"),
    ],
)
def test_a_wrong_value_is_named_with_where_it_came_from(change: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_setup(None, [change])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"sed": 1}, "'train.sed'; did you mean 'train.seed'"),
        ({"logmel": {"front_end": {"recipe": "stacked"}, "epoch": 3}}, "did you mean 'train.logmel.epochs'"),
        ({"logmel": {"front_end": {"recipe": "stacked"}, "epochs": "many"}}, "'train.logmel.epochs' takes int"),
        ({"logmel": {"epochs": 3}}, "'train.logmel.front_end' is missing"),
        ({"mlp": 3}, "'train.mlp' is a section"),
        ({"mlp": {"front_end": {"recipe": "flatstats"}, "variants": [{"name": "a", "sped": 2}]}}, "variants.0..sped"),
        *(
            (
                {"mlp": {"front_end": {"recipe": "flatstats"}, "variants": [{"name": "a", key: value}]}},
                f"variants.0..{key}' takes two",
            )
            for key in ("snr_db", "babble_db")
            for value in (5, [5], [25, 5], [5, "x"], "ab")
        ),
        ({"logmel": {"front_end": {"recipe": "stacked"}, "masking": {"noise_db": 3}}}, "masking.noise_db' takes two"),
    ],
)
def test_a_mistake_is_named(section: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_settings(section)


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown system 'svm'"):
        train_settings({}).recipe("svm")
