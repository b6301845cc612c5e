"""Confidence against being right, on answers whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from realtime_ser.config import SmoothingConfig
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.evaluation import calibration
from train.evaluation.calibration import Answers
from train.evaluation.scores import Clips
from train.evaluation.scores import calibration_error as clips_error


def drawn(confidence: float, count: int, right: int) -> Answers:
    return Answers(np.full(count, confidence), np.arange(count) < right)


def joined(*parts: Answers) -> Answers:
    return Answers(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("confidence", "right")))


def clips(*said: tuple[str, list[tuple[str, float]]]) -> Clips:
    """Each clip: its emotion, and label and confidence of each window."""
    rows, windows = [], []
    for number, (emotion, answers) in enumerate(said):
        rows.append(Row(f"{number}.wav", "c", "s", emotion, "", "", "", "speech", 2.0, str(number)))
        probs = np.zeros((len(answers), len(LABELS)), np.float32)
        for place, (label, confidence) in enumerate(answers):
            probs[place] = (1 - confidence) / (len(LABELS) - 1)
            probs[place, LABELS.index(label)] = confidence
        windows.append(probs)
    return Clips(tuple(rows), tuple(windows), tuple(np.ones(len(part), np.float32) for part in windows))


def test_bins_count_and_compare() -> None:
    answers = joined(drawn(0.95, 10, 5), drawn(0.25, 30, 6))
    low, high = calibration.reliability(answers)
    assert (low.count, low.confidence, low.accuracy) == (30, pytest.approx(0.25), pytest.approx(0.2))
    assert (high.count, high.accuracy) == (10, 0.5)
    assert calibration.calibration_error(answers) == pytest.approx(0.25 * 0.45 + 0.75 * 0.05)
    assert calibration.calibration_error(drawn(1.0, 4, 4)) == 0


def test_the_least_confident_are_withheld_first() -> None:
    share, right = calibration.coverage(joined(drawn(0.3, 2, 0), drawn(0.9, 2, 2)))
    np.testing.assert_allclose(share, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(right, [1, 1, 2 / 3, 0.5])


def test_the_operating_point_tells_answered_and_withheld_apart() -> None:
    answers = joined(drawn(0.3, 4, 1), drawn(0.9, 4, 3))
    assert calibration.at(answers, 0.5) == {"answered": 50.0, "accuracy": 75.0, "accuracy_of_withheld": 25.0}
    assert calibration.at(answers, 0.0)["accuracy_of_withheld"] is None


def test_the_screen_is_judged_window_by_window_and_starts_afresh_with_each_clip() -> None:
    heard = clips(("sad", [("sad", 0.9)] * 3), ("happy", [("happy", 0.8), ("sad", 0.9)]), ("calm", []))
    screen = calibration.of_screen(heard, SmoothingConfig(method="none", margin=0.0, hold_s=0.0, neutral_share=None))
    assert screen.right.tolist() == [True, True, True, True, False]
    np.testing.assert_allclose(screen.confidence, [0.9, 0.9, 0.9, 0.8, 0.9], atol=1e-6)
    # Doubt withholds an answer; it does not change which one it would have been.
    doubting = calibration.of_screen(
        heard, SmoothingConfig(method="none", margin=0.0, hold_s=0.0, neutral_share=None, unsure_below=0.99)
    )
    assert doubting.right.tolist() == screen.right.tolist()


def test_a_clip_in_which_nobody_was_heard_gave_no_answer() -> None:
    heard = clips(("sad", [("sad", 0.9)]), ("calm", []))
    answers = calibration.of_clips(heard)
    assert answers.right.tolist() == [True]
    assert calibration.calibration_error(answers) == pytest.approx(clips_error(heard))


@pytest.mark.slow
def test_the_table_is_told_and_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    said = []
    for _ in range(60):
        emotion, other = rng.choice(LABELS, 2, replace=False)
        said.append((str(emotion), [(str(emotion if rng.random() < 0.6 else other), rng.uniform(0.2, 0.95))] * 3))
    heard = clips(*said)
    found = calibration.table(heard, SmoothingConfig())
    assert sum(one["count"] for one in found["clip"]["bins"]) == 60
    assert found["screen"]["answers"] == 180
    summary = calibration.summary(found)
    assert "calibration error" in summary
    assert f"unsure below {SmoothingConfig().unsure_below:g}" in summary
    assert calibration.picture(heard, SmoothingConfig(), "made", tmp_path / "c.png").stat().st_size > 0
