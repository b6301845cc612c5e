"""A trained ``Waveform`` as a bundle: ``NAME.onnx`` in int8 and its card."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from realtime_ser.model.card import Card, read_card
from realtime_ser.model.classifier import Classifier
from train.atomic import replacing, write_text
from train.data.corpora import LABELS
from train.data.features import MIN_WINDOW_S, WINDOW_S
from train.networks.encoder import HOP, RATE
from train.networks.waveform import RECENT_S, Waveform, WaveformGraph, example
from train.networks.waveform_export import INPUTS, OUTPUTS, write_graph

FRONT_END = {"recipe": "waveform", "sample_rate": RATE, "n_fft": HOP, "hop_length": HOP}


def write_bundle(
    network: Waveform,
    path: Path,
    *,
    name: str,
    temperature: float = 1.0,
    memory_s: float = 60.0,
    cold: float = 1.0,
    int8: bool = True,
    nobody_from: float = 0.0,
    labels: Sequence[str] = LABELS,
    facts: Mapping[str, Any] | None = None,
) -> Card:
    """Write the bundle; returns its card.

    Parameters
    ----------
    path : ``.../NAME.onnx``; the card lies beside it
    temperature, memory_s, cold : see ``WaveformGraph``
    nobody_from : least probability of "nobody" at which a window is no speech, where it is the largest
    labels : outputs that the bundle has, of ``LABELS`` and in their order
    facts : further keys of the card, such as ``vote``, whose bundle must lie in the same folder

    Raises
    ------
    ModelError : the graph in float differs from torch by more than 1e-4, or the bundle does not load
    """
    network = with_labels(network, labels)
    with replacing(path) as temporary:
        write_graph(WaveformGraph(network, temperature, memory_s, cold), temporary, int8=int8)
    card = {
        "format": 1,
        "name": name,
        "recipe": "waveform",
        "front_end": FRONT_END,
        "normalisation": None,
        "window_s": WINDOW_S,
        "min_window_s": MIN_WINDOW_S,
        "labels": list(labels),
        "input": {"name": INPUTS[0], "shape": [1, "n"]},
        "output": {"name": OUTPUTS[0], "shape": [2, len(labels) + 1], "kind": "probabilities"},
        "stream": {
            "state": INPUTS[1],
            "next_state": OUTPUTS[1],
            "hop_s": INPUTS[2],
            "size": 1 + network.encoder.statistics,
            "recent_s": RECENT_S,
            "nobody": True,
        },
        "nobody_from": nobody_from,
        "temperature": 1.0,
        "fitted_temperature": round(float(temperature), 4),
        "cold_temperature": round(float(temperature * cold), 4),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "parameters": sum(part.numel() for part in network.parameters()),
        **(facts or {}),
    }
    write_text(path.with_suffix(".json"), json.dumps(card, indent=2) + "\n")
    classifier = Classifier(read_card(path.with_suffix(".json")))
    card["latency_ms"] = round(_window_ms(classifier, network), 3)
    write_text(path.with_suffix(".json"), json.dumps(card, indent=2) + "\n")
    return read_card(path.with_suffix(".json"))


def with_labels(network: Waveform, labels: Sequence[str]) -> Waveform:
    """The network with these outputs alone, and nobody: what it never learned has no share of the answer."""
    if tuple(labels) == LABELS:
        return network
    places = [*map(LABELS.index, labels), len(LABELS)]
    fewer = copy.deepcopy(network)
    fewer.head = nn.Linear(network.head.in_features, len(places))
    with torch.no_grad():
        fewer.head.weight.copy_(network.head.weight[places])
        fewer.head.bias.copy_(network.head.bias[places])
    return fewer.train(network.training)


def _window_ms(classifier: Classifier, network: Waveform, repeats: int = 40) -> float:
    """Median milliseconds of processor time of a window of 3 s, one thread."""
    samples, state, _ = (part.numpy() for part in example(network, WINDOW_S))
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        classifier.follow(samples, state, 0.25)
        taken.append(time.process_time() - began)
    return 1000 * float(np.median(taken))
