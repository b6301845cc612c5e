"""A taught network that was killed and goes on, on made-up features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from train.data.features import Frames, Vectors
from train.data.manifest import Row
from train.networks import taught
from train.networks.lessons import Shelf
from train.networks.pool import Entry
from train.networks.taught import CLASSES, Teaching, fit_taught
from train.recipe import NormRecipe, Recipe, Taught
from train.sampling.batches import FrameBatches, VectorBatches, clip_profiles
from train.sampling.groups import ACTED

STEPS, KEPT, KILLED = 9, 4, 7  # in all, between checkpoints, and where it is killed
GROUPS, SIZE, CLIPS = 12, 4, 10
ENTRIES = [Entry("tess", "tess-1", ACTED, (0, 1, 2, 3), 16000, 0, place) for place in range(GROUPS)]
ROWS = [Row(f"{i}.wav", "tess", "tess-1", "sad", "", "", "", "speech", 2.0, f"{i}") for i in range(CLIPS)]


def recipe_of(front_end: str, **network: object) -> Recipe:
    lessons = Taught(steps=STEPS, clips=0.5, moved=0.5)
    return Recipe({"recipe": front_end}, network, batch=16, mixup=0.2, norm=NormRecipe(), taught=lessons)


def teaching_of(recipe: Recipe) -> Teaching:
    """The same each time, as a new process would have it."""
    rng = np.random.default_rng(0)
    soft = np.full((GROUPS, SIZE, CLASSES), 1 / CLASSES, np.float32)
    clips: VectorBatches | FrameBatches
    if recipe.spec.recipe == "stacked":
        x = rng.normal(-40, 9, (GROUPS, SIZE, recipe.spec.n_mels, 63)).astype(np.float32)
        profile = np.concatenate((x.mean(-1), x.std(-1)), axis=-1)
        columns = np.arange(CLIPS + 1) * 80
        log_mel = rng.normal(-40, 9, (recipe.spec.n_mels, columns[-1])).astype(np.float16)
        frames = Frames(log_mel, np.ones(columns[-1], bool), columns)
        profiles = [clip_profiles(frames, recipe.spec)]
        clips = FrameBatches(ROWS, range(CLIPS), [frames], recipe.spec, recipe.masking, 4, profiles=profiles, norm=recipe.norm)
    else:
        x = profile = rng.normal(0, 1, (GROUPS, SIZE, 30)).astype(np.float32)
        vectors = Vectors(rng.normal(0, 1, (40, 30)).astype(np.float32), np.arange(40) % CLIPS, np.ones(40, bool))
        clips = VectorBatches(ROWS, range(CLIPS), [vectors], 8, 3, norm=recipe.norm)
    shelf = Shelf(np.arange(GROUPS), x, profile, np.zeros((GROUPS, SIZE), np.float32))
    return Teaching([shelf], ENTRIES, soft, recipe, clips)


def fitted(recipe: Recipe, folder: Path) -> dict[str, torch.Tensor]:
    return fit_taught(teaching_of(recipe), recipe, folder, seed=1, identity="").state_dict()


@pytest.fixture
def killed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Recipe, Path]:
    """A run that was killed after its checkpoint."""
    recipe: Recipe = request.param
    monkeypatch.setattr(taught, "_EVERY", KEPT)
    real, calls = taught._loss, []

    def stopping(*given: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == KILLED:
            raise KeyboardInterrupt
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(taught, "_loss", stopping)
        with pytest.raises(KeyboardInterrupt):
            fitted(recipe, tmp_path / "run")
    return recipe, tmp_path / "run"


KINDS = [
    pytest.param(recipe_of("flatstats", hidden=[8], members=1, dropout=0.5), id="vectors"),
    pytest.param(recipe_of("stacked", widths=[4, 4, 4, 4], dropout=0.5), id="log-mel"),
]


@pytest.mark.parametrize("killed", KINDS, indirect=True)
def test_a_killed_run_ends_where_an_unbroken_one_does(killed: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, folder = killed
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["step"] == KEPT
    resumed, whole = fitted(recipe, folder), fitted(recipe, tmp_path / "whole")
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


@pytest.mark.parametrize("killed", KINDS[:1], indirect=True)
def test_a_checkpoint_of_an_earlier_version_goes_on_too(killed: tuple[Recipe, Path]) -> None:
    recipe, folder = killed
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    torch.save({name: state[name] for name in state if name not in ("torch", "numpy", "clips")}, folder / "checkpoint.pt")
    fitted(recipe, folder)
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["step"] == STEPS


@pytest.mark.parametrize("recipe", KINDS)
def test_a_network_is_the_same_whatever_was_trained_before_it(recipe: Recipe, tmp_path: Path) -> None:
    """Its seed alone counts: the others of a bundle are loaded or trained."""
    teaching = teaching_of(recipe)
    fit_taught(teaching, recipe, tmp_path / "first", seed=0, identity="")
    after = fit_taught(teaching, recipe, tmp_path / "second", seed=1, identity="").state_dict()
    for name, value in fitted(recipe, tmp_path / "alone").items():
        assert torch.equal(after[name], value), name
