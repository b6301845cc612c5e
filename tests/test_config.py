"""Settings: where they come from, and what is said when they are wrong."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_ser.config import Config, GateConfig, SmoothingConfig, checked, load_config, resource
from realtime_ser.config_build import choices_of, former_dict, limits_of
from realtime_ser.errors import ConfigError


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "mine.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(path: Path | None = None, *overrides: str) -> str:
    """Loading fails with one line; returns it."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def leaves(cls: type, prefix: str = "") -> dict[str, Any]:
    """Dotted name -> default of every setting."""
    found: dict[str, Any] = {}
    default = cls()
    for item in fields(cls):
        value = getattr(default, item.name)
        if is_dataclass(value):
            found |= leaves(type(value), f"{prefix}{item.name}.")
        else:
            found[prefix + item.name] = value
    return found


def test_the_shipped_file_holds_the_defaults_and_every_setting() -> None:
    """No drift: the file a user copies says what the program does without it."""
    loaded = load_config()
    assert loaded.as_dict() == Config().as_dict()
    text = yaml.safe_load(resource("config.yaml").read_text())
    for dotted in leaves(Config):
        value: Any = text
        for part in dotted.split("."):
            assert part in value, f"config.yaml lacks {dotted}"
            value = value[part]


def test_every_number_has_a_range_and_its_default_lies_within() -> None:
    for section in fields(Config):
        cls = type(getattr(Config(), section.name))
        for item in fields(cls) if is_dataclass(cls) else ():
            if "float" in str(item.type):
                limits = limits_of(cls, item.name)
                assert limits is not None, f"{section.name}.{item.name}"
                assert item.default is None or limits[0] <= item.default <= limits[1], f"{section.name}.{item.name}"
    assert choices_of(SmoothingConfig, "method") == ("ema", "majority", "hmm", "none")


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    path = write(tmp_path, "stream:\n  hop_s: 0.5\nsmoothing: {method: hmm}\nmodel: cnn\n")
    loaded, usual = load_config(path).as_dict(), load_config().as_dict()
    usual["stream"]["hop_s"], usual["smoothing"]["method"], usual["model"] = 0.5, "hmm", "cnn"
    assert loaded == usual


def test_overrides_win_over_the_file_and_the_last_one_wins(tmp_path: Path) -> None:
    path = write(tmp_path, "stream: {hop_s: 0.5, window_s: 2.0}")
    loaded = load_config(path, ["stream.hop_s=1", "gate.vad=false", "stream.hop_s=0.75"])
    assert (loaded.stream.hop_s, loaded.stream.window_s, loaded.gate.vad) == (0.75, 2.0, False)


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("capture.device=3", lambda c: c.capture.device == 3),
        ("capture.device=USB mic", lambda c: c.capture.device == "USB mic"),
        ("capture.device=", lambda c: c.capture.device is None),
        ("capture.device=null", lambda c: c.capture.device is None),
        ('capture.device="3"', lambda c: c.capture.device == "3"),
        ("model=/a=b/c.json", lambda c: c.model == "/a=b/c.json"),
        (" stream.hop_s =2", lambda c: c.stream.hop_s == 2.0 and isinstance(c.stream.hop_s, float)),
        ("stream.window_s=null", lambda c: c.stream.window_s is None),
        ("gate={enabled: false}", lambda c: not c.gate.enabled and c.gate.vad),
        ("gate.enabled=no", lambda c: c.gate.enabled is False),
    ],
)
def test_forms_of_set(override: str, read: Any) -> None:
    assert read(load_config(None, [override]))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("stream.hop", ["--set stream.hop:", "key=value"]),
        ("=3", ["key=value"]),
        ("stream.hopp_s=1", ["unknown setting 'stream.hopp_s'", "did you mean 'stream.hop_s'"]),
        ("gate.recent_s=1", ["'gate.recent_s' is now called 'gate.speech_within_s'"]),
        ("steam.hop_s=1", ["unknown setting 'steam'", "did you mean 'stream'"]),
        ("stream=1", ["'stream' is a section"]),
        ("stream.hop_s.x=1", ["'stream.hop_s' takes float"]),
        ("stream.hop_s=fast", ["'stream.hop_s' takes float, got 'fast'"]),
        ("stream.hop_s=true", ["'stream.hop_s' takes float, got True"]),
        ("stream.hop_s=null", ["'stream.hop_s' takes float"]),
        ("stream.hop_s=0", ["'stream.hop_s' must be between 0.01 and 60, got 0"]),
        ("stream.hop_s=.nan", ["must be between"]),
        ("stream.window_s=.inf", ["must be between"]),
        ("stream.hop_s=" + "9" * 400, ["must be between"]),
        ("gate.vad=1", ["'gate.vad' takes bool, got 1"]),
        ("gate.vad_threshold=1.5", ["between 0 and 1"]),
        ("smoothing.method=mean", ["must be one of ema, majority, hmm, none, got 'mean'"]),
        ("model=3", ["'model' takes str, got 3"]),
        ("model=[", ["not valid YAML"]),
        ("capture.device=2.5", ["'capture.device' takes int or str or nothing (null)"]),
    ],
)
def test_wrong_overrides_are_named(override: str, words: list[str]) -> None:
    message = refused(None, override)
    assert "--set" in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stream:\n  hops: 1\n", ["unknown setting 'stream.hops'", "'stream.hop_s'"]),
        ("stream: [1]\n", ["'stream' is a section"]),
        ("gate: {recent_s: 1}", ["setting 'gate.recent_s' is now called 'gate.speech_within_s'"]),
        ("- a\n- b\n", ["expected named settings"]),
        ("just text", ["expected named settings"]),
        ("1: 2", ["expected named settings"]),
        ("a: [1\nb: }", ["not valid YAML"]),
        ("a: !!python/object:os.system x", ["not valid YAML"]),
        ("model: 2020-13-45x\nstream: {hop_s: 2020-01-01}", ["'stream.hop_s' takes float"]),
        (b"\xff\xff\x00x", ["not valid YAML"]),
        ("[" * 5000, ["not valid YAML"]),
        ("model: 2020-99-99", ["mine.yaml"]),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str | bytes, words: list[str]) -> None:
    message = refused(write(tmp_path, text))
    assert "mine.yaml" in message
    for word in words:
        assert word in message, message


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "cannot read config" in refused(tmp_path / "gone.yaml")
    assert str(tmp_path) in refused(tmp_path)


