"""Settings that fuzzing, or spite, came up with: each is refused in one line and at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command import SAMPLE, realtime_ser
from realtime_ser.config import load_config
from realtime_ser.errors import ConfigError
from realtime_ser.yaml_text import MAX_BYTES, parse_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        *(BOMB, "&a [*a]", "a: &x 1\nb: *x", "base: &b {c: 1}\nd:\n  <<: *b"),
        *("!!int ''", "!!float ''", "!!bool maybe", "!!timestamp x", "!!python/object:os.system x", "2001-13-45"),
        *("[" * 5000, "{a: " * 500, "? {a: b}", "\x00", "a: [", "%YAML 9.9\n---\na: 1", "9" * 5000),
        "x" * (MAX_BYTES + 1),
    ],
)
def test_bad_text_is_a_value_error_of_one_line(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError) as error:
        parse_yaml(text)
    assert type(error.value) is ValueError
    assert "\n" not in str(error.value)
    assert len(str(error.value)) <= 300
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "value"), [("1e9", 1e9), ("-2.5E-3", -0.0025), (".5e1", 5.0), ("1e", "1e"), ("12e3x", "12e3x"), ("'1e9'", "1e9")]
)
def test_a_number_with_an_exponent_is_a_number(text: str, value: object) -> None:
    assert parse_yaml(f"a: {text}") == {"a": value}


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_anything_else_is_never_raised(text: str | bytes) -> None:
    try:
        parse_yaml(text)
    except ValueError as error:
        assert type(error) is ValueError  # noqa: PT017 (there may be none)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stream:\n  hop_s: 0.5\nmodel: mlp\nstream:\n  window_s: 2\n", "'stream' stands twice, in line 4 again"),
        ("stream: {hop_s: 0.5, 'hop_s': 0.5}", "'hop_s' stands twice, in line 1 again"),
        ("faults:\n- kind: nan\n  kind: xrun\n", "'kind' stands twice"),
    ],
)
def test_a_name_that_stands_twice_loses_nothing(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        parse_yaml(text)
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"c.yaml is not valid YAML: {words}"):
        load_config(path)
    assert parse_yaml("a: {x: 1}\nb: {x: 1}\n1: 2\n'1': 3\n") == {"a": {"x": 1}, "b": {"x": 1}, 1: 2, "1": 3}


def test_what_settings_use_is_read() -> None:
    text = "model: mlp\nstream: {hop_s: 0.5, window_s: null}\ncapture:\n  device: 'Mic: 1'\n  block_ms: 10.5\n"
    assert parse_yaml(text) == {
        "model": "mlp",
        "stream": {"hop_s": 0.5, "window_s": None},
        "capture": {"device": "Mic: 1", "block_ms": 10.5},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "anchors"),
        ("model: 0x" + "f" * 6000, "model"),
        ("stream: {hop_s: 0x" + "f" * 6000 + "}", "hop_s"),
        ("stream: {hop_s: " + "[" * 50 + "]" * 50 + "}", "hop_s"),
        ("x" * 900 + ": 1", "unknown setting"),
        ("model: " + "[" * 200 + "]" * 200, "model"),
    ],
)
def test_the_message_stays_short(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as error:
        load_config(path)
    assert len(str(error.value)) < len(str(path)) + 450


def test_settings_without_end_are_not_read_to_the_end() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero here")
    began = time.monotonic()
    with pytest.raises(ConfigError, match="/dev/zero is not valid YAML: it has more than 32 KiB"):
        load_config("/dev/zero")
    assert time.monotonic() - began < 5


def test_a_train_section_of_any_depth_is_no_concern_of_the_live_path(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("train: {a: " + "[" * 150 + "1" + "]" * 150 + "}")
    assert "train" not in load_config(path).as_dict()


def test_a_message_quotes_no_more_than_a_line_can_hold(tmp_path: Path, make_bundle) -> None:
    card = make_bundle("stacked", output={"name": "o" * 5000, "kind": "probabilities"})
    result = realtime_ser("replay", SAMPLE, "--speed", "max", "--model", card)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert len(result.stderr) < 700


@pytest.mark.parametrize("device", ["²", "9" * 5000, "٣"])
def test_device_numbers_of_every_kind(device: str) -> None:
    result = realtime_ser("monitor", "--device", device)
    assert result.returncode in (1, 2)
    assert result.stderr.count("\n") == 1
