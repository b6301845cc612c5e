"""The published systems on small made-up corpora: shapes, protocols, what is kept, what the table says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from synthetic import write_emodb, write_ravdess

from realtime_ser.errors import ConfigError
from train import published
from train.data import manifest as manifests
from train.data import splits
from train.data.manifest import Manifest
from train.published import inputs, report, training
from train.published.experiment import Experiment
from train.published.family_a import FlatMlp, StackCnn
from train.published.family_b import BranchCnn, TwoRnns
from train.published.family_c import Dnn


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    write_ravdess(folder)
    write_emodb(folder)
    return folder


@pytest.fixture(scope="module")
def manifest(root: Path) -> Manifest:
    return manifests.build(root, progress=False)


@pytest.fixture(scope="module")
def few() -> list[Experiment]:
    """One of each system, both protocols, for a few epochs."""
    wanted = {
        "A-flat": "full",
        "A-cnn": "chroma",
        "B-svm": "scaled",
        "B-rnn": "as described",
        "B-cnn": "scaled",
        "C-dnn": "scaled",
    }
    every = [one for one in published.experiments() if wanted[one.system] == one.variant]
    every = [one for one in every if not one.system.startswith("A") or one.data == "both, 6 emotions"]
    return [replace(one, epochs=2, folds=2, published=one.published or {"test": 50}) for one in every]


@pytest.fixture(scope="module")
def done(root: Path, manifest: Manifest, few: list[Experiment], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    published.reproduce(
        root,
        manifest,
        cache=folder / "cache",
        runs=folder / "runs",
        output=folder / "results",
        every=few,
        epochs={"B-rnn": 1},
        progress=False,
    )
    return folder


def test_the_branches_have_the_published_shapes() -> None:
    network = BranchCnn((148,), 5)
    x = torch.zeros(2, 1, 148)
    assert network.mel(x[:, :, :128]).shape == (2, 10, 10)
    assert network.mfcc(x[:, :, 128:]).shape == (2, 10, 10)
    assert [layer.out_features for layer in network.head if isinstance(layer, torch.nn.Linear)] == [700, 150, 50, 5]


def test_the_dense_network_penalises_its_last_four_layers_only() -> None:
    network = Dnn((268,), 6)
    assert [layer.out_features for layer in network.hidden] == [128, 128, 64, 64, 64]
    network.penalty().backward()
    assert [layer.weight.grad is not None for layer in [*network.hidden, network.last]] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("network", "shape"), [(FlatMlp, (12,)), (StackCnn, (12, 128)), (StackCnn, (268, 128)), (TwoRnns, (9, 148))]
)
def test_every_network_answers_for_each_class(network: type[torch.nn.Module], shape: tuple[int, ...]) -> None:
    assert network(shape, 5)(torch.zeros(3, *shape)).shape == (3, 5)


@pytest.mark.slow
def test_whole_clip_means_are_librosas() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 40_000).astype(np.float32)
    settings = {"sr": 16_000, "n_fft": 2048, "hop_length": 512, "center": False}
    mel = librosa.feature.melspectrogram(y=samples, n_mels=128, **settings)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=128)
    chroma = librosa.feature.chroma_stft(y=samples, tuning=0, **settings)
    expected = np.concatenate((mfcc.mean(axis=1), chroma.mean(axis=1), mel.mean(axis=1)))
    np.testing.assert_allclose(inputs.means(samples), expected, rtol=1e-3, atol=1e-3)
    stacked = inputs.stack(samples)
    np.testing.assert_allclose(stacked[:128], mfcc, rtol=1e-3, atol=2e-2)
    np.testing.assert_allclose(stacked[140:], librosa.power_to_db(mel), rtol=1e-3, atol=1e-2)


def test_a_clip_is_cut_to_its_middle_or_its_edges_are_repeated() -> None:
    array = np.arange(10, dtype=np.float32)[None]
    assert inputs.fixed(array, 4).tolist() == [[3, 4, 5, 6]]
    assert inputs.fixed(array, 13).tolist() == [[0, *range(10), 9, 9]]


def test_rows_are_the_published_ones_under_both_protocols() -> None:
    every = published.experiments()
    assert len({one.id for one in every}) == len(every)
    assert {one.system for one in every} == {"A-flat", "A-cnn", "B-svm", "B-rnn", "B-cnn", "C-dnn"}
    for one in every:
        assert replace(one, protocol="random" if one.protocol == "speaker" else "speaker").id in {other.id for other in every}
    count = {one.system: one.epochs for one in every if one.published_epochs}
    assert count == {"B-rnn": 200, "B-cnn": 1000, "C-dnn": 100}


@pytest.mark.slow
def test_unseen_speakers_are_unseen_and_random_shares_are_the_authors(manifest: Manifest, few: list[Experiment]) -> None:
    for one in few:
        rows = one.rows(manifest.rows)
        folds = one.make_folds(rows)
        problems = [problem for fold in folds for problem in splits.audit(fold)]
        if one.protocol == "speaker":
            assert problems == []
            assert sum(len(fold.test) for fold in folds) == len(rows)
        else:
            assert any("speaker" in problem for problem in problems)
            (fold,) = folds
            assert abs(len(fold.test) / len(rows) - one.test) < 0.06


@pytest.mark.slow
def test_every_row_is_scored_and_its_figures_agree(done: Path, few: list[Experiment]) -> None:
    rows = {row["id"]: row for row in json.loads((done / "results" / "published.json").read_text())}
    for one in few:
        row = rows[one.id]
        table = np.array(row["confusion"])
        assert table.sum() == (row["clips"] if one.protocol == "speaker" else row["fold_results"][0]["clips"][2])
        assert list(row["per_class"]) == sorted(one.emotions)
        assert row["parameters"] > 0
        assert set(row["latency_ms"]) == {"front_end", "network"}
        if one.protocol == "random":
            assert abs(row["test"] - 100 * np.trace(table) / table.sum()) < 0.06
            assert abs(row["uar"] - training.uar(table)) < 0.06
        assert row["epochs"] == (None if one.system == "B-svm" else 1 if one.system == "B-rnn" else 2)
    assert rows["C-dnn/6-emotions/scaled/random"]["absent"] == ["crema_d", "savee", "tess"]
    elsewhere = rows["B-cnn/5-emotions,-balanced/scaled/random"]["unseen_corpora"]
    assert elsewhere["emodb"]["clips"] == 20
    assert elsewhere["emodb"]["labels"] == ["angry", "disgust", "fearful", "happy", "sad"]


@pytest.mark.slow
def test_the_table_says_what_is_absent_and_what_ran_shorter(done: Path) -> None:
    text = (done / "results" / "published.md").read_text()
    assert "not here: crema_d, jl, nemo, savee, tess" in text
    assert "| 1 [200] |" in text
    assert "of angry taken for happy" in text
    assert "on emodb, which did not train" in text
    page = (done / "results" / "published.html").read_text()
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("http-equiv", "")
    pictures = {path.name for path in (done / "results" / "published").iterdir()}
    assert {"overview.png", "B-cnn-5-emotions-balanced-curves.png", "B-svm-5-emotions-balanced-confusion.png"} <= pictures


@pytest.mark.slow
def test_done_rows_are_kept_and_changed_ones_run_again(
    done: Path, root: Path, manifest: Manifest, few: list[Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    real = published.run
    monkeypatch.setattr(published, "run", lambda one, *args, **kwargs: (ran.append(one.id), real(one, *args, **kwargs))[1])
    places = {"cache": done / "cache", "runs": done / "runs", "output": done / "again"}
    published.reproduce(root, manifest, **places, every=few, epochs={"B-rnn": 1}, progress=False)
    assert ran == []
    published.reproduce(root, manifest, **places, every=few, epochs={"B-rnn": 1}, only=["C-dnn"], progress=False)
    assert ran == []
    published.reproduce(root, manifest, **places, every=few, epochs={"B-rnn": 1, "C-dnn": 3}, only=["C-dnn"], progress=False)
    assert [name.partition("/")[0] for name in ran] == ["C-dnn", "C-dnn"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures(root: Path, manifest: Manifest, few: list[Experiment], tmp_path: Path) -> None:
    one = next(one for one in few if one.system == "B-cnn" and one.protocol == "random")
    clips = list(manifest.rows)
    x = inputs.load(one.inputs, root, clips, tmp_path, progress=False)
    place = {row.path: i for i, row in enumerate(clips)}
    rows = one.rows(manifest.rows)
    first, second = (published.run(one, rows, manifest.rows, x, place, epochs=2) for _ in range(2))
    timed = ("latency_ms", "seconds")
    assert {k: v for k, v in first.items() if k not in timed} == {k: v for k, v in second.items() if k not in timed}


def test_a_class_that_is_never_answered_has_no_precision() -> None:
    table = np.array([[2, 0, 0], [1, 0, 1], [0, 0, 2]])
    found = training.per_class(table, ("a", "b", "c"))
    assert found["b"] == {"precision": None, "recall": 0.0, "clips": 2}
    assert found["a"]["precision"] == 66.7
    assert training.uar(table) == pytest.approx(200 / 3)


def test_names_that_match_no_row_are_refused(root: Path, manifest: Manifest, few: list[Experiment], tmp_path: Path) -> None:
    places = {"cache": tmp_path, "runs": tmp_path, "output": tmp_path}
    with pytest.raises(ConfigError, match="begins with 'D-net'"):
        published.reproduce(root, manifest, **places, every=few, only=["D-net"], progress=False)


def test_a_folder_without_bundles_gives_no_rows_of_ours(tmp_path: Path) -> None:
    from train.published.ours import our_rows

    assert our_rows(tmp_path) == []
    assert [row["system"] for row in our_rows()] == ["ours-mlp", "ours-cnn", "ours-large"]
    assert report.write([], tmp_path / "results", weights=tmp_path).read_text().startswith("# Published systems")
