"""The rows of today's models: a frozen encoder with one linear layer, and ``large`` from its folds' scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import write_ravdess

from realtime_ser.config import resource
from train import published
from train.data import manifest as manifests
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.networks.encoder import Encoder
from train.published import frozen, ours, report


def _row(corpus: str, emotion: str, number: int) -> Row:
    return Row(f"{corpus}-{emotion}-{number}", corpus, "s", emotion, "", "", "", "speech", 1.0, "")


def test_emotions_weigh_alike_and_corpora_by_the_root_of_their_size() -> None:
    rows = [_row("a", "sad", i) for i in range(12)] + [_row("a", "happy", i) for i in range(4)]
    rows += [_row("b", "sad", i) for i in range(4)]
    weight = frozen.weights(rows)
    assert weight[:12].sum() == pytest.approx(weight[12:16].sum())
    assert weight[:16].sum() == pytest.approx(2 * weight[16:].sum())


def test_a_clip_longer_than_a_window_is_encoded_whole(tmp_path: Path) -> None:
    torch.manual_seed(0)
    np.savez(tmp_path / "e.npz", positions=np.zeros((500, 384), np.float16))
    encoder = frozen.whole_clips(Encoder(), tmp_path / "e.npz")
    samples = np.random.default_rng(0).normal(0, 0.1, 64_037).astype(np.float32)
    found = frozen.statistics(encoder, samples)
    assert found.shape == (1536,)
    assert np.isfinite(found).all()
    changed = samples.copy()
    changed[60_000:] = 0
    assert np.abs(frozen.statistics(encoder, changed) - found).max() > 1e-4, "beyond three seconds too"
    assert np.isfinite(frozen.statistics(encoder, samples[:100])).all()


@pytest.mark.slow
def test_the_row_joins_a_table_that_keeps_its_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ravdess(tmp_path / "corpora")
    manifest = manifests.build(tmp_path / "corpora", progress=False)

    def separable(root: Path, rows: list[Row], cache: Path, *, progress: bool) -> np.ndarray:
        """Every emotion is a place of its own."""
        x = np.zeros((len(rows), 1536), np.float32)
        for i, row in enumerate(rows):
            first = 100 * LABELS.index(row.emotion)
            x[i, first : first + 100] = 3
        return x

    monkeypatch.setattr(frozen, "features", separable)
    output, runs = tmp_path / "research", tmp_path / "runs" / "published"
    other = published.experiments()[0]
    table = np.eye(len(other.emotions), dtype=int).tolist()
    row = {
        "id": other.id, "system": other.system, "data": other.data, "variant": other.variant, "protocol": other.protocol,
        "note": "", "folds": 1, "labels": sorted(other.emotions), "epochs": None, "published_epochs": None, "published": {},
        "train": 50.0, "validation": None, "test": 12.3, "uar": 12.3, "uar_std": 0.0, "per_class": {}, "confusion": table,
        "seconds": 1.0, "parameters": 10, "latency_ms": {}, "history": [],
    }  # fmt: skip
    output.mkdir()
    (output / "published.json").write_text(json.dumps([row]))
    for _ in range(2):  # the second time from the runs
        page = published.reproduce(
            tmp_path / "corpora", manifest, cache=tmp_path, runs=runs, output=output, only=["frozen"], progress=False
        )
    text = page.read_text()
    assert "encoder frozen + linear" in text
    assert "| 12.3 |" in text
    rows = {row["id"]: row for row in json.loads((output / "published.json").read_text())}
    assert {other.id, frozen.ID, "ours-mlp"} <= set(rows)
    assert rows[frozen.ID]["uar"] == 100.0
    assert rows[frozen.ID]["clips"] == sum(row.corpus == "ravdess_speech" for row in manifest.rows)


@pytest.mark.slow
def test_large_has_a_row_once_its_folds_are_scored(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    for file in resource("weights").glob("large.*"):
        shutil.copy(file, weights)
    card = json.loads((weights / "large.json").read_text())
    (weights / "large.json").write_text(json.dumps({**card, "scores": {"command": "none"}}))
    assert ours.our_rows(weights, runs=tmp_path) == []
    scores = {
        "protocol": "emobox: clips", "uar_mean": 76.5, "uar_std_folds": 2.0, "accuracy": 76.0,
        "confusion": [[10] + [0] * 8 for _ in LABELS],
    }  # fmt: skip
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "scores-emobox.json").write_text(json.dumps({"scores": scores}))
    (row,) = ours.our_rows(weights, runs=tmp_path)
    assert (row["id"], row["uar"], row["test"], row["variant"]) == ("ours-large", 76.5, 76.0, "waveform")
    assert "76.5 ± 2.0" in report.cells(row)
    (shipped,) = [row for row in ours.our_rows() if row["id"] == "ours-large"]
    assert shipped["variant"] == "waveform, and mlp's vote"
