"""The bundle that ships: its temperature is the one for people whom the network never met."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from train.data import manifest
from train.data.manifest import Manifest, Row
from train.evaluation.folds import Job
from train.paths import Paths
from train.release import shipping
from train.settings import load_setup


class _Trained:
    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def export(self, path: Path, **asked: Any) -> None:
        self.asked = asked


@pytest.mark.parametrize(
    ("scored", "expected"),
    [
        ({"emobox": 0.7, "cross": 1.3}, 1.3),
        ({"emobox": 0.7}, 0.7),
        ({"cross": 1.3}, 1.3),
        ({}, 1.0),
    ],
)
def test_the_temperature_is_the_one_for_strangers(
    scored: dict[str, float],
    expected: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained = _Trained()

    def found(paths: Paths, settings: object, rows: object, job: Job) -> dict[str, Any]:
        return {"temperature": scored[job.protocol], "scores": {}} if job.protocol in scored else {}

    monkeypatch.setattr(shipping, "scored", found)
    monkeypatch.setattr(shipping.ensemble, "load_data", lambda *_: {})
    monkeypatch.setattr(shipping.ensemble, "train", lambda *_, **__: trained)
    monkeypatch.setattr(shipping.ensemble, "histories", lambda *_: [])
    monkeypatch.setattr(shipping, "facts", lambda *_: {})
    monkeypatch.setattr(shipping, "take_measured", lambda *_: None)
    shipping.ship(Paths(tmp_path, runs=tmp_path, weights=tmp_path), load_setup(), [], Job("mlp"))
    assert trained.asked["temperature"] == expected
    assert ("is not calibrated" in capsys.readouterr().err) == (not scored)


def test_the_card_of_a_taught_model_counts_what_lies_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acted, reader, reserved = (
        Row(f"{corpus}/{who}.wav", corpus, f"{corpus}-{who}", emotion, "", "", "", "speech", 2.0, who)
        for corpus, who, emotion in (("tess", "oaf", "sad"), ("librispeech", "19", "plain"), ("librispeech", "20", "plain"))
    )
    paths = Paths(tmp_path, cache=tmp_path / "cache", runs=tmp_path, weights=tmp_path)
    manifest.save(Manifest((acted, reader, reserved)), paths.manifest)
    trained = _Trained()
    monkeypatch.setattr(shipping.ensemble, "train", lambda *_, **__: trained)
    monkeypatch.setattr(shipping.ensemble, "histories", lambda *_: [])
    monkeypatch.setattr(shipping, "take_measured", lambda *_: None)
    shipping.ship(paths, load_setup(), [acted], Job("mlp"))
    training = trained.asked["facts"]["training"]
    assert (training["corpora"], training["clips"], training["speakers"]) == (["librispeech", "tess"], 2, 2)
    assert trained.asked["labels"] == ["sad"]
