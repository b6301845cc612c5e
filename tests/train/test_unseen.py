"""Everyday speech and real sounds through the engine: what is counted, and what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bundles import RATE, Samples, write_stream_bundle
from realtime_ser.config import Config, GateConfig
from realtime_ser.model.classifier import load_model
from train.__main__ import main
from train.data import manifest
from train.data.manifest import Row
from train.evaluation import everyday, nobody
from train.evaluation.streaming.scores import NO_SPEECH, UNSURE, Shown


def _row(path: str, emotion: str, sentence: str = "") -> Row:
    return Row(path, path.split("/")[0], path, emotion, sentence, "", "", "speech", 3.0, "")


def test_time_under_a_label_and_alarms() -> None:
    tally = everyday.Tally(dict.fromkeys(("neutral", "calm", "angry", "happy", UNSURE, NO_SPEECH), 0.0))
    said = ["neutral", "angry", "angry", "calm", NO_SPEECH, "happy", UNSURE, "angry"]
    tally.add([Shown(float(i), i + 1.0, label) for i, label in enumerate(said)])
    found = tally.as_dict()
    assert found["minutes"] == 0.1
    assert found["plain"] == pytest.approx(33.3)
    assert found["angry"] == 50.0
    assert found["unsure_minutes"] == 0.02
    # Angry, happy and angry again appeared: three in six seconds.
    assert found["false_alarms_per_hour"] == 1800.0


def test_a_greater_share_of_neutral_shows_more_of_it(tmp_path: Path, talk: Samples) -> None:
    (tmp_path / "librispeech").mkdir()
    soundfile.write(tmp_path / "librispeech/1.flac", talk[: 5 * RATE], RATE)
    model = load_model(write_stream_bundle(tmp_path / "bundle"))
    rows = [_row("librispeech/1.flac", "plain")]
    result = everyday.everyday(model, tmp_path, rows, Config(), (0.05, None, 0.95))
    plain = [result["by_share"][share]["plain"] for share in ("0.05", "none", "0.95")]
    assert plain == sorted(plain)
    assert plain[-1] > plain[0]
    assert "neutral_share 0.95" in everyday.report(result)


def test_sounds_are_counted_by_kind_with_and_without_the_models_word(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    soft = np.tile(np.array([3e-4, -3e-4], np.float32), 2 * RATE)
    loud = np.random.default_rng(0).normal(0, 0.1, 3 * RATE)
    soundfile.write(tmp_path / "sounds/soft.flac", soft, RATE, subtype="PCM_24")
    soundfile.write(tmp_path / "sounds/loud.flac", loud, RATE)
    model = load_model(write_stream_bundle(tmp_path / "bundle"))
    rows = [_row("sounds/soft.flac", "nobody", "esc_rain"), _row("sounds/loud.flac", "nobody", "urban_street_music")]
    result = nobody.sounds(model, tmp_path, rows, Config(gate=GateConfig(enabled=False)))
    assert result["by_kind"]["esc_rain"]["gate"] == 100
    assert result["by_kind"]["esc_rain"]["both"] == 0
    assert result["all"] == result["by_kind"]["esc_rain"]
    assert result["with_voices"] == result["by_kind"]["urban_street_music"]
    assert result["with_voices"]["both"] > 0
    assert "esc_rain: 0 %" in nobody.report(result)


def test_evaluate_prints_what_a_bundle_never_learned_from(
    tmp_path: Path, talk: Samples, capsys: pytest.CaptureFixture[str]
) -> None:
    corpora = tmp_path / "corpora"
    clips = {
        "librispeech/100-1-0000": talk[: 3 * RATE],
        "librispeech/101-1-0000": talk[3 * RATE : 6 * RATE],  # this one may train
        "sounds/esc_rain_1-17367-A": np.random.default_rng(0).normal(0, 0.05, 2 * RATE),
        "ased/n1-01-01-01-05": talk[RATE : 4 * RATE],
        "ased/h1-01-01-02-05": talk[2 * RATE : 5 * RATE],
    }
    for name, samples in clips.items():
        (corpora / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(corpora / f"{name}.flac", samples, RATE)
    manifest.save(manifest.build(corpora, progress=False), tmp_path / "cache" / "manifest.csv")
    bundle = write_stream_bundle(tmp_path / "bundle")
    common = ["evaluate", "--corpora", str(corpora), "--cache", str(tmp_path / "cache"), "--bundle", str(bundle)]
    assert main([*common, "--everyday", "--sounds", "--strangers"]) == 0
    said = capsys.readouterr().out
    assert "1 clips of 1 readers" in said
    assert "esc_rain: " in said
    assert '"four_known"' in said
    assert '"speakers": 2' in said
    for file in (corpora / "ased").iterdir():
        file.unlink()
    manifest.save(manifest.build(corpora, progress=False), tmp_path / "cache" / "manifest.csv")
    assert main([*common, "--strangers"]) == 2
    assert "train get ased" in capsys.readouterr().err
