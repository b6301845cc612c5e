"""Scores of known answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import soundfile

from realtime_ser.batch.answer import joint_answer
from realtime_ser.model.classifier import Classifier
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.evaluation import scores
from train.evaluation.scores import Clips


def row(emotion: str, gender: str = "female", intensity: str = "normal") -> Row:
    return Row(f"{emotion}.wav", "ravdess_speech", "s", emotion, "", intensity, gender, "speech", 3.0, emotion)


def says(label: str, confidence: float = 0.9) -> np.ndarray:
    probs = np.full(len(LABELS), (1 - confidence) / (len(LABELS) - 1), np.float32)
    probs[LABELS.index(label)] = confidence
    return probs[None]


def heard(rows: tuple[Row, ...], windows: tuple[np.ndarray, ...], seconds: tuple[float, ...] | None = None) -> Clips:
    """Clips whose windows hold a second of speech each, or as given for the windows of a single clip."""
    if seconds is not None:
        return Clips(rows, windows, (np.array(seconds, np.float32),))
    return Clips(rows, windows, tuple(np.ones(len(part), np.float32) for part in windows))


NOTHING = np.zeros((0, len(LABELS)), np.float32)


def test_uar_weighs_labels_alike_and_silence_is_an_error() -> None:
    rows = (row("sad"), row("sad"), row("sad"), row("happy"))
    clips = heard(rows, (says("sad"), says("sad"), NOTHING, says("sad")))
    assert scores.recalls(clips) == pytest.approx({"happy": 0.0, "sad": 200 / 3})
    assert scores.uar(clips) == pytest.approx(100 / 3)
    assert scores.accuracy(clips) == pytest.approx(50)
    assert scores.confusion(clips)[LABELS.index("sad")].tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 1]


def test_a_bundle_with_fewer_labels_in_its_own_order_is_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "sad.wav", np.zeros(1600), 16_000)

    class Knowing(SimpleNamespace):
        sample_rate = 16_000
        reset = flush = staticmethod(list)

        def push(self, heard: object) -> list[SimpleNamespace]:
            gated = SimpleNamespace(probs=(), speech_ratio=0.0, start_s=0.0, end_s=1.0)
            return [gated, SimpleNamespace(probs=(0.7, 0.3), speech_ratio=0.5, start_s=0.0, end_s=2.0)]

    monkeypatch.setattr(scores, "Engine", lambda *_: Knowing())
    few = cast(Classifier, SimpleNamespace(card=SimpleNamespace(labels=("sad", "angry"))))
    clips = scores.stream_clips(few, tmp_path, [row("sad")], progress=False)
    assert clips.windows[0].shape == (1, len(LABELS))
    assert {LABELS[i]: float(p) for i, p in enumerate(clips.windows[0][0]) if p} == pytest.approx({"sad": 0.7, "angry": 0.3})
    assert LABELS[clips.guess[0]] == "sad"
    assert clips.speech_s[0] == pytest.approx([1.0])


def test_all_windows_of_a_clip_answer_together() -> None:
    windows = np.concatenate([says("sad", 0.5), says("happy", 0.95)])
    clips = heard((row("happy"),), (windows,))
    assert clips.probs[0] == pytest.approx(joint_answer(windows, np.ones(2, np.float32)))
    assert LABELS[clips.guess[0]] == "happy"


def test_a_clip_without_any_of_the_compared_labels_has_no_answer() -> None:
    windows = np.zeros((2, len(LABELS)), np.float32)
    windows[:, LABELS.index("calm")] = 1
    clips = scores.among(heard((row("happy"),), (windows,)), scores.FOUR)
    assert clips.probs[0].tolist() == [0] * len(LABELS)
    assert clips.guess[0] == -1


def test_perfect_confidence_has_no_calibration_error_and_bluster_has() -> None:
    rows = tuple(row("sad") for _ in range(10))
    right = [says("sad", 0.8)] * 8
    assert scores.calibration_error(heard(rows, (*right, says("happy", 0.8), says("happy", 0.8)))) == pytest.approx(0, abs=1e-6)
    assert scores.calibration_error(heard(rows, (says("happy", 0.99),) * 10)) == pytest.approx(0.99, abs=1e-3)


@pytest.mark.slow
def test_the_temperature_takes_bluster_back() -> None:
    rng = np.random.default_rng(0)
    rows, windows = [], []
    for _ in range(300):
        truth, other = rng.choice(LABELS, 2, replace=False)
        rows.append(row(truth))
        windows.append(says(truth if rng.random() < 0.6 else other, 0.97))
    clips = heard(tuple(rows), tuple(windows))
    temperature = scores.best_temperature(clips)
    assert temperature > 1.3
    assert scores.calibration_error(scores.tempered(clips, temperature)) < scores.calibration_error(clips) / 2


def test_scores_name_folds_genders_and_what_was_not_heard() -> None:
    first = heard((row("sad"), row("happy", "male", "strong")), (says("sad"), says("sad")))
    second = heard((row("sad"), row("happy", "male")), (says("sad"), NOTHING))
    table = scores.scores([[first, second]])
    assert table["uar_folds"] == [50.0, 50.0]
    assert table["per_gender"] == {"female": 100.0, "male": 0.0}
    assert table["per_class_recall"] == {"happy": 0.0, "sad": 100.0}
    sad, happy = LABELS.index("sad"), LABELS.index("happy")
    told = np.array(table["confusion"])
    assert (told[sad, sad], told[happy, sad], told[happy, -1], told.sum()) == (2, 1, 1, 4)
    assert (table["clips"], table["clips_without_speech"]) == (4, 1)


def test_seeds_are_averaged_and_their_spread_is_told() -> None:
    right = heard((row("sad"), row("happy")), (says("sad"), says("happy")))
    half = heard((row("sad"), row("happy")), (says("sad"), says("sad")))
    table = scores.scores([[right, right], [right, half]])
    assert table["uar_seeds"] == [100.0, 75.0]
    assert table["uar_mean"] == 87.5
    assert table["uar_std_seeds"] == 12.5
    assert table["uar_folds"] == [100.0, 75.0]
    assert table["clips"] == 4


def test_an_interval_spans_the_speakers() -> None:
    rows = tuple(replace(row(emotion), speaker=f"s{i}") for i in range(10) for emotion in ("sad", "happy"))
    heard_right = heard(rows, tuple(says(each.emotion) for each in rows))
    assert scores.interval(heard_right) == [100.0, 100.0]
    mixed = heard(rows, tuple(says(each.emotion if int(each.speaker[1:]) < 5 else "calm") for each in rows))
    low, high = scores.interval(mixed)
    assert low < 40 < 60 < high


def test_among_four_the_others_have_no_say() -> None:
    probs = np.full(len(LABELS), 0.0, np.float32)
    probs[LABELS.index("calm")], probs[LABELS.index("sad")], probs[LABELS.index("angry")] = 0.6, 0.3, 0.1
    clips = heard((row("sad"), row("calm")), (probs[None], probs[None]))
    four = scores.among(clips, scores.FOUR)
    assert [each.emotion for each in four.rows] == ["sad"]
    assert LABELS[four.guess[0]] == "sad"
    assert four.windows[0].sum() == pytest.approx(1)


def test_strangers_are_scored_over_what_both_sides_know() -> None:
    rows = tuple(replace(row(emotion), speaker="x") for emotion in ("sad", "angry", "calm"))
    right = heard(rows, tuple(says(each.emotion) for each in rows))
    wrong = heard(rows, tuple(says("happy") for _ in rows))
    table = scores.cross_scores([("here", ["sad", "angry", "happy"], wrong, right), ("there", ["sad"], right, right)])
    assert table["corpora"]["here"]["labels"] == ["sad", "angry"]
    assert table["corpora"]["here"]["four_stream"] == 100.0
    assert table["four_clip"] == {"mean": 50.0, "worst": 0.0}
