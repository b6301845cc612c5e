"""Drawn windows on disk, and a small network that learns from them and from a teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from realtime_ser.errors import ConfigError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.normaliser import Normalisation, RunningNormaliser
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.model.classifier import Classifier
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.networks import drawn, lessons
from train.networks.drawn import Drawing, Draws, Pool, learned, load_pool
from train.networks.encoder import Encoder
from train.networks.export import export
from train.networks.lessons import answers, only, shelves, to_answer
from train.networks.taught import CLASSES, Teaching, _pasts, fit_taught
from train.networks.trainer import normalisation
from train.networks.waveform import Waveform
from train.sampling.groups import ACTED, NOBODY_PLACE, READ, SOUND
from train.settings import NormRecipe, Recipe, Taught

RATE = 16000
MOODS = {"angry": 0.3, "sad": 0.02, "neutral": 0.08}


def _row(corpus: str, speaker: str, emotion: str, sentence: str = "") -> Row:
    path = f"{corpus}/{speaker}-{emotion}{sentence}.flac"
    return Row(path, corpus, speaker, emotion, sentence, "", "", "speech", 1.5, path)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    acted = [_row(corpus, f"{corpus}-{who}", mood) for corpus in ("tess", "emovo") for who in "ab" for mood in MOODS]
    readers = [_row("librispeech", f"librispeech-{i}", "plain") for i in (1, 2)]
    return [*acted, *readers, *(_row("sounds", f"s{i}", "nobody", "esc_rain") for i in range(2))]


@pytest.fixture(scope="module")
def pool(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Pool:
    root = tmp_path_factory.mktemp("corpora")
    rng = np.random.default_rng(0)
    for i, row in enumerate(rows):
        t = np.arange(int(1.5 * RATE)) / RATE
        # Angry is high and sad is slow, whoever speaks.
        pitch = 110 + 7 * i % 60 + 120 * (row.emotion == "angry")
        voice = np.sign(np.sin(2 * np.pi * pitch * t)) * (1 + np.sin(2 * np.pi * (2 if row.emotion == "sad" else 5) * t))
        sound = rng.normal(0, 0.1, len(t)) if row.corpus == "sounds" else 0.1 * voice
        (root / row.path).parent.mkdir(exist_ok=True)
        soundfile.write(root / row.path, sound * 0.5 + rng.normal(0, 1e-4, len(t)), RATE)
    encoder = root / "encoder.npz"
    with pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        patch.setattr(drawn, "read_encoder", lambda path: Encoder())
        return load_pool(root, rows, Drawing(60), encoder, root / "cache", progress=False)


def test_a_pool_holds_what_was_drawn(pool: Pool) -> None:
    assert len(pool.entries) == 60
    assert {entry.kind for entry in pool.entries} == {ACTED, READ, SOUND}
    for entry in pool.entries[:20]:
        samples, tokens = pool.samples(entry), pool.tokens(entry)
        assert samples.shape == (4, entry.length)
        assert tokens.shape == (4, entry.length // 320, 384)
        assert 0 < np.abs(samples).max() < 4
        assert np.isfinite(tokens).all()
        spectrum = np.abs(np.fft.rfft(samples)) ** 2  # of audio that is high-passed already
        hz = np.fft.rfftfreq(entry.length, 1 / RATE)
        assert spectrum[:, hz < 20].sum() < 0.01 * spectrum.sum()


def test_a_pool_is_drawn_once_and_an_unfinished_part_again(
    rows: list[Row], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = pool.folder.parent
    calls = []
    monkeypatch.setattr(drawn, "draw_part", lambda *given: calls.append(given))
    again = load_pool(cache.parent, rows, Drawing(60), cache.parent / "encoder.npz", cache, progress=False)
    assert again.entries == pool.entries
    assert not calls
    with pytest.raises(FileNotFoundError):
        load_pool(cache.parent, rows, Drawing(61), cache.parent / "encoder.npz", cache, progress=False).tokens(pool.entries[0])
    assert len(calls) == 1


def test_a_fold_sees_no_window_of_a_tested_voice(rows: list[Row], pool: Pool) -> None:
    train = [row for row in rows if row.corpus == "tess"]
    assert {entry.corpus for entry in learned(pool, train) if entry.kind == ACTED} == {"tess"}
    draws = Draws(pool, train, np.random.default_rng(0), readers=0.2, sounds=0.2, groups=3)
    kinds = set()
    for _ in range(20):
        batch = draws.draw()
        assert batch.tokens.shape[0] == len(batch.target) == 12
        assert set(batch.target[batch.kind == SOUND].tolist()) <= {NOBODY_PLACE}
        kinds |= set(batch.kind.tolist())
    assert kinds == {ACTED, READ, SOUND}
    # A pool that holds actors at one length only still fills its batches.
    one = Pool(pool.folder)
    length = next(entry.length for entry in one.entries if entry.kind == ACTED and entry.corpus == "tess")
    one.entries = [entry for entry in one.entries if entry.kind != ACTED or entry.length == length]
    few = Draws(one, train, np.random.default_rng(1), readers=0.2, sounds=0.2, groups=3)
    assert {few.draw().tokens.shape[1] for _ in range(10)} == {length // 320}
    with pytest.raises(ConfigError, match="no clip with an emotion"):
        Draws(pool, [], np.random.default_rng(0))


@pytest.mark.slow
def test_the_teacher_answers_each_window(pool: Pool) -> None:
    every = list(range(len(pool.entries)))
    places = to_answer(pool, every, 12)
    read = {place for place in every if pool.entries[place].kind == READ}
    assert read <= set(places)
    assert len(places) == max(12, len(read))
    assert {pool.entries[place].kind for place in to_answer(pool, every, 0)} == {ACTED, READ}
    teacher = Waveform().eval()
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
    card = export(
        [trained], recipe.spec, tmp_path / "small.onnx", name="small", normalisation=normalisation(trained, recipe), nobody=True
    )
    assert card.nobody
    classifier = Classifier(card)
    window = features[:1].numpy()
    assert classifier.outputs(window).shape == (1, CLASSES)
    assert classifier.predict(window).shape == (1, len(LABELS))
    np.testing.assert_allclose(classifier.predict(window).sum(), 1, atol=1e-5)


@pytest.mark.slow
def test_features_are_computed_once(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = FrontEndSpec.from_dict({"recipe": "flatstats"})
    first = shelves(pool, spec, tmp_path, progress=False)
    monkeypatch.setattr(lessons, "_compute", lambda *_: pytest.fail("computed again"))
    again = shelves(pool, spec, tmp_path, progress=False)
    np.testing.assert_array_equal(first[0].x, again[0].x)
