"""What ``export`` of ``large`` and ``cnn`` puts on a card of own recordings: scores without people to measure."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from train.data import manifest
from train.data.corpora import LABELS
from train.data.manifest import Manifest, Row
from train.evaluation.large import Workshop
from train.networks.encoder import Encoder
from train.networks.waveform import Waveform
from train.networks.waveform_bundle import with_labels
from train.paths import Paths
from train.release import large
from train.settings import TrainSettings


def _row(corpus: str, who: str, emotion: str) -> Row:
    return Row(f"{corpus}/{who}.wav", corpus, f"{corpus}-{who}", emotion, "", "", "", "speech", 2.0, who)


@pytest.mark.parametrize(("system", "run"), [("large", ["all-seed-6", "all-seed-7"]), ("cnn", ["all-seed-3"])])
def test_own_recordings_without_strangers_become_a_bundle_of_their_labels(
    system: str, run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    acted = (_row("folder", "a", "sad"), _row("folder", "b", "happy"))
    paths = Paths(tmp_path, cache=tmp_path, runs=tmp_path / "runs", weights=tmp_path / "weights")
    manifest.save(Manifest(acted), paths.manifest)
    for name in run:
        (paths.runs / system / name).mkdir(parents=True)
        (paths.runs / system / name / "history.json").write_text('[{"seconds": 2.5}]')
    written: list[dict[str, Any]] = []

    def write(network: object, path: Path, **given: Any) -> SimpleNamespace:
        written.append(given)
        return SimpleNamespace(path=path, identity="x")

    asked: list[int] = []
    for name in ("large", "cnn"):
        monkeypatch.setattr(f"train.networks.school.School.{name}", lambda *_, number, **__: asked.append(number))
    monkeypatch.setattr(large, "write_bundle", write)
    monkeypatch.setattr(large, "load_model", lambda _: None)
    shop = Workshop(paths, acted, acted, TrainSettings(seed=3), system=system)
    large.ship(shop, paths.weights)
    assert asked == [3], "the seed that the card names is that of the network"
    assert written[-1]["labels"] == ["happy", "sad"]
    about = written[-1]["facts"]
    assert about["training"]["seed"] == 3
    assert about["headline"] == "not yet scored"
    assert about["unseen"]["corpus"] == about["unseen"]["everyday"] == about["unseen"]["sounds"] == {}
    assert about["licence"] == "its owner's: trained on own recordings and the encoder in its notice"
    assert capsys.readouterr().err == "train: no clip of ased, so the card has no score of people never met\n"


def test_a_network_with_fewer_labels_shares_out_the_rest() -> None:
    torch.manual_seed(0)
    whole = Waveform(Encoder()).eval()
    torch.nn.init.normal_(whole.head.weight)
    few = with_labels(whole, ["happy", "sad"])
    statistics = torch.randn(2, whole.encoder.statistics)
    with torch.no_grad():
        every, some = (each.logits(statistics, torch.zeros_like(statistics)) for each in (whole, few))
    places = [LABELS.index("happy"), LABELS.index("sad"), len(LABELS)]
    assert torch.allclose(every[:, places], some)
    assert not few.training
    assert with_labels(whole, LABELS) is whole
