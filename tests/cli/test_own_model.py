"""``models add``: a network of raw audio becomes a bundle that runs, or is refused in one line and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bundles import FRONT_ENDS, make_network
from command import SAMPLE, of_type, realtime_ser, records
from realtime_ser.cli.own_model import add_model
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, ModelError
from realtime_ser.model.classifier import load_model
from realtime_ser.pipeline.session import StreamSession
from realtime_ser.records import Block, Notice

LABELS = ["neutral", "happy", "sad", "angry"]


def write_network(path: Path, *, samples: int | str = "time", tail: str = "Identity", **changes: Any) -> Path:
    model = make_network("waveform", FRONT_ENDS["waveform"], tail=tail)
    if isinstance(samples, int):
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = samples
    onnx.save(model, path)
    return path


@pytest.mark.slow
def test_a_network_becomes_a_bundle_that_a_run_can_use(tmp_path: Path) -> None:
    network = write_network(tmp_path / "mine.onnx")
    result = realtime_ser("models", "add", network, "--labels", ",".join(LABELS), "--rate", "16000")
    assert result.returncode == 0, result.stderr
    card, checked, score, use = result.stdout.splitlines()
    assert "logits of 4 labels; 16000 Hz, samples standardised, windows of 1 to 3 s" in card
    assert checked.startswith("checked on demo.flac: 9")
    assert "no score" in score
    own = tmp_path / "mine.json"
    assert f"after python -m train prepare: python -m train evaluate --bundle {own} --bars && " in score
    assert score.endswith(f"python -m train card --bundle {own}")
    assert use == f"to use it: realtime-ser monitor --model {tmp_path / 'mine.json'}"
    rows = records(realtime_ser("replay", SAMPLE, "--speed", "max", "--model", tmp_path / "mine.json", "--jsonl", "-").stdout)
    assert rows[0]["labels"] == LABELS
    assert len(of_type(rows, "window")) > 80


@pytest.mark.slow
def test_standardised_input_does_not_depend_on_level_or_offset(tmp_path: Path) -> None:
    for name, standardised in (("scaled", True), ("plain", False)):
        network = write_network(tmp_path / f"{name}.onnx")
        add_model(network, labels=LABELS, standardised=standardised, clip=SAMPLE)
    voice = np.random.default_rng(0).normal(0, 0.1, (1, 32_000)).astype(np.float32)
    scaled, plain = (load_model(tmp_path / f"{name}.json") for name in ("scaled", "plain"))
    np.testing.assert_allclose(scaled.predict(voice), scaled.predict(0.1 * voice + 0.2), atol=1e-3)
    assert np.abs(plain.predict(voice) - plain.predict(0.1 * voice + 0.2)).max() > 0.01
    # What the network sees is what wav2vec2's own feature extractor makes.
    expected = (voice - voice.mean()) / np.sqrt(voice.var() + 1e-7)
    np.testing.assert_allclose(scaled.predict(voice), plain.predict(expected.astype(np.float32)), atol=1e-5)


def test_probabilities_are_told_from_logits(tmp_path: Path) -> None:
    network = write_network(tmp_path / "soft.onnx", tail="Softmax")
    assert "probabilities of 4 labels" in add_model(network, labels=LABELS, clip=SAMPLE)[0]
    assert json.loads((tmp_path / "soft.json").read_text())["output"]["kind"] == "probabilities"


def test_a_fixed_length_is_its_window(tmp_path: Path) -> None:
    network = write_network(tmp_path / "fixed.onnx", samples=40_000)
    assert "windows of 2.5 to 2.5 s" in add_model(network, labels=LABELS, clip=SAMPLE)[0]
    with pytest.raises(ConfigError, match=r"fixed to 40000 samples, 2\.5 s at 16000 Hz; leave out --window"):
        add_model(network, labels=LABELS, window_s=3.0, replace=True, clip=SAMPLE)


def test_pieces_shorter_than_a_fixed_length_are_counted_and_end_nothing(tmp_path: Path) -> None:
    add_model(write_network(tmp_path / "fixed.onnx", samples=40_000), labels=LABELS, clip=SAMPLE)
    engine = Engine(load_model(tmp_path / "fixed.json"), Config(gate=GateConfig(enabled=False)))
    samples = np.random.default_rng(0).normal(0, 0.1, 4 * 16_000).astype(np.float32)
    assert engine.push(Block(samples, 16_000, 0))
    # A gap leaves a piece of 2 s, shorter than the window of 2.5 s.
    engine.push(Block(samples[: 2 * 16_000], 16_000, 5 * 16_000))
    engine.flush()
    assert engine.push(Block(samples, 16_000, 8 * 16_000))
    engine.flush()
    health = engine.health
    assert health.captured == 12 * 16_000 == health.classified + health.gated + health.dropped + health.pending
    session = StreamSession(engine)
    assert not session.push(samples[: 2 * 16_000])
    notice, _ = session.close()
    assert isinstance(notice, Notice)
    assert "2 s are too short to classify; a window takes 2.5 s or more" in notice.message


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
def test_other_rates(tmp_path: Path, rate: int) -> None:
    network = write_network(tmp_path / "rate.onnx")
    assert f"{rate} Hz" in add_model(network, labels=LABELS, rate=rate, clip=SAMPLE)[0]
    assert load_model(tmp_path / "rate.json").spec.sample_rate == rate


def test_what_the_exporter_wrote_beside_it_is_the_default(tmp_path: Path) -> None:
    network = write_network(tmp_path / "model.onnx")
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"10": "d", "2": "c", "0": "a", "1": "b"}}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": 8000, "do_normalize": False}))
    line = add_model(network, clip=SAMPLE)[0]
    assert "8000 Hz, samples as they are" in line
    assert load_model(tmp_path / "model.json").labels == ("a", "b", "c", "d")


def _refusals(folder: Path) -> dict[str, tuple[dict[str, Any], type[Exception], str]]:
    masked = make_network("waveform", FRONT_ENDS["waveform"])
    masked.graph.input.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "time"]))
    onnx.save(masked, folder / "masked.onnx")
    (folder / "broken.onnx").write_bytes(b"no network")
    write_network(folder / "good.onnx")
    good = {"network": "good.onnx", "labels": LABELS}
    return {
        "no labels": ({"network": "good.onnx"}, ConfigError, "no labels"),
        "too few labels": ({"network": "good.onnx", "labels": ["a", "b"]}, ModelError, "one number for each of the 2 labels"),
        "absent": ({"network": "none.onnx", "labels": LABELS}, ConfigError, "cannot read"),
        "no onnx": ({"network": "good.pt", "labels": LABELS}, ConfigError, "export the network to ONNX"),
        "broken": ({"network": "broken.onnx", "labels": LABELS}, ModelError, "not an ONNX model"),
        "a mask": ({"network": "masked.onnx", "labels": LABELS}, ModelError, "without a mask"),
        "not probabilities": ({**good, "kind": "probabilities"}, ModelError, "is its output logits"),
        "windows": ({**good, "window_s": 1.0, "min_window_s": 2.0}, ConfigError, "longer than"),
    }


@pytest.mark.parametrize(
    "name", ["no labels", "too few labels", "absent", "no onnx", "broken", "a mask", "not probabilities", "windows"]
)
def test_what_does_not_fit_is_refused_and_leaves_no_card(tmp_path: Path, name: str) -> None:
    given, error, said = _refusals(tmp_path)[name]
    network = tmp_path / given.pop("network")
    with pytest.raises(error, match=said):
        add_model(network, clip=SAMPLE, **given)
    assert not list(tmp_path.glob("*.json"))


def test_a_card_that_is_there_stays(tmp_path: Path) -> None:
    network = write_network(tmp_path / "mine.onnx")
    (tmp_path / "mine.json").write_text("precious")
    with pytest.raises(ConfigError, match="--replace writes over it"):
        add_model(network, labels=LABELS, clip=SAMPLE)
    with pytest.raises(ModelError):
        add_model(network, labels=LABELS, kind="probabilities", replace=True, clip=SAMPLE)
    assert (tmp_path / "mine.json").read_text() == "precious"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--labels", "a,a"], "no list of two or more different names"),
        (["--rate", "16k"], "no sample rate"),
        (["--lables", "a,b"], "did you mean '--labels'? (see 'realtime-ser models add --help')"),
    ],
)
def test_typing_errors(typed: list[str], said: str) -> None:
    result = realtime_ser("models", "add", "x.onnx", *typed)
    assert result.returncode == 2
    assert said in result.stderr


def test_a_network_may_say_that_nobody_speaks(tmp_path: Path) -> None:
    network = write_network(tmp_path / "mine.onnx")
    with pytest.raises(
        ModelError, match="one number for each of the 3 labels; if the last one says that nobody speaks, add --nobody"
    ):
        add_model(network, labels=LABELS[:3], clip=SAMPLE)
    card, *_ = add_model(network, labels=LABELS[:3], nobody=True, clip=SAMPLE)
    assert "logits of 3 labels and of nobody" in card
    model = load_model(tmp_path / "mine.json")
    assert (model.card.nobody, list(model.labels)) == (True, LABELS[:3])
    with pytest.raises(ModelError, match="each of the 4 labels and one for nobody"):
        add_model(network, labels=LABELS, nobody=True, replace=True, clip=SAMPLE)


def test_the_commands_that_it_prints_can_be_pasted(tmp_path: Path) -> None:
    *_, score, use = add_model(write_network(tmp_path / "one d.onnx"), labels=LABELS, clip=SAMPLE)
    named = f"'{tmp_path / 'one d.json'}'"
    assert f"evaluate --bundle {named} --bars" in score
    assert use == f"to use it: realtime-ser monitor --model {named}"
    others = ["bored", "keen", "calm", "sad"]
    *_, score, _ = add_model(write_network(tmp_path / "two.onnx"), labels=others, clip=SAMPLE)
    assert score.endswith("their corpora have no bored, keen")


def test_the_states_of_a_window_are_no_labels(tmp_path: Path) -> None:
    network = write_network(tmp_path / "mine.onnx")
    with pytest.raises(ConfigError, match="no_speech, unsure is what a window is without an emotion"):
        add_model(network, labels=["angry", "sad", "unsure", "no_speech"], clip=SAMPLE)
    assert not network.with_suffix(".json").exists()
