"""A bundle is what its card says or is refused in one line that names the file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from bundles import FRONT_ENDS, LABELS, MakeBundle, make_network, write_bundle
from realtime_ser.config import Config, StreamConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, ModelError, SerError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.spec import RECIPES, FrontEndSpec
from realtime_ser.model.card import read_card
from realtime_ser.model.classifier import find_card, list_bundles, load_model

WIDTH = FrontEnd(FrontEndSpec(**FRONT_ENDS["flatstats"]), 1.0).n_features or 0


def refused(path: Path, *words: str) -> None:
    """Loading fails with one line that names the bundle's file and says what is wrong."""
    with pytest.raises(ModelError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path.with_suffix("")) in message, message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_loads_and_predicts(recipe: str, bundles: dict[str, Path]) -> None:
    for path in (bundles[recipe], bundles[recipe].with_suffix(".onnx"), str(bundles[recipe])):
        model = load_model(path)
        front_end = model.front_end()
        front_end.push(np.random.default_rng(0).normal(0, 0.1, 40_000).astype(np.float32))
        probs = model.predict(front_end.window()[np.newaxis])
        assert probs.shape == (1, len(LABELS))
        assert probs.dtype == np.float32
        np.testing.assert_allclose(probs.sum(), 1, atol=1e-5)
        assert model.labels == LABELS


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_batch_predicts_what_its_windows_do_alone(recipe: str, bundles: dict[str, Path]) -> None:
    model = load_model(bundles[recipe])
    front_end = model.front_end()
    rng = np.random.default_rng(0)
    windows = []
    for level, smoothing in ((0.3, 1), (0.01, 8), (0.1, 3), (0.003, 30)):
        # Of different colours too: a model may be deaf to level.
        noise = np.convolve(rng.normal(0, level, 40_000), np.ones(smoothing) / smoothing, "same")
        front_end.push(noise.astype(np.float32))
        windows.append(front_end.window())
    batch = model.predict(np.stack(windows))
    assert np.abs(batch[0] - batch[1]).max() > 1e-4, "the windows must differ for this test to say anything"
    for window, probs in zip(windows, batch, strict=True):
        np.testing.assert_allclose(model.predict(window[np.newaxis])[0], probs, atol=1e-6)


def test_an_empty_batch_is_no_fault(bundles: dict[str, Path]) -> None:
    model = load_model(bundles["flatstats"])
    width = model.front_end().n_features
    assert width is not None
    assert model.predict(np.zeros((0, width), np.float32)).shape == (0, len(LABELS))


def test_logits_are_softmaxed_at_the_cards_temperature(make_bundle: MakeBundle) -> None:
    network = make_network("flatstats", FRONT_ENDS["flatstats"], tail="Identity").SerializeToString()
    output = {"name": "output", "kind": "logits"}
    sharp = load_model(make_bundle(network=network, output=output))
    features = np.random.default_rng(0).normal(0, 100, (3, WIDTH)).astype(np.float32)
    sharp_probs = sharp.predict(features)
    soft_probs = load_model(make_bundle(network=network, output=output, temperature=2.0)).predict(features)
    (logits,) = sharp._session.run(["output"], {"input": features})
    for temperature, got in ((1.0, sharp_probs), (2.0, soft_probs)):
        expected = np.exp(logits / temperature)
        np.testing.assert_allclose(got, expected / expected.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-7)


def test_huge_logits_do_not_overflow(make_bundle: MakeBundle) -> None:
    network = make_network("flatstats", FRONT_ENDS["flatstats"], tail="Identity").SerializeToString()
    model = load_model(make_bundle(network=network, output={"name": "output", "kind": "logits"}, temperature=0.01))
    probs = model.predict(np.full((1, WIDTH), 1e6, np.float32))
    assert np.isfinite(probs).all()
    np.testing.assert_allclose(probs.sum(), 1, atol=1e-5)


def test_missing_network(make_bundle: MakeBundle) -> None:
    path = make_bundle()
    path.with_suffix(".onnx").unlink()
    refused(path, "tiny.onnx", "cannot read")


