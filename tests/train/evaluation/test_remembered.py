"""Runs that start with a remembered voice: halves do not mix, every way to start is scored, and the table says it."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from bundles import RATE, Samples, write_bundle
from realtime_ser.config import Config, GateConfig
from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import load_model
from train.evaluation.remembered import remembered, report, speakers_of


@pytest.fixture
def corpora(tmp_path: Path, talk: Samples) -> Path:
    """Two speakers of EMOVO's naming, two clips of each of four labels."""
    folder = tmp_path / "corpora" / "emovo"
    folder.mkdir(parents=True)
    for i, speaker in enumerate(("f1", "m1")):
        for j, label in enumerate(("neu", "gio", "tri", "rab")):
            for k, sentence in enumerate(("b1", "b2")):
                start = RATE * (i + j + k) // 2
                soundfile.write(folder / f"{label}-{speaker}-{sentence}.wav", talk[start : start + 2 * RATE], RATE)
    return folder.parent


def test_every_way_to_start_is_scored(corpora: Path, tmp_path: Path) -> None:
    section = {"mean": [0.0] * 64, "deviation": [12.0] * 64, "prior_s": 4.0, "memory_s": 40.0}
    model = load_model(write_bundle(tmp_path / "model", "stacked", normalisation=section))
    people = speakers_of(corpora, ["emovo"], clips=5, speakers=9)
    assert [one.number for one in people] == [0, 1]
    for one in people:
        assert len(one.taught) == len(one.tested) == 4
        assert not {clip.path for clip in one.taught} & {clip.path for clip in one.tested}
    figures = remembered(model, corpora, ["emovo"], Config(gate=GateConfig(enabled=False)))
    assert (figures["speakers"], figures["test_clips"]) == (2, 8)
    assert figures["profile_s"] == pytest.approx(8, abs=0.1)
    assert figures["neutral_profile_s"] == pytest.approx(2, abs=0.1)
    ways = figures["ways"]
    assert {"cold", "known voice", "profile", "neutral only", "somebody else's"} <= set(ways)
    assert ways["profile, not compared"]["let_go"] == ways["cold"]["let_go"] == 0
    assert ways["cold"]["runs"] == 2
    assert ways["cold, single clips"]["runs"] == 8
    page = report(figures)
    assert all(f"| {name} |" in page for name in ways)
    with pytest.raises(ConfigError, match="fewer than two speakers"):
        speakers_of(corpora, ["ased"], clips=5, speakers=9)
