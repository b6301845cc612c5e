"""Networks of two kinds, joined: the bundle answers what the parts would, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from realtime_ser.errors import ConfigError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.normaliser import RunningNormaliser
from realtime_ser.model.classifier import Classifier
from train.data.manifest import Row
from train.networks.ensemble import histories, join_parts, parts_of, train
from train.networks.school import School
from train.networks.trainer import build, normalisation
from train.paths import Paths
from train.recipe import NormRecipe, Recipe, Taught
from train.settings import TrainSettings, train_settings

CNN = Recipe({"recipe": "stacked"}, {"widths": [4, 6, 8, 8], "embedding": 16}, norm=NormRecipe())
MLP = Recipe({"recipe": "flatstats", "frame_db": 45.0}, {"hidden": [8], "members": 1}, norm=NormRecipe())


def networks() -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    cnn, mlp = build(CNN, None).eval(), build(MLP, FrontEnd(MLP.spec, 3.0).n_features).eval()
    for network in (cnn, mlp):
        network.prior[0].normal_(0, 1)
        network.prior[1].uniform_(5, 10)
    return cnn, mlp


@pytest.mark.slow
def test_each_kind_of_network_has_its_share_of_the_vote_on_the_same_stream(tmp_path: Path) -> None:
    cnn, mlp = networks()
    sections = [normalisation(cnn, CNN), normalisation(mlp, MLP)]
    joint = join_parts([replace(CNN, joined_share=0.4), MLP], [[cnn, cnn], [mlp]], sections)
    card = joint.export(tmp_path / "x.onnx", name="x")
    classifier = Classifier(card)
    running = classifier.normaliser()
    assert running is not None
    apart = [RunningNormaliser(section, recipe.spec) for section, recipe in zip(sections, (CNN, MLP), strict=True)]
    ends = [FrontEnd(recipe.spec, 3.0) for recipe in (CNN, MLP)]
    whole = classifier.front_end()
    voice = np.random.default_rng(0).normal(0, 0.1, 5 * 16000).astype(np.float32)
    for start in range(0, len(voice), 16000):
        for front_end in (*ends, whole):
            front_end.push(voice[start : start + 16000])
        with torch.no_grad():
            said = [
                F.softmax(network(torch.from_numpy(own.normalise(front_end.window(), 1.0))[None]), dim=-1)
                for network, own, front_end in zip((cnn, mlp), apart, ends, strict=True)
            ]
        together = classifier.predict(running.normalise(whole.window(), 1.0)[np.newaxis])
        np.testing.assert_allclose(together, (0.6 * said[0] + 0.4 * said[1]).numpy(), atol=2e-5)


def test_parts_that_do_not_fit_are_refused() -> None:
    cnn, mlp = networks()
    sections = [normalisation(cnn, CNN), normalisation(mlp, MLP)]
    with pytest.raises(ConfigError, match="otherwise the same"):
        join_parts([CNN, replace(MLP, front_end={"recipe": "flatstats", "n_mels": 40})], [[cnn], [mlp]], sections)
    with pytest.raises(ConfigError, match="same prior_s"):
        join_parts([CNN, MLP], [[cnn], [mlp]], [sections[0], replace(sections[1], prior_s=1.0)])
    with pytest.raises(ConfigError, match="part of the vote"):
        join_parts([replace(CNN, joined_share=1.0), MLP], [[cnn], [mlp]], sections)
    with pytest.raises(ConfigError, match="either both parts"):
        join_parts([CNN, MLP], [[cnn], [mlp]], [sections[0], None])


def test_the_settings_say_what_is_joined() -> None:
    settings = TrainSettings(logmel=replace(CNN, joined="mlp"), mlp=MLP)
    assert parts_of(settings, "logmel") == ("logmel", "mlp")
    assert parts_of(settings, "mlp") == ("mlp",)
    shared = train_settings(
        {"variants": [{"name": "fast", "speed": 1.1, "share": 0.5}], "logmel": {"front_end": {"recipe": "stacked"}}}
    )
    assert shared.logmel.chances == (0.5, 0.5)
    assert shared.logmel.variants[0].speed == 1.1


class Corpora:
    """What ``train`` needs of a ``Data``."""

    def __init__(self, recipe: Recipe, corpora: Sequence[str]) -> None:
        self.recipe = recipe
        self.rows = [
            Row(f"{corpus}/{n}", corpus, f"{corpus}-{n}", "sad", "", "normal", "female", "speech", 1.0, f"{corpus}{n}")
            for corpus in corpora
            for n in range(2)
        ]

    def of(self, *corpora: str) -> list[Row]:
        return [row for row in self.rows if row.corpus in corpora]


@pytest.mark.parametrize(
    ("learned", "tested", "others"),
    [
        (["ravdess_speech"], ["ravdess_speech"], ["emodb", "tess"]),
        (["ravdess_speech", "ravdess_song", "tess"], ["emodb"], []),
        (["ravdess_speech"], ["tess"], ["emodb"]),
        (["ravdess_speech", "ravdess_song", "tess", "emodb"], [], []),
    ],
)
def test_what_is_learned_first_is_of_no_corpus_that_is_learned_or_tested(
    learned: list[str], tested: list[str], others: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, set[str], object]] = []

    def noted(_: object, rows: Sequence[Row], run: Path, *, first: object = None, **__: object) -> torch.nn.Module:
        calls.append((run.name, {row.corpus for row in rows}, first))
        return build(CNN, None)

    monkeypatch.setattr("train.networks.ensemble.fit", noted)
    data = Corpora(replace(CNN, networks=2, others_first=1), ["ravdess_speech", "ravdess_song", "tess", "emodb"])
    train({"logmel": data}, data.of(*learned), TrainSettings(), "logmel", tmp_path, "fold", test=data.of(*tested))  # type: ignore[dict-item]
    *earlier, alone, (name, corpora, first) = calls
    assert alone == ("fold-0", set(learned), None)
    assert (name, corpora) == ("fold-1", set(learned))
    assert [call[1] for call in earlier] == ([set(others)] if others else [])
    assert (first is not None) == bool(others)
    if others:
        assert earlier[0][0] == "first-" + "-".join(others)


def test_windows_across_are_of_the_networks_that_begin_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of one bundle shall err differently, whichever repetition it is and however many corpora it learns."""
    shares: dict[str, float] = {}

    def noted(_: object, __: object, run: Path, *, across: float = 0.0, **___: object) -> torch.nn.Module:
        shares[run.name] = across
        return build(CNN, None)

    monkeypatch.setattr("train.networks.ensemble.fit", noted)
    data = Corpora(replace(CNN, networks=2, others_first=1, across=0.5), ["ravdess_speech", "tess"])
    for number in range(2):
        train({"logmel": data}, data.of("ravdess_speech"), TrainSettings(), "logmel", tmp_path, "fold", number=number)  # type: ignore[dict-item]
    train({"logmel": data}, data.of("ravdess_speech", "tess"), TrainSettings(), "logmel", tmp_path, "all")  # type: ignore[dict-item]
    ours = {name: share for name, share in shares.items() if not name.startswith("first")}
    assert ours == {"fold-0": 0.5, "fold-1": 0.0, "fold-2": 0.5, "fold-3": 0.0, "all-0": 0.5, "all-1": 0.0}
    assert shares["first-tess"] == 0.0


def test_the_seed_of_the_settings_is_that_of_a_taught_network_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def noted(*_: object, number: int, threads: int) -> list[torch.nn.Module]:
        seeds.append(number)
        return [torch.nn.Identity()]

    monkeypatch.setattr(School, "taught", noted)
    monkeypatch.setattr("train.networks.ensemble.normalisation", lambda *_: None)
    school = School(Paths(tmp_path, runs=tmp_path), ())
    taught = replace(MLP, taught=Taught())
    for seed, number in ((0, 0), (0, 2), (5, 0), (5, 2)):
        train(school, [], TrainSettings(seed=seed, mlp=taught), "mlp", tmp_path, "all", number=number)
    assert seeds == [0, 2, 5, 7]
    found = histories(school, TrainSettings(seed=5, mlp=taught), "mlp", tmp_path, "all")
    assert [path.parent.name for path in found] == ["all", "all-5"], "the teacher's, and its own"