def test_wrong_hash(make_bundle: MakeBundle) -> None:
    path = make_bundle()
    with path.with_suffix(".onnx").open("ab") as file:
        file.write(b"\0")
    refused(path, "tiny.onnx", "SHA-256", "fetch it again")


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x09" * 500, b"\xff" * 4096])
def test_not_onnx(make_bundle: MakeBundle, content: bytes) -> None:
    refused(make_bundle(network=content), "tiny.onnx")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_network_whose_hash_was_taken_after(make_bundle: MakeBundle, share: float) -> None:
    whole = make_network("flatstats", FRONT_ENDS["flatstats"]).SerializeToString()
    refused(make_bundle(network=whole[: int(share * len(whole))]), "tiny.onnx")


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"input": {"name": "audio"}}, ("tiny.onnx", "'input'", "'audio'")),
        ({"output": {"name": "emotion"}}, ("tiny.onnx", "'output'", "'emotion'")),
        ({"labels": ["a", "b", "c"]}, ("tiny.onnx", "3 labels")),
        ({"labels": [*LABELS, "fearful"]}, ("tiny.onnx", "5 labels")),
        ({"front_end": {**FRONT_ENDS["flatstats"], "n_mels": 40}}, ("tiny.onnx", "fails on input")),
        ({"labels": ["one"]}, ("tiny.json", "'labels'")),
        ({"labels": ["same", "same", "x", "y"]}, ("tiny.json", "'labels'")),
        ({"labels": ["", "b", "c", "d"]}, ("tiny.json", "'labels'")),
        ({"labels": "abcd"}, ("tiny.json", "'labels' takes a list")),
        ({"labels": None}, ("tiny.json", "'labels' is missing")),
        ({"sha256": None}, ("tiny.json", "'sha256' is missing")),
        ({"name": None}, ("tiny.json", "'name' is missing")),
        ({"format": 2}, ("tiny.json", "format 2", "upgrade")),
        ({"format": True}, ("tiny.json", "'format'")),
        ({"window_s": 0.5}, ("tiny.json", "min_window_s (1)", "window_s (0.5)")),
        ({"window_s": 1e9}, ("tiny.json", "window_s")),
        ({"window_s": float("nan")}, ("tiny.json", "window_s")),
        ({"temperature": 0}, ("tiny.json", "temperature")),
        ({"temperature": float("inf")}, ("tiny.json", "temperature")),
        ({"temperature": "warm"}, ("tiny.json", "temperature")),
        ({"input": {}}, ("tiny.json", "'name'")),
        ({"output": {"name": "output", "kind": "votes"}}, ("tiny.json", "'votes'")),
        ({"front_end": {"recipe": "spectrogram"}}, ("tiny.json", "unknown recipe 'spectrogram'")),
        ({"front_end": {**FRONT_ENDS["flatstats"], "sample_rate": 1_000_000}}, ("tiny.json", "sample_rate 1000000")),
        ({"front_end": {**FRONT_ENDS["flatstats"], "sample_rate": 0}}, ("tiny.json", "sample_rate 0")),
        ({"front_end": {**FRONT_ENDS["flatstats"], "mels": 3}}, ("tiny.json", "'mels'", "'n_mels'")),
    ],
)
def test_a_card_that_does_not_fit(make_bundle: MakeBundle, card: dict[str, Any], words: tuple[str, ...]) -> None:
    network = make_network("flatstats", FRONT_ENDS["flatstats"]).SerializeToString()
    refused(make_bundle(network=network, **card), *words)


def test_logits_declared_as_probabilities(make_bundle: MakeBundle) -> None:
    network = make_network("flatstats", FRONT_ENDS["flatstats"], tail="Identity").SerializeToString()
    refused(make_bundle(network=network), "tiny.onnx", "no probabilities", "logits")