def test_a_rename_keeps_the_keys_of_caches() -> None:
    """Features cached before it are found after it."""
    old, new = former_dict(GateConfig()), asdict(GateConfig())
    assert (old["recent_s"], "speech_within_s" in old) == (new["speech_within_s"], False)
    assert list(old.values()) == list(new.values()), "the order is part of the key"


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "# nothing\n")) == load_config()


def test_settings_of_training_in_a_file_are_left_to_training(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "train: {anything: [1, two]}")) == load_config()
    assert "python -m train" in refused(None, "train.logmel.epochs=3")


def test_as_dict_is_plain_values() -> None:
    text = yaml.safe_dump(load_config().as_dict())
    assert yaml.safe_load(text) == asdict(Config())


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3),
    max_leaves=5,
)
_keys = st.sampled_from(["model", "stream", "gate", "smoothing", "capture", "train", "nonsense"]) | st.text(max_size=5)
_inner = st.sampled_from(["hop_s", "vad", "device", "method", "window_s", "margin"]) | st.text(max_size=5)


@pytest.mark.slow
@settings(max_examples=150)
@given(tree=st.dictionaries(_keys, _values | st.dictionaries(_inner, _values, max_size=3), max_size=3))
def test_any_yaml_tree_loads_or_is_a_config_error(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]) -> None:
    check(write(tmp_path_factory.getbasetemp(), yaml.safe_dump(tree, allow_unicode=True)), ())


@pytest.mark.slow
@settings(max_examples=150)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_load_or_are_a_config_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    check(write(tmp_path_factory.getbasetemp(), content), ())


@pytest.mark.slow
@settings(max_examples=150)
@given(override=st.text(max_size=30) | st.builds("{}.{}={}".format, _keys, _inner, st.text(max_size=12)))
def test_any_override_loads_or_is_a_config_error(override: str) -> None:
    check(None, (override,))


def check(path: Path | None, overrides: tuple[str, ...]) -> None:
    """It loads with every number in range, or fails in one line."""
    try:
        loaded = load_config(path, overrides)
    except ConfigError as error:
        message = str(error)
    else:
        message = ""
        assert math.isfinite(loaded.stream.hop_s)
    assert message.isprintable()


@pytest.mark.parametrize(
    ("section", "changes", "words"),
    [
        ("smoothing", {"method": "EMA"}, "'smoothing.method' must be one of ema"),
        ("smoothing", {"neutral_share": 45}, "'smoothing.neutral_share' must be between 0.01 and 0.99"),
        ("smoothing", {"time_constant_s": -1}, "'smoothing.time_constant_s' must be between"),
        ("gate", {"vad_threshold": 30}, "'gate.vad_threshold' must be between"),
        ("stream", {"hop_s": math.nan}, "'stream.hop_s' must be between"),
        ("stream", {"window_s": "3"}, "'stream.window_s' takes float or nothing"),
    ],
)
def test_a_config_made_in_python_is_held_to_what_a_file_may_have(section: str, changes: dict[str, Any], words: str) -> None:
    config = replace(Config(), **{section: replace(getattr(Config(), section), **changes)})
    with pytest.raises(ConfigError, match=re.escape(f"config: {words}")):
        checked(config)


def test_what_is_no_config_is_said_and_a_good_one_stays() -> None:
    for wrong in ("config.yaml", {"stream": {}}, 5):
        with pytest.raises(ConfigError, match="config takes a Config, got"):
            checked(wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'stream' is a section"):
        checked(replace(Config(), stream=None))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="load_config takes the path"):
        load_config(5)  # type: ignore[arg-type]
    mine = replace(
        Config(), model=Path("mine.json"), stream=replace(Config().stream, hop_s=np.float32(0.5), window_s=np.int64(2))
    )
    found = checked(mine)
    assert (found.model, found.stream.hop_s, found.stream.window_s) == ("mine.json", 0.5, 2.0)
    assert {type(found.model), type(found.stream.hop_s), type(found.stream.window_s)} == {str, float}
    assert checked(None) == load_config()
