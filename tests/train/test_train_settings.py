"""The ``train:`` section: the shipped one is valid, a mistake is named."""

from __future__ import annotations

import pytest

from realtime_ser.config import load_config
from realtime_ser.errors import ConfigError
from train.settings import train_settings


def test_the_shipped_section_describes_both_systems() -> None:
    settings = train_settings(load_config().train)
    assert settings.recipe("mlp").spec.recipe == "flatstats"
    assert settings.recipe("cnn").spec.recipe == "stacked"
    assert settings.recipe("cnn").all_variants[0].name == "plain"
    assert all(variant.seed for variant in settings.cnn.variants)


def test_one_value_can_be_set_from_the_command_line() -> None:
    assert train_settings(load_config(overrides=["train.cnn.epochs=3"]).train).cnn.epochs == 3


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"sed": 1}, "'train.sed'; did you mean 'train.seed'"),
        ({"cnn": {"front_end": {"recipe": "stacked"}, "epoch": 3}}, "did you mean 'train.cnn.epochs'"),
        ({"cnn": {"front_end": {"recipe": "stacked"}, "epochs": "many"}}, "'train.cnn.epochs' takes int"),
        ({"cnn": {"epochs": 3}}, "'train.cnn.front_end' is missing"),
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
        ({"cnn": {"front_end": {"recipe": "stacked"}, "masking": {"noise_db": 3}}}, "masking.noise_db' takes two"),
    ],
)
def test_a_mistake_is_named(section: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_settings(section)


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown system 'svm'"):
        train_settings({}).recipe("svm")
