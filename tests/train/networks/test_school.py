"""Runs on drawn windows: what identifies them, and which networks a repetition has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from train.data.manifest import Row
from train.networks import school
from train.networks.encoder import Encoder
from train.networks.pool import Pool
from train.networks.school import digest
from train.networks.waveform import Waveform
from train.paths import Paths
from train.recipe import WaveformRecipe

ROWS = [Row(f"tess/{n}.wav", "tess", f"tess-{n}", "sad", "", "", "", "speech", 1.0, f"{n}") for n in range(3)]


class Drawn:
    """What ``digest`` needs of a ``Pool``."""

    def __init__(self, name: str) -> None:
        self.folder = Path("cache") / name


def known(rows: list[Row], drawn: str = "drawn-1") -> str:
    return digest(rows, cast("Pool", Drawn(drawn)))


@pytest.mark.parametrize(
    "change", [{"path": "x.wav"}, {"sha256": "x"}, {"corpus": "emovo"}, {"speaker": "tess-9"}, {"emotion": "happy"}]
)
def test_a_run_is_of_its_clips_audio_and_labels(change: dict[str, Any]) -> None:
    assert known([replace(ROWS[0], **change), *ROWS[1:]]) != known(ROWS)


def test_a_run_is_of_the_pool_it_learned_from() -> None:
    """The pool's key covers readers, sounds, and how the windows were drawn."""
    assert known(ROWS, "drawn-2") != known(ROWS)


def test_the_order_of_clips_and_those_without_a_label_make_no_other_run() -> None:
    plain = replace(ROWS[0], path="librispeech/1.flac", emotion="plain")
    assert known([plain, *reversed(ROWS)]) == known(ROWS)


def test_each_repetition_of_large_has_networks_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[str, int]] = []

    def made_up(draws: object, recipe: object, encoder: Path, folder: Path, *, seed: int, **rest: object) -> Waveform:
        trained.append((folder.name, seed))
        network = Waveform(Encoder())
        with torch.no_grad():
            network.gain.fill_(seed)
        return network

    monkeypatch.setattr(school, "train", made_up)
    monkeypatch.setattr(school, "Draws", lambda *given, **also: None)
    monkeypatch.setattr(school.School, "pool", SimpleNamespace(folder=tmp_path))
    large = school.School(Paths(tmp_path, tmp_path, tmp_path), (), WaveformRecipe(networks=2))
    assert large.large([], "all").gain.mean().item() == pytest.approx(0.5)
    assert large.large([], "all", number=1).gain.mean().item() == pytest.approx(2.5)
    assert trained == [("all", 0), ("all-seed-1", 1), ("all-seed-2", 2), ("all-seed-3", 3)]
    assert [folder.name for folder in large.folders("all", 1)] == ["all-seed-2", "all-seed-3"]


def test_pupils_learn_from_the_first_network_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def made_up(draws: object, recipe: object, encoder: Path, folder: Path, *, seed: int, **rest: object) -> Waveform:
        folder.mkdir(parents=True)
        asked.append(seed)
        return Waveform(Encoder())

    monkeypatch.setattr(school, "train", made_up)
    monkeypatch.setattr(school, "Draws", lambda *given, **also: None)
    monkeypatch.setattr(school, "answers", lambda teacher, pool, places: np.ones((1, 4, 9), np.float32))
    monkeypatch.setattr(school.School, "pool", SimpleNamespace(folder=tmp_path))
    large = school.School(Paths(tmp_path, tmp_path, tmp_path), (), WaveformRecipe(networks=2))
    assert large._answers([], "all", [0], 1).shape == (1, 4, 9)
    assert asked == [0]
