"""All of ``evaluate --stream`` and ``tune`` on an untrained network and made-up voices: the machinery, not the figures."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from synthetic_rows import made_rows

from realtime_ser.config import Config, GateConfig, SmoothingConfig
from realtime_ser.model.classifier import load_model
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.evaluation.scores import Clips
from train.evaluation.streaming import report, tune, verbs
from train.evaluation.streaming.robustness import Fold, first_seconds, interval, point, streamed, subset, windows
from train.evaluation.streaming.tune import Trial
from train.networks.export import export
from train.networks.trainer import build
from train.recipe import Recipe

# Made-up voices are no speech to the detector: the energy floor decides.
CONFIG = replace(Config(), gate=GateConfig(vad=False))
RECIPE = Recipe({"recipe": "stacked"}, {"widths": [4, 6, 8, 8], "embedding": 16})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def rows(root: Path) -> list[Row]:
    return [row for name in ("f", "m") for row in made_rows(root, emotions=("happy", "sad"), each=3, speaker=name)]


@pytest.fixture(scope="module")
def fold(root: Path, rows: list[Row]) -> Fold:
    torch.manual_seed(0)
    export([build(RECIPE, None).eval()], RECIPE.spec, root / "untrained.onnx", name="untrained")
    return Fold("untrained", load_model(root / "untrained.json"), tuple(rows))


@pytest.mark.slow
def test_everything_is_scored_written_and_drawn(
    fold: Fold, root: Path, rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "SOUND_S", 2.0)
    result = report.score([fold], root, CONFIG, clips=2, seed=0, others=rows)
    result = {"about": "A test.", "command": "python -m train evaluate --stream", **result}
    assert result["speakers"] == 2
    assert result["clean"]["clips"] == 2
    assert 0 <= result["conversation"]["segment_uar"] <= 100
    assert {each["group"] for each in result["points"]} >= {
        "gain",
        "babble",
        "bandwidth",
        "coding",
        "room",
        "window",
        "received",
    }
    written = report.write(result, "untrained", tmp_path)
    assert all(path.stat().st_size > 0 for path in written)
    assert {path.suffix for path in written} == {".md", ".json", ".png"}
    again = json.loads((tmp_path / "untrained.json").read_text())
    assert [str(bar) for bar in report.bars(again)] == [str(bar) for bar in report.bars(result)]
    text = (tmp_path / "untrained.md").read_text()
    assert all(name in text for name in ("segment UAR", "telephone", "drums", "untrained-robustness.png", "A test."))
    assert not any(row.path in path.read_text() for row in rows for path in written if path.suffix != ".png"), "per clip"


def test_a_bar_is_met_at_its_limit_and_never_by_an_unknown_figure() -> None:
    assert report.Bar("flips", 4.0, 4, "a minute").met
    assert not report.Bar("flips", 4.1, 4, "a minute").met
    assert not report.Bar("onset", math.nan, 1.5, "s").met
    assert str(report.Bar("onset", math.nan, 1.5, "s")).startswith("SHORT")


def test_a_subset_takes_speakers_and_emotions_in_turn(rows: list[Row]) -> None:
    chosen = subset(rows, 4)
    assert {(row.speaker, row.emotion) for row in chosen} == {(s, e) for s in "fm" for e in ("happy", "sad")}
    assert chosen == subset(rows, 4)
    assert subset(rows, 0) == subset(rows, 99) == tuple(rows)


@pytest.mark.slow
def test_window_settings_and_first_seconds_are_points(fold: Fold, root: Path) -> None:
    clean = streamed([fold], root, CONFIG)
    lengths = windows([fold], root, CONFIG, clean)
    assert [each.value for each in lengths] == [1.0, 1.5, 2.0, 2.5, 3.0]
    # Clips of 1.6 s never fill a longer window: nothing may change.
    assert [each.drop for each in lengths[2:]] == [0, 0, 0]
    assert [each.value for each in first_seconds([fold], root, CONFIG, clean)] == [0.5, 0.75, 1.0, 1.5, 2.0, 3.0]


def answered(rows: list[Row], right: list[bool]) -> Clips:
    probs = np.full((len(rows), 1, len(LABELS)), 0.01, np.float32)
    for place, (row, good) in enumerate(zip(rows, right, strict=True)):
        probs[place, 0, LABELS.index(row.emotion if good else "disgust")] = 0.9
    return Clips(tuple(rows), tuple(probs), tuple(np.ones(1, np.float32) for _ in rows))


def test_a_drop_has_an_interval_over_speakers(rows: list[Row]) -> None:
    clean = answered(rows, [True] * 12)
    one_speaker_lost = answered(rows, [row.speaker == "f" for row in rows])
    found = point("gain", "x", 1, clean, one_speaker_lost)
    assert (found.uar, found.drop, found.undetected) == (50, 50, 0)
    assert (found.low, found.high) == (0, 100), "two speakers are no evidence"
    assert interval(clean, clean) == (0, 0)


@pytest.mark.slow
def test_the_search_begins_with_what_was_and_the_choice_is_within_the_bars_where_one_is(
    fold: Fold, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "smoothers", lambda base: iter([base, replace(base, method="none", hold_s=0.0)]))
    monkeypatch.setattr(tune, "gates", lambda base: [replace(base, gate=replace(base.gate, speech_within_s=0.5))])
    trials = tune.search([fold], root, CONFIG, windows_s=[1.0], hops_s=[0.25, 0.5], seed=0)
    assert len(trials) == 1 + 4 + 1
    assert trials[0].config == CONFIG
    best = tune.choose(trials)
    written = tune.write(trials, best, {"chosen": best}, "untrained", tmp_path, "tune")
    assert all(path.stat().st_size > 0 for path in written)
    tune.show(trials, best, {"chosen": best})


def trial(uar: float, onset_s: float, flips: float, **smoothing: float) -> Trial:
    return Trial(replace(CONFIG, smoothing=SmoothingConfig(**smoothing)), uar, onset_s, flips, 0.0, 0.0)


def test_within_the_bars_the_highest_uar_wins_and_outside_the_nearest() -> None:
    slow, jumpy, fine, better = trial(60, 2.0, 1), trial(60, 0.5, 9), trial(40, 1.4, 3.9), trial(45, 1.5, 4.0)
    base = trial(42, 2.5, 8)
    assert tune.choose([base, slow, jumpy, fine, better]) is better
    assert tune.choose([base, slow, jumpy]) is slow
    assert tune.choose([slow, jumpy, fine, better]) is slow, "the bars are not worth fifteen points"
    calmer, calmest = trial(59.5, 1.8, 1), trial(58.5, 1.6, 1)
    assert tune.choose([slow, jumpy, calmer, calmest]) is calmer, "nor is coming nearer to them worth more than one"
    assert tune.frontier([slow, jumpy, fine, better, trial(39, 1.4, 4.0)]) == [jumpy, fine, better, slow]


def test_overrides_give_the_settings_back() -> None:
    from realtime_ser.config import load_config

    config = replace(CONFIG, smoothing=SmoothingConfig(method="hmm", hold_s=0.25))
    again = load_config(None, tune.overrides(config))
    assert (again.stream, again.gate, again.smoothing) == (config.stream, config.gate, config.smoothing)
    assert "hmm" in tune.named(config)
    assert "gate.vad" in tune.named(config)
    assert "gate.slowed_threshold null" in tune.named(replace(config, gate=replace(config.gate, slowed_threshold=None)))


def test_the_report_says_where_the_temperatures_are_from() -> None:
    alone, voted = (Fold("f", SimpleNamespace(voter=voter), ()) for voter in (None, object()))  # type: ignore[arg-type]
    assert verbs._tempered("mlp", [alone]) == "at a temperature from the other folds"
    for system in ("large", "cnn"):
        assert verbs._tempered(system, [alone]) == "without a fitted temperature"
        assert "one for all corpora, fitted on leave-one-corpus-out" in verbs._tempered(system, [voted])
