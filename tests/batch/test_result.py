"""One answer to a recording: the object, its row, its data frame, its page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import realtime_ser
from bundles import LABELS, RATE, Samples
from realtime_ser.batch.answer import decided, joint_answer, speech_s
from realtime_ser.batch.judge import Judge
from realtime_ser.batch.result import columns
from realtime_ser.config import Config, SmoothingConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import SourceError
from realtime_ser.model.classifier import load_model
from realtime_ser.records import Block


def test_all_windows_answer_together(tiny: Path, talk: Samples) -> None:
    result = realtime_ser.classify(talk, sample_rate=RATE, model=tiny)
    engine = Engine(load_model(tiny))
    estimates = engine.push(Block(talk, RATE, 0)) + engine.flush()
    spoken = [each for each in estimates if each.probs]
    assert len({each.speech_ratio for each in spoken}) > 1, "some windows weigh more than others"
    powered = sum(np.array(each.probs) * speech_s(each) for each in spoken) ** (1.2 - 0.2 / len(spoken))
    assert list(result.probabilities.values()) == pytest.approx(powered / powered.sum(), abs=1e-5)
    assert list(result.probabilities) == list(LABELS)
    assert (result.label, result.confidence) == decided(result.probabilities, Config().smoothing.neutral_share)
    assert [each.end for each in result.windows] == [each.end for each in estimates]
    assert result.duration_s == pytest.approx(9.0)
    assert sum(each.end - each.start for each in result.segments) == result.summary.health.classified


def test_training_scores_clips_by_the_same_rule() -> None:
    scores = pytest.importorskip("train.evaluation.scores")
    assert scores.joint_answer is joint_answer


def test_a_window_weighs_as_much_as_it_holds_speech_and_the_answer_is_surer_than_their_mean() -> None:
    windows = np.array([[0.9, 0.1], [0.3, 0.7]], np.float32)
    answer = joint_answer(windows, np.array([1, 3], np.float32))
    assert answer == pytest.approx(np.array([0.45**1.1, 0.55**1.1]) / (0.45**1.1 + 0.55**1.1))
    assert answer[1] > 0.55
    assert answer.dtype == np.float32


def test_windows_without_speech_weigh_the_same_and_no_window_says_nothing() -> None:
    # gate.min_speech_s: 0 lets them through
    windows = np.array([[0.9, 0.1], [0.3, 0.7]], np.float32)
    assert joint_answer(windows, np.zeros(2, np.float32)) == pytest.approx(joint_answer(windows, np.ones(2, np.float32)))
    assert joint_answer(windows[:0], np.zeros(0, np.float32)).tolist() == [0, 0]


def test_a_long_recordings_answer_is_exact() -> None:
    window = np.array([[0.5, 0.3, 0.2]], np.float32)
    many = joint_answer(np.tile(window, (500_000, 1)), np.full(500_000, 1.3, np.float32))
    assert many == pytest.approx(window[0] ** 1.2 / (window[0] ** 1.2).sum(), abs=1e-6)


def test_one_window_answers_as_it_is() -> None:
    window = np.array([[0.5, 0.3, 0.2]], np.float32)
    assert joint_answer(window, np.array([0.4], np.float32)) == pytest.approx(window[0])


def test_a_row_has_the_contracts_columns(tiny: Path, talk: Samples) -> None:
    row = realtime_ser.classify(talk, sample_rate=RATE, model=tiny).row()
    assert list(row) == columns(LABELS)
    assert list(row)[:4] == ["path", "duration_s", "label", "confidence"]
    assert list(row)[-5:] == ["speech_s", "dropped_s", "model", "model_sha256", "error"]
    assert sum(row[f"probability_{label}"] for label in LABELS) == pytest.approx(1, abs=1e-3)
    unsure = row["speech_s"] - sum(row[f"seconds_{label}"] for label in LABELS)
    assert -0.01 <= unsure <= row["speech_s"]
    assert (row["duration_s"], row["dropped_s"], row["error"], row["model"]) == (9.0, 0.0, None, "tiny")


def test_where_nobody_speaks_there_is_no_label() -> None:
    result = realtime_ser.classify(np.zeros(4 * RATE, np.float32), sample_rate=RATE)
    assert (result.label, result.confidence, result.probabilities, result.segments) == (None, 0.0, {}, ())
    assert (result.row()["label"], result.row()["speech_s"]) == (None, 0.0)
    assert len(result.windows) > 8


def test_a_damaged_recording_is_answered_as_far_as_it_goes(tiny: Path, tmp_path: Path, talk: Samples) -> None:
    whole, cut = tmp_path / "whole.flac", tmp_path / "cut.flac"
    soundfile.write(whole, talk, RATE)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    result = realtime_ser.classify(cut, model=tiny)
    assert result.label is not None
    assert result.error is not None
    assert "cut.flac" in result.error
    assert 3 < result.duration_s < 9
    with pytest.raises(SourceError, match="does not exist"):
        realtime_ser.classify(tmp_path / "nix.wav")


def test_the_configs_model_is_taken(tiny: Path, talk: Samples) -> None:
    assert realtime_ser.classify(talk[: 3 * RATE], config=Config(model=str(tiny))).session.model == "tiny"


def test_as_a_data_frame(tiny: Path, talk: Samples) -> None:
    pytest.importorskip("pandas")
    result = realtime_ser.classify(talk, sample_rate=RATE, model=tiny)
    frame = result.to_pandas()
    assert len(frame) == len(result.windows)
    assert frame["end_s"].tolist() == [window.end_s for window in result.windows]
    assert {"state", "label", "confidence", "p_happy", "smoothed_sad", "level_dbfs"} <= set(frame.columns)
    assert frame["p_happy"].isna().sum() == sum(not window.probs for window in result.windows)


def test_a_notebook_shows_the_report(tiny: Path, talk: Samples) -> None:
    shown = realtime_ser.classify(talk, sample_rate=RATE, model=tiny)._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert "&lt;svg" in shown
    assert "<script" not in shown


def test_a_recording_that_is_too_short_says_so(tiny: Path, talk: Samples, tmp_path: Path) -> None:
    """Without it the row is that of a recording in which nobody speaks."""
    path = tmp_path / "short.wav"
    soundfile.write(path, talk[: RATE // 4], RATE)
    result = realtime_ser.classify(path, model=tiny)
    assert result.label is None
    assert result.error is not None
    assert "short.wav: 0.25 s are too short to classify" in result.error
    assert result.row()["error"] == result.error
    judged = Judge(load_model(tiny), Config()).judge(str(path))
    assert judged is not None
    assert judged.row["error"] == result.error


def test_nothing_is_no_microphone(tiny: Path) -> None:
    with pytest.raises(SourceError, match="classify takes a recording: a file or samples, got None"):
        realtime_ser.classify(None, model=tiny)  # type: ignore[arg-type]


def test_the_label_expects_as_much_plain_speech_as_live_labels_do(tiny: Path, talk: Samples) -> None:
    """``classify`` ignored the share, so that a row's label was another than most of its seconds had."""
    probabilities = {"angry": 0.4, "neutral": 0.3, "sad": 0.2, "calm": 0.1}
    assert decided(probabilities, None) == ("angry", pytest.approx(0.4))
    label, confidence = decided(probabilities, 0.8)
    assert label == "neutral"
    assert confidence == pytest.approx(0.3 * 1.6 / (0.4 * 1.6 + 0.6 * 0.4))
    assert decided({}, 0.45) == (None, 0.0)
    plain = Config(smoothing=SmoothingConfig(neutral_share=0.99))
    result = realtime_ser.classify(talk, sample_rate=RATE, model=tiny, config=plain)
    assert result.label in ("neutral", "calm")
    assert result.row()["label"] == result.label
    assert result.probabilities == realtime_ser.classify(talk, sample_rate=RATE, model=tiny).probabilities
