"""What all tests share: tiny model bundles made on the spot, real or synthetic speech, the corpora where they are."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import soundfile
from hypothesis import HealthCheck, settings
from onnx import TensorProto, helper, numpy_helper

from realtime_ser.audio.resample import Resampler
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.features.windows import FrontEnd

ROOT = Path(__file__).parents[1]
RATE = 16_000
LABELS = ("neutral", "happy", "sad", "angry")
FLAT268 = {"recipe": "flat268", "n_fft": 2048, "hop_length": 512, "n_mels": 128, "n_mfcc": 128}
FRONT_ENDS: dict[str, dict[str, Any]] = {
    "flat268": FLAT268,
    "flatstats": {"recipe": "flatstats", "n_fft": 1024, "hop_length": 250},
    "stacked": {"recipe": "stacked"},
    "waveform": {"recipe": "waveform", "n_fft": 320, "hop_length": 320},
}

# A busy machine is no failure; the whole suite has its own time limit.
settings.register_profile("default", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

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
    elif recipe == "waveform":
        width, shape = 1, ["batch", "time"]
        nodes.append(helper.make_node("Abs", ["input"], ["magnitude"]))
        nodes.append(helper.make_node("ReduceMean", ["magnitude"], ["flat"], axes=[1], keepdims=1))
    else:
        width = FrontEnd(spec, 1.0).n_features
        shape = ["batch", width]
        nodes.append(helper.make_node("Identity", ["input"], ["flat"]))
    # So that the probabilities are neither all alike nor 0 and 1.
    scale = {"flat268": 3e-3, "flatstats": 3e-4, "stacked": 2e-2, "waveform": 30.0}[recipe]
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


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """``make_bundle(recipe, **changes to the card) -> path of the card``; see ``write_bundle``."""

    def make(recipe: str = "flatstats", **changes: Any) -> Path:
        return write_bundle(tmp_path / recipe, recipe, **changes)

    return make


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A valid bundle for each recipe: recipe -> path of the card."""
    folder = tmp_path_factory.mktemp("bundles")
    return {recipe: write_bundle(folder / recipe, recipe) for recipe in FRONT_ENDS}


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of the real corpora."""
    shared = ROOT.parent / "shared"
    folder = Path(os.environ.get("REALTIME_SER_CORPORA") or shared / "corpora")
    if not (folder / "ravdess_speech").is_dir():
        message = f"no corpora at {folder}: set REALTIME_SER_CORPORA to the folder that holds ravdess_speech"
        if os.environ.get("CI") and shared.is_dir():
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """About 40 s of speech at 16 kHz, float32 (n,): real where the corpora are, else the shipped sample, else espeak-ng's."""
    shared = ROOT.parent / "shared" / "corpora"
    folder = Path(os.environ.get("REALTIME_SER_CORPORA") or shared) / "ravdess_speech"
    clips = sorted(folder.rglob("*.flac"))[::130] if folder.is_dir() else []
    sample = ROOT / "realtime_ser" / "sample" / "demo.flac"
    if not clips and sample.exists():
        clips = [sample]
    if not clips:
        if shutil.which("espeak-ng") is None:
            pytest.skip("no speech: set REALTIME_SER_CORPORA or install espeak-ng")
        clips = [tmp_path_factory.mktemp("speech") / "spoken.wav"]
        text = "The north wind and the sun were disputing which was the stronger, when a traveller came along. " * 5
        subprocess.run(["espeak-ng", "-w", str(clips[0]), text], check=True)
    pieces = []
    for clip in clips:
        samples, rate = soundfile.read(clip, dtype="float32", always_2d=True)
        pieces.append(Resampler(rate, RATE).push(samples.mean(axis=1), last=True))
    return np.concatenate(pieces).astype(np.float32)[: 60 * RATE]


@pytest.fixture(scope="session")
def talk(speech: Samples) -> Samples:
    """Nine seconds of the speech, with its loudest sample at -3 dBFS."""
    piece = speech[RATE // 2 : RATE // 2 + 9 * RATE]
    return np.asarray(piece * (0.7 / np.abs(piece).max()), np.float32)
