"""Tiny model bundles made on the spot, one for each recipe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import FloatArray

RATE = 16_000
LABELS = ("neutral", "happy", "sad", "angry")
FLAT268 = {"recipe": "flat268", "n_fft": 2048, "hop_length": 512, "n_mels": 128, "n_mfcc": 128}
FRONT_ENDS: dict[str, dict[str, Any]] = {
    "flat268": FLAT268,
    "flatstats": {"recipe": "flatstats", "n_fft": 1024, "hop_length": 250},
    "moments": {"recipe": "moments", "n_mels": 40, "n_mfcc": 13, "frame_db": 45.0},
    "stacked": {"recipe": "stacked"},
    "joint": {"recipe": "joint"},
    "waveform": {"recipe": "waveform", "n_fft": 320, "hop_length": 320},
}

MakeBundle = Callable[..., Path]
Samples = npt.NDArray[np.float32]


def make_network(
    recipe: str, front_end: dict[str, Any], *, outputs: int = len(LABELS), tail: str = "Softmax"
) -> onnx.ModelProto:
    """A network with fixed random weights that takes what ``recipe`` gives: a mean over any time axis, then a Gemm."""
    spec = FrontEndSpec(**front_end)
    rng = np.random.default_rng(7)
    nodes = []
    if recipe == "stacked":
        width, shape = spec.n_mels, ["batch", spec.n_mels, "time"]
        nodes.append(helper.make_node("ReduceMean", ["input"], ["flat"], axes=[2], keepdims=0))
    elif recipe == "joint":
        # The statistics as they are; of the log-mel after them only the mean.
        size = FrontEnd(spec, 1.0).n_statistics
        width, shape = size + 1, ["batch", "length"]
        for name, value in (("zero", [0]), ("size", [size]), ("all", [2**31]), ("one", [1])):
            nodes.append(helper.make_node("Constant", [], [name], value_ints=value))
        nodes.append(helper.make_node("Slice", ["input", "zero", "size", "one"], ["vector"]))
        nodes.append(helper.make_node("Slice", ["input", "size", "all", "one"], ["log_mel"]))
        nodes.append(helper.make_node("ReduceMean", ["log_mel"], ["mean"], axes=[1], keepdims=1))
        nodes.append(helper.make_node("Concat", ["vector", "mean"], ["flat"], axis=1))
    elif recipe == "waveform":
        width, shape = 1, ["batch", "time"]
        nodes.append(helper.make_node("Abs", ["input"], ["magnitude"]))
        nodes.append(helper.make_node("ReduceMean", ["magnitude"], ["flat"], axes=[1], keepdims=1))
    else:
        width = FrontEnd(spec, 1.0).n_features
        shape = ["batch", width]
        nodes.append(helper.make_node("Identity", ["input"], ["flat"]))
    # So that the probabilities are neither all alike nor 0 and 1.
    scale = {"flat268": 3e-3, "flatstats": 3e-4, "moments": 3e-3, "stacked": 2e-2, "joint": 3e-4, "waveform": 30.0}[recipe]
    weights = numpy_helper.from_array(rng.normal(0, scale, (width, outputs)).astype(np.float32), "weights")
    bias = numpy_helper.from_array(rng.normal(0, 0.3, outputs).astype(np.float32), "bias")
    nodes.append(helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]))
    nodes.append(helper.make_node(tail, ["logits"], ["output"], **({"axis": 1} if tail == "Softmax" else {})))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", outputs])],
        [weights, bias],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


STREAM = {"state": "state", "next_state": "after", "hop_s": "hop_s", "size": 2, "recent_s": 1.5, "nobody": True}


def make_stream_network(*, outputs: int = len(LABELS) + 1, nobody_below: float = 1e-3) -> onnx.ModelProto:
    """A ``waveform`` network that carries a stream's state: seconds so far, and the mean magnitude of what it was given.

    Its two rows are of the window and of its last 1.5 s, each relative to the state. Nobody wins where the last seconds'
    magnitude is below ``nobody_below``.
    """
    rng = np.random.default_rng(5)
    values = {
        "minus": np.array([-24000]), "end": np.array([2**31]), "one": np.array([1]), "first": np.array([0]),
        "weights": rng.normal(0, 30, (1, outputs)).astype(np.float32),
        "bias": np.array([*rng.normal(0, 0.3, outputs - 1), 0.0], np.float32),
        "rare": np.array([*[0.0] * (outputs - 1), 1.0], np.float32),
        "limit": np.array([[nobody_below]], np.float32), "steep": np.array([2e5], np.float32),
    }  # fmt: skip
    make = helper.make_node
    nodes = [
        make("Abs", ["samples"], ["magnitude"]),
        make("ReduceMean", ["magnitude"], ["whole"], axes=[1], keepdims=1),
        make("Slice", ["magnitude", "minus", "end", "one"], ["tail"]),
        make("ReduceMean", ["tail"], ["recent"], axes=[1], keepdims=1),
        make("Concat", ["whole", "recent"], ["rows"], axis=0),
        make("Slice", ["state", "first", "one"], ["seconds"]),
        make("Slice", ["state", "one", "end"], ["mean"]),
        make("Sub", ["rows", "mean"], ["relative"]),
        make("Gemm", ["relative", "weights", "bias"], ["emotions"]),
        make("Sub", ["limit", "rows"], ["short"]),
        make("Mul", ["short", "steep"], ["silent"]),
        make("Mul", ["silent", "rare"], ["nobody"]),
        make("Add", ["emotions", "nobody"], ["logits"]),
        make("Softmax", ["logits"], ["probs"], axis=1),
        make("Add", ["seconds", "hop_s"], ["longer"]),
        make("Div", ["hop_s", "longer"], ["share"]),
        make("ReduceMean", ["whole"], ["level"], axes=[1], keepdims=0),
        make("Sub", ["level", "mean"], ["news"]),
        make("Mul", ["news", "share"], ["step"]),
        make("Add", ["mean", "step"], ["moved"]),
        make("Concat", ["longer", "moved"], ["after"], axis=0),
    ]
    float_, info = TensorProto.FLOAT, helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [info("samples", float_, [1, "n"]), info("state", float_, [2]), info("hop_s", float_, [1])],
        [info("probs", float_, [2, outputs]), info("after", float_, [2])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def write_stream_bundle(folder: Path, **card: Any) -> Path:
    """A ``waveform`` bundle whose graph carries a stream's state and knows nobody; returns the card."""
    content = make_stream_network().SerializeToString()
    card = {"stream": STREAM, "input": {"name": "samples"}, "output": {"name": "probs", "kind": "probabilities"}, **card}
    return write_bundle(folder, "waveform", network=content, **card)


def write_bundle(
    folder: Path, recipe: str, *, front_end: dict[str, Any] | None = None, network: bytes | None = None, **card: Any
) -> Path:
    """Write ``tiny.onnx`` and ``tiny.json``; returns the card. Keyword arguments replace the card's keys, None removes them."""
    front_end = {**FRONT_ENDS[recipe], **(front_end or {})}
    content = make_network(recipe, front_end).SerializeToString() if network is None else network
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.onnx").write_bytes(content)
    values: dict[str, Any] = {
        "format": 1,
        "name": "tiny",
        "front_end": front_end,
        "window_s": 2.0,
        "min_window_s": 1.0,
        "labels": list(LABELS),
        "input": {"name": "input"},
        "output": {"name": "output", "kind": "probabilities"},
        "sha256": hashlib.sha256(content).hexdigest(),
        **card,
    }
    path = folder / "tiny.json"
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    return path


class Recording(Classifier):
    """A classifier that keeps the features it is given."""

    def __init__(self, model: Classifier) -> None:
        self.__dict__.update(model.__dict__)
        self.seen: list[FloatArray] = []

    def predict(self, features: FloatArray) -> FloatArray:
        self.seen.extend(features.copy())
        return super().predict(features)
