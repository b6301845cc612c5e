"""Training on the toy corpus, in seconds: resume, repeat, cache. It shows that the machinery works, nothing about emotions."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch

from realtime_ser.errors import ConfigError
from train.data import features, manifest, splits
from train.data.augment import PLAIN, Variant
from train.data.manifest import Manifest
from train.networks.loss import schedule
from train.networks.trainer import Data, clip_probs, fit
from train.recipe import NormRecipe, Recipe

RECIPES = {
    "mlp": Recipe({"recipe": "flatstats"}, {"hidden": [16], "members": 2}, epochs=3, batch=16, per_clip=2, norm=NormRecipe()),
    "cnn": Recipe({"recipe": "stacked"}, {"widths": [4, 6, 8, 8], "embedding": 16}, epochs=3, batch=8, norm=NormRecipe()),
    "bare": Recipe({"recipe": "stacked"}, {"widths": [4, 6, 8, 8], "embedding": 16}, epochs=3, batch=8),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def listed(corpus: Path) -> Manifest:
    return manifest.build(corpus, ["ravdess_speech"], progress=False)


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.slow) for name in RECIPES])
def data(request: pytest.FixtureRequest, corpus: Path, cache: Path, listed: Manifest) -> Data:
    return Data(corpus, listed.rows, RECIPES[request.param], cache, progress=False)


@pytest.fixture(scope="module")
def whole_run(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run with seed 0; no test changes it."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    fit(data, data.rows, folder, seed=0, progress=False)
    return folder


@pytest.fixture
def whole(data: Data, whole_run: Path) -> dict[str, torch.Tensor]:
    """Its weights."""
    return weights(fit(data, data.rows, whole_run, seed=0, progress=False))


@pytest.fixture(autouse=True)
def curves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than training here: only the test of the curves draws them."""
    if request.node.originalname != "test_dev_scores_stand_in_the_history":
        monkeypatch.setattr("train.networks.trainer.curves.draw", lambda *_: None)


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_one_seed_gives_one_network_bit_for_bit(data: Data, whole: dict[str, torch.Tensor], tmp_path: Path) -> None:
    again, other = (
        weights(fit(data, data.rows, tmp_path / name, seed=seed, progress=False)) for name, seed in (("again", 0), ("other", 1))
    )
    assert same(whole, again)
    assert not same(whole, other)


def test_a_killed_run_ends_where_an_unbroken_one_does(
    data: Data, whole: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.networks.trainer.CHECKPOINT_EVERY", 1)

    def killed(share: float) -> float:
        if share > 0.8:
            raise KeyboardInterrupt
        return schedule(share)

    with monkeypatch.context() as patch:
        patch.setattr("train.networks.trainer.schedule", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(data, data.rows, tmp_path / "cut", seed=0, progress=False)
    assert len(json.loads((tmp_path / "cut" / "history.json").read_text())) == 2
    assert same(whole, weights(fit(data, data.rows, tmp_path / "cut", seed=0, progress=False)))


def test_a_finished_run_is_loaded_without_preparing_anything(
    data: Data, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise RuntimeError("prepared again")

    monkeypatch.setattr(Data, "batches", refused)
    network = fit(data, data.rows, whole_run, seed=0, progress=False)
    assert not network.training
    with pytest.raises(RuntimeError, match="prepared again"):
        fit(data, data.rows, tmp_path / "new", seed=0, progress=False)


def test_another_runs_folder_is_not_mixed_up(data: Data, whole_run: Path) -> None:
    with pytest.raises(ConfigError, match="holds another run"):
        fit(data, data.rows, whole_run, seed=1, progress=False)


@pytest.mark.parametrize("field", ["sha256", "corpus", "speaker", "emotion", "gender", "intensity"])
def test_a_run_of_other_audio_or_labels_behind_the_same_paths_is_not_loaded(data: Data, whole_run: Path, field: str) -> None:
    first, *rest = data.rows
    with pytest.raises(ConfigError, match="holds another run"):
        fit(data, [replace(first, **{field: "another"}), *rest], whole_run, seed=0, progress=False)


def test_windows_across_are_another_run_and_leave_those_without_as_they_were(
    data: Data, whole_run: Path, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    if data.stacked:
        with pytest.raises(ConfigError, match="holds another run"):
            fit(data, data.rows, whole_run, seed=0, across=0.5, progress=False)
        across = weights(fit(data, data.rows, tmp_path / "across", seed=0, across=0.5, progress=False))
        assert not same(whole, across)
    assert same(whole, weights(fit(data, data.rows, tmp_path / "none", seed=0, across=0.0, progress=False)))


def test_a_run_may_begin_with_anothers_weights(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit(data, data.rows[:12], tmp_path / "first", seed=3, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr("train.networks.trainer.schedule", lambda _: 0.0)
        unmoved = fit(data, data.rows[12:], tmp_path / "unmoved", seed=0, first=first, progress=False)
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), unmoved.parameters(), strict=True))
    fit(data, data.rows[12:], tmp_path / "moved", seed=0, first=first, progress=False)
    other = fit(data, data.rows[:12], tmp_path / "other", seed=4, progress=False)
    for begun in (None, other):
        with pytest.raises(ConfigError, match="holds another run"):
            fit(data, data.rows[12:], tmp_path / "moved", seed=0, first=begun, progress=False)


def test_dev_scores_stand_in_the_history(data: Data, tmp_path: Path) -> None:
    train, dev = splits.hold_out(data.rows, 2, seed=0)
    network = fit(data, train, tmp_path / "run", seed=0, dev=dev, progress=False)
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert 0 <= history[-1]["dev_uar"] <= 100
    height, width = matplotlib.image.imread(tmp_path / "run" / "curves.png").shape[:2]
    assert width > 2 * height  # the loss, and beside it the held-out speakers
    probs = clip_probs(network, data, dev)
    assert torch.allclose(probs.sum(1), torch.ones(len(dev)), atol=1e-5)


def test_the_cache_is_used_and_keyed(corpus: Path, tmp_path: Path, listed: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, spec = listed.rows[:3], RECIPES["cnn"].spec
    first = features.frames(corpus, rows, spec, tmp_path, PLAIN, progress=False)

    def refused(*_: object, **__: object) -> None:
        raise RuntimeError("computed again")

    monkeypatch.setattr(features, "_clip_frames", refused)
    again = features.frames(corpus, rows, spec, tmp_path, PLAIN, progress=False)
    assert np.array_equal(first.log_mel, again.log_mel)
    assert first.speech.mean() > 0.3
    # Anything that changes the numbers needs a new computation.
    for changed_rows, changed_spec, changed_variant in (
        (rows[:2], spec, PLAIN),
        (rows, replace(spec, n_fft=1024), PLAIN),
        (rows, spec, Variant("plain", eq_db=3.0)),
    ):
        with pytest.raises(RuntimeError, match="computed again"):
            features.frames(corpus, changed_rows, changed_spec, tmp_path, changed_variant, progress=False)


def test_a_recipe_is_what_the_card_records() -> None:
    assert asdict(RECIPES["cnn"])["front_end"] == {"recipe": "stacked"}
