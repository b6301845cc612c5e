"""A network is what its card describes, and reads no other file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from realtime_ser.errors import ModelError
from realtime_ser.model.classifier import load_model
from realtime_ser.model.onnx_check import external_tensor, read_network


def _outside(location: str, name: str = "secret") -> onnx.TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def _model() -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "io"]
    bias = helper.make_tensor("bias", TensorProto.FLOAT, [4], [1.0, 2.0, 3.0, 4.0])
    graph = helper.make_graph([helper.make_node("Add", ["i", "bias"], ["o"])], "tiny", values[:1], values[1:], [bias])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _in_initializer(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.graph.initializer.append(tensor)


def _in_constant(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def _in_subgraph(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    branch = helper.make_graph([helper.make_node("Identity", ["secret"], ["o"])], "branch", [], [], [tensor])
    model.graph.node.append(helper.make_node("If", ["condition"], ["o"], then_branch=branch, else_branch=branch))


def _in_sparse(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=tensor))


def _in_function(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    model.functions.append(helper.make_function("own", "F", [], ["c"], [node], []))


def _in_training(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.training_info.add().initialization.initializer.append(tensor)


PLACES = [_in_initializer, _in_constant, _in_subgraph, _in_sparse, _in_function, _in_training]


@pytest.mark.parametrize("location", ["/etc/passwd", "../x", "x", "*/_ORT_MEM_ADDR_/*"])
@pytest.mark.parametrize("place", PLACES)
def test_weights_in_another_file_are_refused_before_loading(place, location: str, make_bundle, monkeypatch) -> None:
    model = _model()
    place(model, _outside(location))
    card = make_bundle("flatstats", network=model.SerializeToString())
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("the network was loaded"))
    with pytest.raises(ModelError, match=r"tiny\.onnx keeps tensor 'secret' in another file") as error:
        load_model(card)
    assert "\n" not in str(error.value)


def test_a_location_of_zero_is_inside() -> None:
    model = _model()
    model.graph.initializer[0].data_location = TensorProto.DEFAULT
    assert external_tensor(model.SerializeToString()) is None


def test_the_hash_is_checked_before_the_content(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(_model().SerializeToString())
    monkeypatch.setattr("realtime_ser.model.onnx_check.external_tensor", lambda _: pytest.fail("looked inside"))
    with pytest.raises(ModelError, match="is not the file its card describes"):
        read_network(path, hashlib.sha256(b"another").hexdigest())


@pytest.mark.parametrize("content", [b"", b"\x00", b"no model", b"\x3a\xff\xff\xff\xff\x0f", b"\x3b\x3c", b"\xff" * 20])
def test_what_is_no_model_is_said_in_words(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.onnx is not an ONNX model: it") as error:
        read_network(path, hashlib.sha256(content).hexdigest())
    assert "\n" not in str(error.value)


def _tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """Every tensor in a message, wherever onnx found it."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if isinstance(value, Sequence) or not isinstance(value, Message) else [value]:
                if isinstance(item, TensorProto):
                    yield item
                yield from _tensors(item)


@given(st.data())
def test_damage_never_hides_external_data(data: st.DataObject) -> None:
    """Whatever onnx itself still reads as external, this finds, or refuses the file."""
    model = _model()
    data.draw(st.sampled_from(PLACES))(model, _outside("/etc/passwd"))
    content = bytearray(model.SerializeToString())
    for _ in range(data.draw(st.integers(0, 2))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = external_tensor(bytes(content))
    except ValueError:
        return
    if found is None:
        try:
            survivor = onnx.load_model_from_string(bytes(content))
        except Exception:
            return
        for tensor in _tensors(survivor):
            assert not tensor.external_data, "a tensor outside the file was missed"
            assert tensor.data_location != TensorProto.EXTERNAL


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"front_end": {"n_fft": 8}}, "n_fft"),
        ({"front_end": {"n_fft": 65536, "n_mels": 512}}, "memory"),
        ({"front_end": {"hop_length": 1, "n_fft": 4096}, "window_s": 60.0}, "memory"),
        ({"front_end": {"top_db": 1e300}}, "top_db"),
    ],
)
def test_cards_that_would_take_all_memory_are_refused(changes, words: str, make_bundle) -> None:
    card = make_bundle("stacked", network=b"never read", **changes)
    with pytest.raises(ModelError, match=words):
        load_model(card)


@pytest.mark.parametrize("value", ["1" * 400, "1e400", "NaN", "Infinity", "-1" + "0" * 5000])
@pytest.mark.parametrize("key", ["window_s", "temperature", "format", "min_window_s"])
def test_numbers_that_no_card_has(key: str, value: str, make_bundle) -> None:
    path = make_bundle("stacked")
    card = json.loads(path.read_text())
    card[key] = "HERE"
    path.write_text(json.dumps(card).replace('"HERE"', value))
    with pytest.raises(ModelError, match=r"tiny\.json") as error:
        load_model(path)
    assert len(str(error.value)) < 400 + len(str(path))


def test_a_card_of_a_gigabyte_is_not_read(make_bundle) -> None:
    path = make_bundle("stacked")
    with path.open("r+b") as file:
        file.truncate(2**30)
    with pytest.raises(ModelError, match="more than 1 MiB"):
        load_model(path)
