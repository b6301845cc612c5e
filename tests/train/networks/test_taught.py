"""A small network that learns from drawn windows, a teacher, and windows of the clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from realtime_ser.errors import ConfigError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.normaliser import Normalisation, RunningNormaliser
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.model.classifier import Classifier
from train.data.corpora import LABELS
from train.networks import lessons
from train.networks.encoder import Encoder
from train.networks.export import export
from train.networks.lessons import answers, only, shelves, to_answer
from train.networks.pool import Pool
from train.networks.taught import CLASSES, Teaching, _pasts, fit_taught
from train.networks.trainer import normalisation
from train.networks.waveform import Waveform
from train.recipe import NormRecipe, Recipe, Taught
from train.sampling.batches import Batch, FrameBatches, VectorBatches
from train.sampling.groups import ACTED, READ


@pytest.mark.slow
def test_the_teacher_answers_each_window(pool: Pool) -> None:
    every = list(range(len(pool.entries)))
    places = to_answer(pool, every, 12)
    read = {place for place in every if pool.entries[place].kind == READ}
    assert read <= set(places)
    assert len(places) == max(12, len(read))
    assert {pool.entries[place].kind for place in to_answer(pool, every, 0)} == {ACTED, READ}
    teacher = Waveform(Encoder()).eval()
    found = answers(teacher, pool, places, progress=False)
    assert found.shape == (60, 4, CLASSES)
    np.testing.assert_allclose(found[places].sum(axis=2), 1, atol=1e-5)
    assert np.isnan(np.delete(found, places, axis=0)).all()
    # One group alone has the same answers as in a batch.
    np.testing.assert_allclose(answers(teacher, pool, places[:1], progress=False)[places[0]], found[places[0]], atol=1e-5)


def _recipe(front_end: str, **network: object) -> Recipe:
    return Recipe(
        {"recipe": front_end},
        network=network,
        batch=32,
        mixup=0.2,
        norm=NormRecipe(prior_s=4.0, memory_s=60.0),
        taught=Taught(steps=120, label=0.7, readers=0.1, sounds=0.2),
    )


@pytest.mark.slow
@pytest.mark.parametrize("front_end", ["flatstats", "stacked"])
def test_features_are_normalised_as_live(pool: Pool, tmp_path: Path, front_end: str) -> None:
    """What a network trains on is what the front end and the running normaliser give for the same audio and past."""
    spec = FrontEndSpec.from_dict({"recipe": front_end})
    own = [entry for entry in pool.entries if entry.kind == ACTED][:6]
    place = {pool.entries.index(entry) for entry in own}
    shelf = next(s for s in (only(s, place) for s in shelves(pool, spec, tmp_path, progress=False)) if len(s.place))
    teaching = Teaching([shelf], pool.entries, np.full((60, 4, CLASSES), 1 / CLASSES, np.float32), _recipe(front_end))
    entry = pool.entries[int(shelf.place[0])]
    front = FrontEnd(spec, 3.0)
    section = Normalisation(tuple(teaching.prior[0].tolist()), tuple(teaching.prior[1].tolist()), 4.0, 60.0)
    running = RunningNormaliser(section, spec)
    windows = []
    for samples in pool.samples(entry):
        front.reset()
        front.push(samples)
        windows.append(front.window())
    running.normalise(windows[1], 5.0)
    live = running.normalise(windows[0], 1.0)
    # The same stream: five seconds of the second window, then one of the first itself.
    past = (5 * shelf.profile[:1, 1] + shelf.profile[:1, 0]) / 6
    x = np.asarray(shelf.x[:1, :1], np.float32)
    offline = teaching._relative(x, shelf.level[:1, :1], past[:, None], np.full((1, 1), 6.0, np.float32))[0, 0]
    tolerance = 0.3 if front_end == "stacked" else 2e-3  # log-mel is kept in float16
    np.testing.assert_allclose(offline, live, atol=tolerance, rtol=0.01)


@pytest.mark.parametrize("chance", [0.0, 0.25, 1.0])
def test_so_many_windows_have_a_past_of_their_own_group(chance: float) -> None:
    rng = np.random.default_rng(0)
    group = np.broadcast_to(np.arange(500, dtype=np.float32)[:, None, None], (500, 4, 1))
    past, seconds = _pasts(group, chance, rng)
    assert np.mean(seconds > 0) == pytest.approx(chance, abs=0.03)
    assert seconds.max() <= 74
    np.testing.assert_allclose(past[seconds > 0], group[seconds > 0], rtol=1e-5)


def test_without_pasts_all_is_relative_to_the_prior_and_a_group_moves_as_one(pool: Pool, tmp_path: Path) -> None:
    recipe = _recipe("flatstats")
    own = shelves(pool, recipe.spec, tmp_path, progress=False)
    soft = np.full((60, 4, CLASSES), 1 / CLASSES, np.float32)

    def drawn(**changes: float) -> np.ndarray:
        taught = replace(recipe.taught, pasts=0.0, **changes)
        teaching = Teaching(own, pool.entries, soft, replace(recipe, taught=taught))
        x, _ = teaching.draw(np.random.default_rng(3))
        return (x.numpy() * teaching.prior[1] + teaching.prior[0]).reshape(-1, 4, x.shape[1])

    every = own[0].x.reshape(-1, own[0].x.shape[-1])
    still, moved = drawn(), drawn(moved=1.0)
    for window in still.reshape(-1, still.shape[-1]):
        assert np.abs(every - window).max(axis=1).min() < 1e-2
    away = moved - still
    np.testing.assert_allclose(away, np.broadcast_to(away[:, :1], away.shape), atol=1e-2)
    assert 0 < np.sum(np.abs(away).max(axis=(1, 2)) > 0.05) < len(away)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("front_end", "network"), [("flatstats", {"hidden": [32], "members": 2}), ("stacked", {"widths": [8, 8, 12, 16]})]
)
def test_a_small_network_learns_and_ships(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, front_end: str, network: dict[str, object]
) -> None:
    recipe = _recipe(front_end, **network)
    # A teacher that is always right about the voices, and says nothing new of sounds.
    soft = np.eye(CLASSES, dtype=np.float32)[np.array([entry.target for entry in pool.entries])]
    teaching = Teaching(shelves(pool, recipe.spec, tmp_path, progress=False), pool.entries, soft, recipe)
    monkeypatch.setattr("train.networks.taught._EVERY", 60)
    trained = fit_taught(teaching, recipe, tmp_path / "run", seed=0, identity="rows")
    assert not trained.training
    features, wanted = teaching.draw(np.random.default_rng(9))
    with torch.no_grad():
        right = (trained(features).argmax(1) == wanted.argmax(1)).float().mean()
    assert right > 0.6  # of nine
    again = fit_taught(teaching, recipe, tmp_path / "run", seed=0, identity="rows")
    for one, other in zip(trained.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(ConfigError, match="another run"):
        fit_taught(teaching, recipe, tmp_path / "run", seed=0, identity="other rows")
    with monkeypatch.context() as patch:
        patch.setattr("train.networks.taught.LIVE", {"version": 0})
        with pytest.raises(ConfigError, match="another run"):
            fit_taught(teaching, recipe, tmp_path / "run", seed=0, identity="rows")
    card = export(
        [trained], recipe.spec, tmp_path / "small.onnx", name="small", normalisation=normalisation(trained, recipe), nobody=True
    )
    assert card.nobody
    classifier = Classifier(card)
    window = features[:1].numpy()
    assert classifier.outputs(window).shape == (1, CLASSES)
    assert classifier.predict(window).shape == (1, len(LABELS))
    np.testing.assert_allclose(classifier.predict(window).sum(), 1, atol=1e-5)


class _Clips:
    """A source of clip windows whose values no drawn window has."""

    def __init__(self, features: torch.Tensor, prior: np.ndarray) -> None:
        self.features, self.epochs = features, 0
        self.prior = torch.from_numpy(prior)
        self.past = SimpleNamespace(prior=prior)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        self.epochs += 1
        for _ in range(2):
            yield Batch(
                self.features, torch.full((len(self.features),), LABELS.index("sad")), torch.zeros(len(self.features), 2)
            )


class _VectorClips(_Clips, VectorBatches):
    pass


class _FrameClips(_Clips, FrameBatches):
    pass


@pytest.mark.slow
def test_windows_of_clips_fill_their_share_of_a_batch_of_vectors(pool: Pool, tmp_path: Path) -> None:
    recipe = _recipe("flatstats")
    recipe = replace(recipe, label_smoothing=0.09, taught=replace(recipe.taught, clips=0.75, pasts=0.0))
    own = shelves(pool, recipe.spec, tmp_path, progress=False)
    size = own[0].x.shape[-1]
    prior = np.stack((np.full(size, 5.0), np.full(size, 2.0))).astype(np.float32)
    clips = _VectorClips(torch.full((24, size), 77.0), prior)
    teaching = Teaching(own, pool.entries, np.full((60, 4, CLASSES), 1 / CLASSES, np.float32), recipe, clips)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x, wanted = teaching.draw(rng)
        of_clips = (x == 77.0).all(dim=1)
        assert x.shape == (32, size)
        assert of_clips.sum() == 24
        np.testing.assert_allclose(wanted[of_clips].sum(1), 1, rtol=1e-6)
        np.testing.assert_allclose(wanted[of_clips, LABELS.index("sad")], 0.91 + 0.01, rtol=1e-5)
    assert clips.epochs == 2  # the second began when the first was used up
    # Drawn windows are relative to the clips' prior, too.
    every = (own[0].x.reshape(-1, size) - prior[0]) / prior[1]
    for window in x[~of_clips].numpy():
        assert np.abs(every - window).max(axis=1).min() < 1e-3
    assert (teaching.cut(rng)[0] == 77.0).all()


@pytest.mark.slow
def test_batches_of_log_mel_are_of_clips_in_their_share(pool: Pool, tmp_path: Path) -> None:
    recipe = _recipe("stacked")
    recipe = replace(recipe, taught=replace(recipe.taught, clips=0.6))
    spec = recipe.spec
    prior = np.stack((np.zeros(spec.n_mels), np.full(spec.n_mels, 9.0))).astype(np.float32)
    clips = _FrameClips(torch.full((8, spec.n_mels, 70), 77.0), prior)
    own = shelves(pool, spec, tmp_path, progress=False)
    teaching = Teaching(own, pool.entries, np.full((60, 4, CLASSES), 1 / CLASSES, np.float32), recipe, clips)
    rng = np.random.default_rng(0)
    of_clips = []
    for _ in range(60):
        x, wanted = teaching.draw(rng)
        assert len(x) == len(wanted)
        of_clips.append(bool((x == 77.0).all()))
    assert np.mean(of_clips) == pytest.approx(0.6, abs=0.15)
    np.testing.assert_array_equal(teaching.prior, prior)


@pytest.mark.slow
def test_features_are_computed_once(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = FrontEndSpec.from_dict({"recipe": "flatstats"})
    first = shelves(pool, spec, tmp_path, progress=False)
    monkeypatch.setattr(lessons, "_compute", lambda *_: pytest.fail("computed again"))
    again = shelves(pool, spec, tmp_path, progress=False)
    np.testing.assert_array_equal(first[0].x, again[0].x)