@pytest.mark.parametrize("kind", ["probabilities", "logits"])
def test_nan_output(make_bundle: MakeBundle, kind: str) -> None:
    network = make_network("flatstats", FRONT_ENDS["flatstats"], tail="Log")
    network.graph.node[-1].input[0] = "negative"
    network.graph.node.insert(2, helper.make_node("Sub", ["minus", "minus_two"], ["difference"]))
    network.graph.node.insert(3, helper.make_node("Mul", ["difference", "logits_square"], ["negative"]))
    network.graph.node.insert(2, helper.make_node("Mul", ["logits", "logits"], ["logits_square"]))
    network.graph.initializer.append(numpy_helper.from_array(np.float32([-3.0]), "minus"))
    network.graph.initializer.append(numpy_helper.from_array(np.float32([-2.0]), "minus_two"))
    onnx.checker.check_model(network)
    path = make_bundle(network=network.SerializeToString(), output={"name": "output", "kind": kind})
    refused(path, "tiny.onnx", "no probabilities")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"card"', "\xff\xfe", "[" * 100_000, '{"format": 1'])
def test_a_card_that_is_no_card(make_bundle: MakeBundle, text: str) -> None:
    path = make_bundle()
    path.write_bytes(text.encode("latin-1"))
    refused(path, "tiny.json")


def test_a_window_that_the_model_was_not_trained_for(bundles: dict[str, Path]) -> None:
    model = load_model(bundles["flatstats"])
    for stream in (StreamConfig(window_s=5.0), StreamConfig(min_window_s=0.2), StreamConfig(window_s=0.5)):
        with pytest.raises(ModelError, match=r"'tiny' takes windows of 1 to 2 s.*stream\.min_window_s") as caught:
            Engine(model, Config(stream=stream))
        assert "\n" not in str(caught.value)
    assert Engine(model, Config(stream=StreamConfig(window_s=1.5))).window <= 1.51 * 16_000


def test_names_of_shipped_bundles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    write_bundle(weights, "flatstats")
    monkeypatch.setattr("realtime_ser.model.classifier.resource", lambda name: tmp_path / name)
    assert list_bundles() == [weights / "tiny.json"]
    assert find_card("tiny") == weights / "tiny.json"
    with pytest.raises(ConfigError, match="no model 'tinny'; did you mean 'tiny'"):
        find_card("tinny")
    with pytest.raises(ConfigError, match=r"\(shipped: tiny; or give the path"):
        find_card("zzz")


@pytest.mark.parametrize("model", [None, 3, b"mlp", ["mlp"], 0.5, object()])
def test_what_is_neither_a_name_nor_a_path_is_one_clear_error(model: Any) -> None:
    with pytest.raises(ConfigError, match="a shipped name or the path") as caught:
        load_model(model)
    assert "mlp" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_without_a_card(tmp_path: Path) -> None:
    for name in ("gone.onnx", "gone.json"):
        with pytest.raises(ConfigError, match=r"no model card .*gone\.json"):
            load_model(tmp_path / name)


def test_a_folder_named_like_a_card(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(SerError, match=r"x\.json"):
        load_model(tmp_path / "x.json")


def test_weights_outside_the_bundle_are_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    """ONNX may keep tensors in other files; a bundle may not reach for them."""
    network = make_network("flatstats", FRONT_ENDS["flatstats"])
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(WIDTH * 4 * 4))
    tensor = next(item for item in network.graph.initializer if item.name == "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", str(secret)), ("offset", "0"), ("length", str(WIDTH * 4 * 4))):
        tensor.external_data.add(key=key, value=value)
    refused(make_bundle(network=network.SerializeToString()), "tiny.onnx")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@settings(max_examples=100)
@given(key=st.sampled_from([*json.loads(json.dumps(FRONT_ENDS["flatstats"])), "top_db", "fmax", "format", "name", "labels",
                            "window_s", "min_window_s", "temperature", "input", "output", "sha256", "front_end", "headline"]),
       value=_json)  # fmt: skip
def test_any_value_on_a_card_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, key: str, value: Any) -> None:
    path = tmp_path_factory.mktemp("card") / "tiny.json"
    card: dict[str, Any] = {
        "format": 1,
        "name": "tiny",
        "front_end": dict(FRONT_ENDS["flatstats"]),
        "window_s": 2.0,
        "min_window_s": 1.0,
        "labels": list(LABELS),
        "input": {"name": "input"},
        "output": {"name": "output"},
        "sha256": hashlib.sha256(b"").hexdigest(),
    }
    place = card["front_end"] if key in (*FRONT_ENDS["flatstats"], "top_db", "fmax") else card
    place[key] = value
    path.write_text(json.dumps(card))
    message = "tiny.json"
    try:
        read_card(path)
    except ModelError as error:
        message = str(error)
    assert "tiny.json" in message
    assert "\n" not in message
