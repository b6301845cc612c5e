"""The format of fault scenarios: what it accepts, what it says about the rest, and when faults strike."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_ser.errors import ConfigError
from realtime_ser.faults.scenario import KINDS, Stall, Xrun, load_scenario, parse_scenario, strikes

EXAMPLE = Path(__file__).parents[2] / "docs" / "faults.yaml"


def test_the_shipped_example_shows_every_kind() -> None:
    scenario = load_scenario(EXAMPLE)
    assert {type(fault) for fault in scenario.faults} == set(KINDS.values())
    assert (scenario.seed, scenario.block_ms) == (7, 20)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1", ["'faults' must be a list", "kind: vanish"]),
        ("fault: []", ["'fault'", "did you mean 'faults'"]),
        ("sed: 1\nfaults: []", ["'sed'", "did you mean 'seed'"]),
        ("seed: one\nfaults: []", ["'seed' takes int", "one"]),
        ("seed: -1\nfaults: []", ["'seed' must be between"]),
        ("block_ms: 0\nfaults: []", ["'block_ms' must be between 1 and 1000"]),
        ("faults: [{kind: vanished}]", ["'faults[0].kind'", "did you mean 'vanish'"]),
        ("faults: [{at_s: 1}]", ["'faults[0]' needs a kind", "vanish", "clock_drift"]),
        ("faults: [vanish]", ["'faults[0]' needs a kind"]),
        ("faults: [{kind: nan}, {kind: stall, for: 1}]", ["'faults[1].for'", "did you mean 'faults[1].for_s'"]),
        ("faults: [{kind: stall, for_s: long}]", ["'faults[0].for_s' takes float", "long"]),
        ("faults: [{kind: stall, at_s: -1}]", ["'faults[0].at_s' must be between 0"]),
        ("faults: [{kind: stall, at_s: .nan}]", ["'faults[0].at_s' must be between 0"]),
        ("faults: [{kind: stall, for_s: 2, every_s: 1}]", ["'faults[0].every_s'", "shorter"]),
        ("faults: [{kind: xrun, lost_ms: 500, every_s: 0.4}]", ["'faults[0].every_s'", "shorter"]),
        ("faults: [{kind: xrun, times: 3}]", ["'faults[0].times' needs 'every_s'"]),
        ("faults: [{kind: channels, count: 1, silent: 2}]", ["'faults[0].silent'", "more than 'count'"]),
        ("faults: [{kind: clock_drift}, {kind: clock_drift}]", ["one clock_drift only"]),
        ("faults: [{kind: lying_rate, at_s: 1}]", ["'faults[0].at_s'", "did you mean"]),
        ("- vanish", ["expected named settings", "seed: 1"]),
        ("faults: [", ["not valid YAML"]),
        # Numbers that Python refuses to print, or to make a float of.
        (f"faults: [0x{'f' * 6000}]", ["'faults[0]' needs a kind", "too long to show"]),
        (f"seed: {'9' * 400}\nfaults: []", ["'seed' must be between"]),
        (f"faults: [{{kind: channels, count: 0x{'f' * 6000}}}]", ["'faults[0].count' must be between 1 and 64"]),
    ],
)
def test_a_bad_file_is_said_in_one_line(text: str, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in [str(path), *words]:
        assert word in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read fault scenario .*nowhere\.yaml"):
        load_scenario(tmp_path / "nowhere.yaml")


def test_defaults_are_a_scenario() -> None:
    assert len(parse_scenario({"faults": [{"kind": kind} for kind in KINDS]}, "here").faults) == len(KINDS)


@given(
    values=st.fixed_dictionaries(
        {
            "at_s": st.floats(0, 30),
            "every_s": st.sampled_from([None, 1.5, 4.0]),
            "spread_s": st.sampled_from([0.0, 0.4]),
        }
    ),
    cuts=st.lists(st.integers(0, 40_000), max_size=30),
    moment=st.booleans(),
)
def test_strikes_are_the_same_however_the_time_is_cut(values: dict[str, Any], cuts: list[int], moment: bool) -> None:
    fault = Xrun(**values) if moment else Stall(for_s=1.1, **values)
    whole = list(strikes(fault, (5, 2), 1000, 0, 40_000))
    edges = sorted({0, 40_000, *cuts})
    found = [strike for start, end in itertools.pairwise(edges) for strike in strikes(fault, (5, 2), 1000, start, end)]
    assert list(dict.fromkeys(found)) == whole
    for before, after in itertools.pairwise(whole):
        assert before[1] <= after[0]
    if moment:
        assert len(found) == len(whole), "a moment lies in one piece"
    expected = 1 if values["every_s"] is None else int((40 - values["at_s"]) / values["every_s"])
    assert abs(len(whole) - expected) <= 1
