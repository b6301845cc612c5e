"""A trained network -> ``NAME.onnx`` and its card ``NAME.json``, which the live path loads."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from realtime_ser.errors import ModelError
from realtime_ser.features.normaliser import Normalisation, RunningNormaliser
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.model.card import Card, read_card
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import FloatArray
from train.atomic import replacing, replacing_bundle, write_text
from train.data.corpora import LABELS
from train.data.features import MIN_WINDOW_S, WINDOW_S
from train.networks.folded import Folded
from train.networks.networks import Calibrated, Mlp, parameters_of

OPSET = 17  # supported by onnxruntime 1.19 and later
TOLERANCE = 1e-5


def export(
    networks: Sequence[nn.Module],
    spec: FrontEndSpec,
    path: Path,
    *,
    name: str,
    temperature: float = 1.0,
    shares: Sequence[float] | None = None,
    normalisation: Normalisation | None = None,
    labels: Sequence[str] = LABELS,
    nobody: bool = False,
    nobody_from: float = 0.0,
    facts: Mapping[str, Any] | None = None,
) -> Card:
    """Write the bundle and check it against torch; a bundle that is there is replaced when the new one is whole and right.

    Parameters
    ----------
    networks : trained, their probabilities are averaged
    path : ``.../NAME.onnx``; the card lies beside it
    temperature : goes into the graph
    shares : each network's weight in the average; None: all alike
    normalisation : the running normalisation of the networks' input
    labels : the bundle's labels, in the order of ``LABELS``: those in the training data
    nobody : the networks' last output, after those of ``LABELS``, is "nobody speaks"
    nobody_from : least probability of that output at which a window is no speech, where it is the largest
    facts : further keys of the card: description, training, scores, ...

    Raises
    ------
    ModelError : the card is not valid, or the graph's probabilities differ from torch's by more than 1e-5
    """
    kept = None
    if tuple(labels) != LABELS:
        kept = [LABELS.index(label) for label in labels] + [len(LABELS)] * nobody
    model = Calibrated(networks, temperature, shares, kept).eval()
    lean = Calibrated(
        [Folded(network) if isinstance(network, Mlp) else network for network in networks], temperature, shares, kept
    )
    examples = example_inputs(spec, normalisation)
    shape = {
        "stacked": ["batch", spec.n_mels, "time"],
        "joint": ["batch", "statistics and log-mel"],
    }.get(spec.recipe, ["batch", examples[0].shape[-1]])
    free = {axis: size.split()[0] for axis, size in enumerate(shape) if isinstance(size, str)}
    axes = {"features": free, "probs": {0: "batch"}}
    with replacing_bundle(path) as made:
        with replacing(made) as temporary, warnings.catch_warnings():
            # The TorchScript exporter warns that it is deprecated, but graphs of the new one fail in older runtimes.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                lean.eval(),
                (torch.from_numpy(examples[-1]),),
                str(temporary),
                input_names=["features"],
                output_names=["probs"],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
            graph = onnx.load(str(temporary))
            graph.doc_string = graph.producer_version = ""
            onnx.checker.check_model(graph)
            temporary.write_bytes(graph.SerializeToString())
        card = {
            "format": 1,
            "name": name,
            "recipe": spec.recipe,
            "front_end": spec.as_dict(),
            "normalisation": asdict(normalisation) if normalisation else None,
            "window_s": WINDOW_S,
            "min_window_s": MIN_WINDOW_S,
            "labels": list(labels),
            "input": {"name": "features", "shape": shape},
            "output": {"name": "probs", "shape": ["batch", len(labels) + nobody], "kind": "probabilities"},
            **({"nobody": True, "nobody_from": nobody_from} if nobody else {}),
            "temperature": 1.0,
            "fitted_temperature": round(float(temperature), 4),
            "sha256": hashlib.sha256(made.read_bytes()).hexdigest(),
            "parameters": parameters_of(model),
            **(facts or {}),
        }
        write_text(made.with_suffix(".json"), json.dumps(card, indent=2) + "\n")
        written = read_card(made.with_suffix(".json"))
        difference = largest_difference(model, Classifier(written), examples)
        if difference > TOLERANCE:
            raise ModelError(f"{path}: the exported graph differs from torch by {difference:.1e}, more than {TOLERANCE:.0e}")
        card["latency_ms"] = round(window_ms(Classifier(written), examples[-1]), 3)
        write_text(made.with_suffix(".json"), json.dumps(card, indent=2) + "\n")
    return read_card(path.with_suffix(".json"))


def window_ms(classifier: Classifier, window: FloatArray, repeats: int = 100) -> float:
    """Median milliseconds of one prediction, batch of one, one thread, on this machine under its current load."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        classifier.predict(window)
        taken.append(time.perf_counter() - began)
    return 1000 * float(np.median(taken))


def example_inputs(spec: FrontEndSpec, normalisation: Normalisation | None = None) -> list[FloatArray]:
    """Features of voiced noise, shortest and longest window, batches of one and three."""
    from realtime_ser.features.front_end import FrontEnd

    rng = np.random.default_rng(0)
    front_end = FrontEnd(spec, WINDOW_S)
    running = RunningNormaliser(normalisation, spec) if normalisation else None
    examples = []
    for frames in (spec.frames_in(MIN_WINDOW_S), front_end.window_frames):
        batch = []
        for pitch in (110, 150, 220):
            t = np.arange(spec.samples_in(front_end.window_frames)) / spec.sample_rate
            voice = np.sign(np.sin(2 * np.pi * pitch * t)) * 0.1 * (1 + np.sin(2 * np.pi * 4 * t))
            front_end.reset()
            front_end.push((voice + rng.normal(0, 0.01, len(t))).astype(np.float32))
            window = front_end.window(frames)
            batch.append(running.normalise(window, 1.0) if running else window)
        examples += [np.stack(batch), np.stack(batch[:1])]
    return examples


def largest_difference(model: nn.Module, classifier: Classifier, inputs: Sequence[FloatArray]) -> float:
    """Largest difference in probability between torch and the exported graph."""
    with torch.no_grad():
        return max(float(np.abs(classifier.outputs(x) - model(torch.from_numpy(x)).numpy()).max()) for x in inputs)
