"""``evaluate --bars``: what is measured, what is kept, what goes on a card and into pictures, and the table of bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from synthetic import write_ravdess

from bundles import RATE, Samples, write_stream_bundle
from realtime_ser.audio.high_pass import high_passed
from realtime_ser.config import Config, GateConfig, SmoothingConfig
from realtime_ser.errors import ConfigError
from realtime_ser.model.card import read_card
from realtime_ser.model.classifier import load_model
from train.__main__ import main
from train.data import manifest
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.evaluation import bars, scores
from train.evaluation.bars import measured_as
from train.evaluation.strangers import adaptation, by_share
from train.evaluation.streaming.conditions import low_frequencies
from train.evaluation.targets import Target, targets
from train.paths import Paths
from train.release.measured import put_on_card, take_measured
from train.settings import load_setup


def _row(name: str, emotion: str, speaker: str = "s1") -> Row:
    return Row(name, "made", speaker, emotion, "", "", "", "speech", 2.0, "0123456789")


def _clips(rows: list[Row], right: list[bool]) -> scores.Clips:
    """Three windows a clip; a wrong answer is "happy", or "sad" where that is the truth."""
    windows = []
    for row, good in zip(rows, right, strict=True):
        answer = row.emotion if good else ("sad" if row.emotion == "happy" else "happy")
        probs = np.full((3, len(LABELS)), 0.02, np.float32)
        probs[:, LABELS.index(answer)] = 1 - 0.02 * (len(LABELS) - 1)
        windows.append(probs)
    return scores.Clips(tuple(rows), tuple(windows), tuple(np.ones(3, np.float32) for _ in rows))


def test_adaptation_counts_the_seconds_before_each_clip() -> None:
    rows = [_row(f"{who}-{i}", scores.FOUR[i % 4], who) for who in map(str, range(60)) for i in range(3)]
    first = {str(who): next(i for i in scores.speakers_in_turn(rows, 0) if rows[i].speaker == str(who)) for who in range(60)}
    cold = _clips(rows, [False] * len(rows))
    points = adaptation(cold, [_clips(rows, [i != first[row.speaker] for i, row in enumerate(rows)])])
    assert [(point["seconds"], point["clips"]) for point in points] == [(0.0, 180 + 60), (2.2, 120)]
    assert points[0]["uar"] == 0.0
    assert points[1]["uar"] == 100.0, "1.5 and 3 s of speech lie before the second and third clip"


def test_a_share_of_neutral_moves_unsure_answers_alone() -> None:
    rows = [_row(str(i), emotion) for i, emotion in enumerate(scores.FOUR)]
    clips = _clips(rows, [True] * 4)
    torn = np.full((1, len(LABELS)), 0.1, np.float32)
    torn[0, LABELS.index("sad")] = 0.3
    windows = [torn if row.emotion == "sad" else part for row, part in zip(rows, clips.windows, strict=True)]
    clips = scores.Clips(clips.rows, tuple(windows), tuple(np.ones(len(part), np.float32) for part in windows))
    table = by_share(clips, clips, (None, 0.25, 0.9))
    assert table["none"] == table["0.25"] == {"cold": 100.0, "known": 100.0}
    assert table["0.9"]["known"] == 75.0


def test_low_frequencies_are_what_their_names_say() -> None:
    rng = np.random.default_rng(0)
    voice = (0.05 * rng.standard_normal(3 * RATE)).astype(np.float32)
    voice = high_passed(voice, RATE)
    spoilt = {each.name.split(",")[0]: each.apply(voice, RATE, _row("a", "sad"))[0] for each in low_frequencies()}
    assert np.mean(spoilt["DC 0.1"] - voice) == pytest.approx(0.1, abs=1e-4)
    tone = spoilt["hum of 50 Hz"] - voice
    assert np.argmax(np.abs(np.fft.rfft(tone))) == 3 * 50
    assert np.abs(tone).max() == pytest.approx(0.1, abs=1e-3)
    assert np.abs(spoilt["rumble"]).max() <= 1.0 + 1e-6
    # Above 60 Hz the voice is what it was, but for one gain.
    spectrum, clean = (np.abs(np.fft.rfft(part)) for part in (spoilt["rumble"], voice))
    gain = np.median(spectrum[600:] / clean[600:])
    low = np.sum(spectrum[:181] ** 2) / np.sum((gain * clean[181:]) ** 2)
    assert 10 * np.log10(low) == pytest.approx(20, abs=0.5)


def test_the_table_says_met_missed_and_not_measured() -> None:
    measured = {
        "neutral_share": 0.5,
        "share_costs": 7.0,
        "corpus": {
            "corpus": "ased", "clips": 9, "speakers": 3, "four_cold": 64.0, "four_known": 60.0, "four_cold_ci95": [60, 70],
            "four_known_ci95": [50, 70], "ece_cold": 0.04, "ece_known": 0.06,
        },
        "spoilt": {"corpus": "ased", "clips": 9, "speakers": 3, "clean": 64.0, "points": [
            {"group": "low", "name": "DC 0.1", "drop": 1.0, "low": -1.0, "high": 3.0, "uar": 63.0}]},
    }  # fmt: skip
    rows = targets(measured, {}, "large")
    found = {row.what.split(" (")[0]: row for row in rows}
    assert found["ased, four emotions, cold"].met is True
    assert found["ased, four emotions, known"].met is False
    assert found["ased, calibration error, known"].met is False
    assert found["ased, points that labels lose at neutral_share 0.5, known"].met is False
    assert found["points lost, DC 0.1"].met is True
    assert found["points lost, babble, 10 dB"].met is None
    assert str(found["points lost, babble, 10 dB"]).strip().endswith("not measured (at most 10)")
    assert all(row.limit is None for row in targets(measured, {}, "my own"))
    assert str(Target("x", 3.0, 2.0, note="n")) == "MISSED x: 3 (at most 2); n"


@pytest.mark.slow
def test_from_a_bundle_to_its_card_and_the_pictures(
    tmp_path: Path, talk: Samples, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpora, runs = tmp_path / "corpora", tmp_path / "runs"
    rng = np.random.default_rng(0)
    clips = {"librispeech/100-1-0000": talk[: 3 * RATE], "sounds/esc_rain_1-17367-A": rng.normal(0, 0.05, 2 * RATE)}
    for speaker in range(1, 4):
        for place, emotion in enumerate("nhsa"):
            for take in range(2):
                first = (place + 4 * take + speaker) * RATE // 2
                clips[f"ased/{emotion}1-0{take + 1}-01-01-{speaker:02d}"] = talk[first : first + 2 * RATE] + rng.normal(
                    0, 1e-3, 2 * RATE
                )
    for name, samples in clips.items():
        (corpora / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(corpora / f"{name}.flac", samples, RATE)
    manifest.save(manifest.build(corpora, progress=False), tmp_path / "cache" / "manifest.csv")
    monkeypatch.setattr("train.evaluation.strangers._FEWEST_CLIPS", 1)
    bundle = write_stream_bundle(tmp_path / "bundle", name="mlp")
    monkeypatch.setattr("train.evaluation.bars.resource", lambda _: bundle.parent)  # as one that ships
    places = ["--corpora", str(corpora), "--runs", str(runs)]
    common = ["evaluate", *places, "--cache", str(tmp_path / "cache"), "--bundle", str(bundle), "--orders", "1"]
    assert main(["card", *places, "--bundle", str(bundle)]) == 2
    assert "--bars" in capsys.readouterr().err
    assert take_measured(bundle, runs).headline == read_card(bundle).headline, "an export goes on without figures"
    assert "train card --bundle" in capsys.readouterr().err
    assert main([*common, "--bars"]) == 0
    said = capsys.readouterr().out
    assert "ased, four emotions, known (24 clips, 3 speakers)" in said
    assert "esc_rain" in said or "sounds, windows with an emotion, % (1 files)" in said
    assert "points lost, DC 0.1 (ased, 24 clips, 3 speakers)" in said
    assert "conversation, right label of the time, % (ased, 3 speakers" in said
    assert " bars met; " in said
    written = json.loads((runs / "bars" / "mlp.json").read_text())
    assert str(tmp_path) not in json.dumps(written), "no path of this machine"
    # One part again, bounded: the others stay.
    assert main([*common, "--bars", "sounds", "corpus", "--clips", "8"]) == 0
    again = json.loads((runs / "bars" / "mlp.json").read_text())
    assert again["spoilt"] == written["spoilt"]
    assert (again["corpus"]["clips"], again["corpus"]["bounded_to"]) == (8, 8)
    capsys.readouterr()
    assert main(["card", *places, "--bundle", str(bundle)]) == 0
    assert "corpus was measured on 8 clips alone" in capsys.readouterr().err
    assert {"corpus", "sounds"}.isdisjoint(read_card(bundle).raw["unseen"])
    (runs / "bars" / "mlp.json").write_text(json.dumps(written))
    card_before = json.loads(bundle.read_text())
    bundle.write_text(json.dumps({**card_before, "parameters": 3, "recipe": "waveform"}))
    assert main(["card", *places, "--bundle", str(bundle)]) == 0
    card = read_card(bundle)
    cold = written["corpus"]["four_cold"]
    assert card.headline.startswith(f"people never met (ased), 4 emotions: {cold:.1f} % UAR")
    assert card.raw["hop_ms"] > 0
    assert "adaptation" not in card.raw["unseen"]["corpus"]
    page = (bundle.parent / "README.md").read_text()
    assert "points lost by 24 clips of 3 speakers of ased" in page
    assert main(["pictures", *places, "--output", str(tmp_path / "images")]) == 0
    for name in ("adaptation", "frontier", "robustness"):
        assert (tmp_path / "images" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    # Figures of another network are not this one's.
    (runs / "bars" / "mlp.json").write_text(json.dumps({**written, "identity": "0" * 64}))
    assert main(["card", *places, "--bundle", str(bundle)]) == 2


def test_a_changed_share_of_neutral_keeps_what_does_not_depend_on_it() -> None:
    before = {name: {"x": 1} for name in bars.PARTS} | {"tested_on": "ased", "neutral_share": None}
    before["everyday"] = {"by_share": {"none": {}, "0.5": {}}}

    def settings(share: float | None, **gate: float) -> dict[str, Any]:
        return bars.of_engine(Config(gate=GateConfig(**gate), smoothing=SmoothingConfig(neutral_share=share)))

    for known in (before, before | {"settings": settings(None)}):  # files of earlier times have no settings
        assert bars._kept(known, settings(None), "ased") == known
        assert set(bars.PARTS) & set(bars._kept(known, settings(0.5), "ased")) == {"corpus", "spoilt", "everyday"}
        assert set(bars.PARTS) & set(bars._kept(known, settings(0.55), "ased")) == {"corpus", "spoilt"}
        assert bars._kept(known, settings(None), "emovo") == {}
    assert bars._kept(known, settings(None, min_speech_s=0.3), "ased") == {}


def test_figures_of_other_settings_are_printed_with_their_command_and_go_onto_no_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_stream_bundle(tmp_path, name="mine")
    paths = Paths(tmp_path, runs=tmp_path / "runs")
    rows = [_row("a", "sad"), _row("b", "nobody")]
    monkeypatch.setattr(bars, "strangers", lambda *_, command, **__: {"command": command})
    monkeypatch.setattr(bars, "cost_of_share", lambda *_: None)
    monkeypatch.setattr(bars, "targets", lambda *_: [])
    monkeypatch.setattr("train.release.measured.headline", lambda *_: "h")

    def measure(*changes: str) -> dict[str, Any]:
        setup = load_setup(changes=changes)
        return bars.of_bundle(paths, setup, rows, str(bundle), bars.Wanted(("corpus",), "made"))

    measure()
    file = bars.bars_file(paths.runs, measured_as(read_card(bundle)))
    before = file.read_text()
    assert json.loads(before)["corpus"]["command"].endswith("--bars --corpus made")
    capsys.readouterr()
    for change in ("gate.min_speech_s=0.5", "smoothing.neutral_share=0.6", "stream.hop_s=0.5"):
        told = f"--bars --corpus made --set {change}"
        assert measure(change)["corpus"]["command"].endswith(told)
        said = capsys.readouterr().out
        assert "of other settings, not kept" in said
        assert told in said
        assert file.read_text() == before
    put_on_card(bundle, paths.runs)
    assert capsys.readouterr().err == ""
    file.write_text(json.dumps({key: part for key, part in json.loads(before).items() if key != "settings"}))
    put_on_card(bundle, paths.runs)
    assert "does not name its settings" in capsys.readouterr().err
    other = bars.of_engine(Config(gate=GateConfig(min_speech_s=0.5)))
    file.write_text(json.dumps({**json.loads(before), "settings": other}))
    with pytest.raises(ConfigError, match="nothing of this network with the shipped settings"):
        put_on_card(bundle, paths.runs)


def test_pictures_of_nothing_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pictures", "--corpora", str(tmp_path), "--runs", str(tmp_path), "--output", str(tmp_path / "i")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_folds_of_large_are_the_bundles_that_its_scoring_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpora = tmp_path / "corpora"
    write_ravdess(corpora, (1, 2, 3, 4, 6, 8), (1,))  # one of each fold
    manifest.save(manifest.build(corpora, progress=False), tmp_path / "cache" / "manifest.csv")
    places = ["--corpora", str(corpora), "--cache", str(tmp_path / "cache"), "--runs", str(tmp_path / "runs")]
    common = ["evaluate", "--system", "large", *places, "--fold", "1"]
    for kind in ("--bars", "--stream"):
        assert main([*common, kind]) == 2
        error = capsys.readouterr().err
        assert "python -m train evaluate --system large --protocol emobox" in error
        assert error.count("\n") == 1
    folder = tmp_path / "runs" / "large" / "emobox-1"
    for path in (write_stream_bundle(folder), folder / "tiny.onnx"):
        path.rename(path.with_stem("bundle"))
    assert main([*common, "--bars", "spoilt", "--clips", "4"]) == 0
    said = capsys.readouterr().out
    assert "points lost, DC 0.1 (ravdess_speech, 4 clips, 1 speakers)" in said
    assert json.loads((tmp_path / "runs" / "bars" / "large-folds.json").read_text())["folds"] == ["emobox-1"]
    assert main([*common, "--bars", "sounds"]) == 2
    assert "give --bundle" in capsys.readouterr().err
    monkeypatch.setattr("train.evaluation.streaming.report.SOUND_S", 1.0)
    monkeypatch.setattr("train.evaluation.streaming.report.conditions", lambda root, rows: low_frequencies())
    assert main([*common, "--stream", "--clips", "2", "--output", str(tmp_path / "results")]) == 0
    assert "low frequencies: DC 0.1" in (tmp_path / "results" / "stream" / "large.md").read_text()


def test_a_bundle_of_ones_own_keeps_figures_of_its_own(tmp_path: Path) -> None:
    """One that is called mlp wrote over the shipped one's, and was judged by its bars."""
    own = read_card(write_stream_bundle(tmp_path / "bundle", name="mlp"))
    assert measured_as(own) == f"mlp-{own.sha256[:8]}"
    assert measured_as(load_model("mlp").card) == "mlp"
    assert all(row.limit is None for row in targets({}, own.raw, measured_as(own)))
