"""``python -m train`` as a person runs it: from corpora and own recordings to bundles, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_ser.model.classifier import load_model
from train.__main__ import main
from train.evaluation.streaming.conditions import conditions


@pytest.mark.slow
def test_the_command_line_from_corpora_to_a_bundle_that_the_live_path_loads(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ["--corpora", str(corpus), "--cache", str(tmp_path / "cache")]
    for key, value in (("epochs", "2"), ("networks", "1"), ("network", "{widths: [4, 6, 8, 8], embedding: 16}")):
        common += ["--set", f"train.logmel.{key}={value}"]
    for key, value in (("epochs", "2"), ("network", "{hidden: [8], members: 1}")):
        common += ["--set", f"train.mlp.{key}={value}"]
    common += ["--set", "train.variants=[]", "--set", "train.mlp.variants=[]"]
    # From the labels, and joined, as in versions without a teacher.
    for change in (
        "logmel.taught=null",
        "logmel.joined=mlp",
        "mlp.taught=null",
        "mlp.front_end={recipe: flatstats, n_mels: 64, n_mfcc: 20}",
        "mlp.norm.prior_s=40",
    ):
        common += ["--set", f"train.{change}"]
    run = [*common, "--system", "logmel", "--runs", str(tmp_path / "runs")]
    assert main(["prepare", *common]) == 0
    assert "ravdess_speech" in capsys.readouterr().out
    assert main(["audit", *common, "--protocol", "speaker", "--dev-speakers", "1"]) == 0
    assert main(["audit", *common, "--protocol", "random"]) == 1
    assert "both train and test" in capsys.readouterr().out
    watched = ["--protocol", "speaker", "--fold", "2", "--seeds", "2", "--dev-speakers", "1"]
    assert main(["fit", *run, *watched]) == 0
    histories = sorted((tmp_path / "runs").glob("*/speaker-2-watched-1-?/history.json"))
    assert [path.parts[-3] for path in histories] == ["logmel", "logmel", "mlp", "mlp"]
    assert all("dev_uar" in json.loads(path.read_text())[-1] for path in histories)
    scoring = [*run, "--output", str(tmp_path / "results"), "--protocol", "speaker"]
    assert main(["evaluate", *scoring]) == 0
    assert (tmp_path / "results" / "calibration" / "logmel.png").exists()
    scored = json.loads((tmp_path / "runs" / "logmel" / "scores-speaker.json").read_text())["scores"]
    assert scored["clips"] == 24
    assert 0 <= scored["uar_mean"] <= 100
    monkeypatch.setattr("train.evaluation.streaming.report.SOUND_S", 1.0)
    monkeypatch.setattr("train.evaluation.streaming.report.conditions", lambda root, rows: conditions(root, rows)[:6])
    assert main(["evaluate", *scoring, "--stream", "--fold", "1", "--clips", "2"]) == 0
    assert "SHORT" in capsys.readouterr().out
    assert "speaker-1" in (tmp_path / "results" / "stream" / "logmel.md").read_text()
    assert main(["tune", *scoring, "--fold", "1", "2", "--windows", "1.5"]) == 0
    assert "folds that did not choose" in capsys.readouterr().out
    told = json.loads((tmp_path / "results" / "stream" / "logmel-tune.json").read_text())["command"]
    assert "--fold 1 2 --windows 1.5 --hops 0.25 --set train.logmel.epochs=2" in told
    assert "'train.mlp.network={hidden: [8], members: 1}'" in told, "as a shell takes it"
    capsys.readouterr()
    assert main(["export", *run, "--weights", str(tmp_path / "weights")]) == 0
    warned = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("train: "))
    assert "evaluate --system logmel --protocol emobox --set train.logmel.epochs=2" in warned
    assert warned.endswith("before it the bundle is not calibrated and has no scores")
    bundle = ["--bundle", str(tmp_path / "weights" / "logmel.onnx"), "--output", str(tmp_path / "results"), "--clips", "2"]
    assert main(["evaluate", *common, *bundle]) == 0
    assert "NOT scores for unseen speakers" in capsys.readouterr().out
    assert (tmp_path / "results" / "stream" / "bundle-logmel.md").exists()
    model = load_model(tmp_path / "weights" / "logmel.json")
    assert model.spec.recipe == "joint"
    assert model.card.normalisation is not None
    assert model.card.raw["training"]["speakers"] == 6
    assert model.card.headline == "not yet scored"


@pytest.mark.slow
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
            (own / "boredom" / actor).mkdir(parents=True, exist_ok=True)
            (own / "boredom" / actor / clip.name).write_bytes(clip.read_bytes())
    settings = tmp_path / "my.yaml"
    settings.write_text(
        "train: {use: [folder], within: [folder], variants: [],"
        " mlp: {taught: null, variants: [], front_end: {recipe: flatstats}, network: {hidden: [8], members: 1}, epochs: 2}}\n"
    )
    common = ["--corpora", str(own.parent), "--cache", str(tmp_path / "cache"), "--config", str(settings)]
    run = [*common, "--system", "mlp", "--protocol", "speaker", "--runs", str(tmp_path / "runs")]
    assert main(["prepare", *common]) == 0
    assert "not learned: 6 clips of 'bored'" in capsys.readouterr().out
    assert main(["audit", *common, "--protocol", "speaker"]) == 0
    assert main(["evaluate", *common, "--runs", str(tmp_path / "runs")]) == 2
    assert "of others take --protocol speaker" in capsys.readouterr().err
    assert main(["evaluate", *run, "--output", str(tmp_path / "results")]) == 0
    # What lies there of other corpora is not this bundle's to boast of.
    others = {"corpora": {"use": ["tess"], "within": ["tess"]}, "scores": {"four_stream": {"mean": 99.0}}}
    (tmp_path / "runs" / "mlp" / "scores-cross.json").write_text(json.dumps(others))
    capsys.readouterr()
    assert main(["export", *run, "--weights", str(tmp_path / "mine")]) == 0
    assert "not calibrated" not in capsys.readouterr().err
    model = load_model(tmp_path / "mine" / "mlp.json")
    card = model.card
    assert card.labels == ("happy", "sad"), "what it never heard it does not offer"
    assert model.predict(np.zeros((3, card.raw["input"]["shape"][1]), np.float32)).sum(axis=1) == pytest.approx([1, 1, 1])
    scored = json.loads((tmp_path / "runs" / "mlp" / "scores-speaker.json").read_text())
    assert card.raw["fitted_temperature"] == pytest.approx(scored["temperature"], abs=1e-4)
    assert card.headline == f"{scored['scores']['uar_mean']:.1f} % UAR, 2 emotions, unseen speakers"
    assert scored["scores"]["command"] == "python -m train evaluate --system mlp --protocol speaker --config my.yaml"
    assert card.raw["strangers"] == {}
    assert card.licence.startswith("its owner's")
    assert card.raw["training"]["command"] == "python -m train export --system mlp --protocol speaker --config my.yaml"
    page = (tmp_path / "mine" / "README.md").read_text()
    assert "**unseen speakers**, 2 emotions, 5 folds" in page
    assert "RAVDESS" not in page
    assert "CC BY" not in page


def test_a_verb_without_its_manifest_says_what_to_run(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--corpora", str(corpus), "--cache", str(tmp_path)]) == 2
    assert "python -m train prepare" in capsys.readouterr().err


@pytest.mark.parametrize("system", ["mlp", "large", "cnn"])
def test_speakers_that_nobody_would_watch_are_refused(
    system: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--corpora", str(corpus), "--cache", str(tmp_path), "--runs", str(tmp_path)]
    assert main(["fit", *common, "--system", system, "--dev-speakers", "2"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("train: --dev-speakers is for mlp and logmel with `taught: null`")
    assert told.count("\n") == 1


@pytest.mark.parametrize("verb", [["prepare"], ["audit"], ["export", "--system", "mlp"], ["fit", "--system", "large"]])
def test_the_test_of_strangers_never_trains(
    verb: list[str], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--corpora", str(corpus), "--cache", str(tmp_path), "--set", "train.use=[ravdess_speech, ased]"]
    assert main([*verb, *common]) == 2
    told = "train: train.use names ased, a test of strangers: nothing is trained or calibrated on it\n"
    assert capsys.readouterr().err == told


FULL = """
import resource
import sys
from train.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
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
    common += ["--set", "train.mlp.variants=[]", "--set", "train.mlp.taught=null"]
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


@pytest.mark.slow
def test_a_worker_that_is_ended_is_one_line(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.data.cache.FEW", 0)
    monkeypatch.setattr("train.data.features._clip_activity", _ended)
    assert main(["prepare", "--corpora", str(corpus), "--cache", str(tmp_path), "--set", "train.mlp.taught=null"]) == 1
    assert "a worker process was ended" in capsys.readouterr().err


def _ended(item: object) -> None:
    os._exit(9)


def test_without_the_extra_the_command_names_it(tmp_path: Path) -> None:
    (tmp_path / "tqdm.py").write_text("raise ModuleNotFoundError(\"No module named 'tqdm'\", name='tqdm')\n")
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(root)))}
    command = [sys.executable, "-m", "train", "prepare"]
    result = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert result.stderr == "train: there is no module tqdm; in the clone: pip install -e '.[train]'\n"


def test_a_recording_that_is_gone_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def audit(_: object) -> None:
        """Fail when a split leaks."""
        soundfile.read(tmp_path / "gone.wav")

    monkeypatch.setattr("train.cli.audit", audit)
    assert main(["audit"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "gone.wav" in said
    assert "run that again, with the same --corpora" in said
