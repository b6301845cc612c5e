"""A whole training on a toy corpus, in seconds: resume, repeat, cache, score through the engine, export.

The toy corpus is pieces of the shipped synthetic sample at six speeds ("speakers"), under RAVDESS names: it shows that the
machinery works, and nothing about emotions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile
import soxr
import torch

from realtime_ser.errors import ConfigError
from realtime_ser.model import load_model
from train import features, manifest, splits
from train.__main__ import main
from train.augment import PLAIN, Variant
from train.fit import Data, clip_probs, fit
from train.manifest import Manifest
from train.objective import schedule
from train.settings import NormRecipe, Recipe
from train.streaming.conditions import conditions

SAMPLE = Path(__file__).parents[2] / "realtime_ser" / "sample" / "demo.flac"
RATE = 16_000
RECIPES = {
    "mlp": Recipe({"recipe": "flatstats"}, {"hidden": [16], "members": 2}, epochs=3, batch=16, per_clip=2, norm=NormRecipe()),
    "cnn": Recipe({"recipe": "stacked"}, {"widths": [4, 6, 8, 8], "embedding": 16}, epochs=3, batch=8, norm=NormRecipe()),
    "bare": Recipe({"recipe": "stacked"}, {"widths": [4, 6, 8, 8], "embedding": 16}, epochs=3, batch=8),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpora")
    folder = root / "ravdess_speech"
    folder.mkdir()
    speech, own = soundfile.read(SAMPLE, dtype="float32", always_2d=True)
    for actor in range(1, 7):
        voice = soxr.resample(speech[:, 0], own * (0.8 + 0.07 * actor), RATE)
        for emotion in range(1, 5):
            first = (emotion - 1) * 2 * RATE
            soundfile.write(folder / f"03-01-{emotion:02d}-01-01-01-{actor:02d}.flac", voice[first : first + 2 * RATE], RATE)
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def listed(corpus: Path) -> Manifest:
    return manifest.build(corpus, ["ravdess_speech"], progress=False)


@pytest.fixture(scope="module", params=["mlp", "cnn", "bare"])
def data(request: pytest.FixtureRequest, corpus: Path, cache: Path, listed: Manifest) -> Data:
    return Data(corpus, listed.rows, RECIPES[request.param], cache, progress=False)


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_one_seed_gives_one_network_bit_for_bit(data: Data, tmp_path: Path) -> None:
    first, again, other = (
        weights(fit(data, data.rows, tmp_path / name, seed=seed, progress=False))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert same(first, again)
    assert not same(first, other)


def test_a_killed_run_ends_where_an_unbroken_one_does(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = weights(fit(data, data.rows, tmp_path / "whole", seed=0, progress=False))
    monkeypatch.setattr("train.fit.CHECKPOINT_EVERY", 1)

    def killed(share: float) -> float:
        if share > 0.8:
            raise KeyboardInterrupt
        return schedule(share)

    with monkeypatch.context() as patch:
        patch.setattr("train.fit.schedule", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(data, data.rows, tmp_path / "cut", seed=0, progress=False)
    assert len(json.loads((tmp_path / "cut" / "history.json").read_text())) == 2
    assert same(whole, weights(fit(data, data.rows, tmp_path / "cut", seed=0, progress=False)))


def test_a_finished_run_is_loaded_without_preparing_anything(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = weights(fit(data, data.rows, tmp_path / "run", seed=0, progress=False))

    def refused(*_: object, **__: object) -> None:
        raise RuntimeError("prepared again")

    monkeypatch.setattr(Data, "batches", refused)
    network = fit(data, data.rows, tmp_path / "run", seed=0, progress=False)
    assert same(first, weights(network))
    assert not network.training
    with pytest.raises(RuntimeError, match="prepared again"):
        fit(data, data.rows, tmp_path / "new", seed=0, progress=False)


def test_another_runs_folder_is_not_mixed_up(data: Data, tmp_path: Path) -> None:
    fit(data, data.rows, tmp_path / "run", seed=0, progress=False)
    with pytest.raises(ConfigError, match="holds another run"):
        fit(data, data.rows, tmp_path / "run", seed=1, progress=False)


def test_windows_across_are_another_run_and_leave_those_without_as_they_were(data: Data, tmp_path: Path) -> None:
    without = weights(fit(data, data.rows, tmp_path / "run", seed=0, progress=False))
    if data.stacked:
        with pytest.raises(ConfigError, match="holds another run"):
            fit(data, data.rows, tmp_path / "run", seed=0, across=0.5, progress=False)
        across = weights(fit(data, data.rows, tmp_path / "across", seed=0, across=0.5, progress=False))
        assert not same(without, across)
    assert same(without, weights(fit(data, data.rows, tmp_path / "none", seed=0, across=0.0, progress=False)))


def test_a_run_may_begin_with_anothers_weights(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit(data, data.rows[:12], tmp_path / "first", seed=3, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr("train.fit.schedule", lambda _: 0.0)
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
    # Anything that would change the numbers asks for a new computation.
    for changed_rows, changed_spec, changed_variant in (
        (rows[:2], spec, PLAIN),
        (rows, replace(spec, n_fft=1024), PLAIN),
        (rows, spec, Variant("plain", eq_db=3.0)),
    ):
        with pytest.raises(RuntimeError, match="computed again"):
            features.frames(corpus, changed_rows, changed_spec, tmp_path, changed_variant, progress=False)


def test_the_command_line_from_corpora_to_a_bundle_that_the_live_path_loads(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ["--corpora", str(corpus), "--cache", str(tmp_path / "cache")]
    for key, value in (("epochs", "2"), ("networks", "1"), ("network", "{widths: [4, 6, 8, 8], embedding: 16}")):
        common += ["--set", f"train.cnn.{key}={value}"]
    for key, value in (("epochs", "2"), ("network", "{hidden: [8], members: 1}")):
        common += ["--set", f"train.mlp.{key}={value}"]
    common += ["--set", "train.variants=[]"]
    run = [*common, "--system", "cnn", "--runs", str(tmp_path / "runs")]
    assert main(["prepare", *common]) == 0
    assert "ravdess_speech" in capsys.readouterr().out
    assert main(["audit", *common, "--protocol", "speaker", "--dev-speakers", "1"]) == 0
    assert main(["audit", *common, "--protocol", "random"]) == 1
    assert "both train and test" in capsys.readouterr().out
    watched = ["--protocol", "speaker", "--fold", "2", "--seeds", "2", "--dev-speakers", "1"]
    assert main(["fit", *run, *watched]) == 0
    histories = sorted((tmp_path / "runs").glob("*/speaker-2-watched-1-?/history.json"))
    assert [path.parts[-3] for path in histories] == ["cnn", "cnn", "mlp", "mlp"]
    assert all("dev_uar" in json.loads(path.read_text())[-1] for path in histories)
    scoring = [*run, "--output", str(tmp_path / "results"), "--protocol", "speaker"]
    assert main(["evaluate", *scoring]) == 0
    assert (tmp_path / "results" / "calibration" / "cnn.png").exists()
    scored = json.loads((tmp_path / "runs" / "cnn" / "scores-speaker.json").read_text())["scores"]
    assert scored["clips"] == 24
    assert 0 <= scored["uar_mean"] <= 100
    monkeypatch.setattr("train.streaming.report.SOUND_S", 1.0)
    monkeypatch.setattr("train.streaming.report.conditions", lambda root, rows: conditions(root, rows)[:6])
    assert main(["evaluate", *scoring, "--stream", "--fold", "1", "--clips", "2"]) == 0
    assert "SHORT" in capsys.readouterr().out
    assert "speaker-1" in (tmp_path / "results" / "stream" / "cnn.md").read_text()
    assert main(["tune", *scoring, "--fold", "1", "2", "--windows", "1.5"]) == 0
    assert "folds that did not choose" in capsys.readouterr().out
    told = json.loads((tmp_path / "results" / "stream" / "cnn-tune.json").read_text())["command"]
    assert "--fold 1 2 --windows 1.5 --hops 0.25 --set train.cnn.epochs=2" in told
    assert "'train.mlp.network={hidden: [8], members: 1}'" in told, "as a shell takes it"
    capsys.readouterr()
    assert main(["export", *run, "--weights", str(tmp_path / "weights")]) == 0
    assert "--protocol emobox` before it the bundle is not calibrated and has no scores" in capsys.readouterr().err
    bundle = ["--bundle", str(tmp_path / "weights" / "cnn.onnx"), "--output", str(tmp_path / "results"), "--clips", "2"]
    assert main(["evaluate", *common, *bundle]) == 0
    assert "NOT scores for unseen speakers" in capsys.readouterr().out
    assert (tmp_path / "results" / "stream" / "bundle-cnn.md").exists()
    model = load_model(tmp_path / "weights" / "cnn.json")
    assert model.spec.recipe == "joint"
    assert model.card.normalisation is not None
    assert model.card.raw["training"]["speakers"] == 6
    assert model.card.headline == "not yet scored"


def test_own_recordings_become_a_bundle_with_scores_temperature_and_licence(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own" / "folder"
    for clip in (corpus / "ravdess_speech").glob("*.flac"):
        _, _, emotion, *_, actor = clip.stem.split("-")
        if emotion in ("03", "04"):
            place = own / {"03": "happiness", "04": "SAD"}[emotion] / actor
            place.mkdir(parents=True)
            (place / "said.flac").write_bytes(clip.read_bytes())
        elif emotion == "02":
            (own / "boredom").mkdir(parents=True, exist_ok=True)
            (own / "boredom" / clip.name).write_bytes(clip.read_bytes())
    settings = tmp_path / "my.yaml"
    settings.write_text(
        "train: {use: [folder], within: [folder], variants: [],"
        " mlp: {front_end: {recipe: flatstats}, network: {hidden: [8], members: 1}, epochs: 2}}\n"
    )
    common = ["--corpora", str(own.parent), "--cache", str(tmp_path / "cache"), "--config", str(settings)]
    run = [*common, "--system", "mlp", "--protocol", "speaker", "--runs", str(tmp_path / "runs")]
    assert main(["prepare", *common]) == 0
    assert "not learned: 6 clips of 'bored'" in capsys.readouterr().out
    assert main(["audit", *common, "--protocol", "speaker", "--dev-speakers", "0"]) == 0
    assert main(["evaluate", *common, "--runs", str(tmp_path / "runs")]) == 2
    assert "of others take --protocol speaker" in capsys.readouterr().err
    assert main(["evaluate", *run, "--output", str(tmp_path / "results")]) == 0
    capsys.readouterr()
    assert main(["export", *run, "--weights", str(tmp_path / "mine")]) == 0
    told = capsys.readouterr()
    assert "not calibrated" not in told.err
    model = load_model(tmp_path / "mine" / "mlp.json")
    card = model.card
    assert card.labels == ("happy", "sad"), "what it never heard it does not offer"
    assert model.predict(np.zeros((3, card.raw["input"]["shape"][1]), np.float32)).sum(axis=1) == pytest.approx([1, 1, 1])
    scored = json.loads((tmp_path / "runs" / "mlp" / "scores-speaker.json").read_text())
    assert card.raw["fitted_temperature"] == pytest.approx(scored["temperature"], abs=1e-4)
    assert card.headline == f"{scored['scores']['uar_mean']:.1f} % UAR, 2 emotions, unseen speakers"
    assert card.licence.startswith("its owner's")
    assert card.raw["training"]["command"] == "python -m train export --system mlp --config my.yaml --protocol speaker"
    page = (tmp_path / "mine" / "README.md").read_text()
    assert "**unseen speakers**, 2 emotions, 5 folds" in page
    assert "RAVDESS" not in page
    assert "CC BY" not in page


def test_a_verb_without_its_manifest_says_what_to_run(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--corpora", str(corpus), "--cache", str(tmp_path)]) == 2
    assert "python -m train prepare" in capsys.readouterr().err


FULL = """
import resource
import sys
from train.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")
@pytest.mark.parametrize(
    ("most", "verb", "file"), [(2000, "prepare", "manifest"), (20_000, "prepare", "vectors"), (50_000, "fit", "checkpoint")]
)
def test_a_full_disk_is_one_line_and_leaves_nothing_half(
    most: int, verb: str, file: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "run.py"
    script.write_text(FULL)
    cache, runs = tmp_path / "cache", tmp_path / "runs"
    common = ["--corpora", str(corpus), "--cache", str(cache), "--set", "train.variants=[]", "--set", "train.mlp.epochs=1"]
    common += ["--set", "train.mlp.variants=[]"]
    asked = [verb, *common]
    if verb == "fit":
        assert main(["prepare", *common]) == 0
        asked += ["--system", "mlp", "--runs", str(runs)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, str(script), str(most), *asked], env=environment, capture_output=True, text=True)
    told = done.stderr.replace("\r", "\n").strip().splitlines()[-1].strip()
    assert done.returncode == 1, done.stderr
    assert told.startswith("train: cannot write ")
    assert file in told
    assert told.endswith("File too large")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.part"))
    assert not list(runs.rglob("checkpoint.pt"))


def test_a_folder_that_cannot_be_made_is_one_line(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["prepare", "--corpora", str(corpus), "--cache", str(tmp_path / "file" / "cache")]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert "train: cannot write" in told
    assert "Not a directory" in told


def test_a_worker_that_is_ended_is_one_line(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.feature_cache.FEW", 0)
    monkeypatch.setattr("train.features._clip_activity", _ended)
    assert main(["prepare", "--corpora", str(corpus), "--cache", str(tmp_path)]) == 1
    assert "a worker process was ended" in capsys.readouterr().err


def _ended(item: object) -> None:
    os._exit(9)


def test_a_recipe_is_what_the_card_records() -> None:
    assert asdict(RECIPES["cnn"])["front_end"] == {"recipe": "stacked"}
