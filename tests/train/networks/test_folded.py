"""Perceptrons with batch normalisation folded in are the same function."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch

from realtime_ser.features.spec import FrontEndSpec
from train.networks.export import export
from train.networks.folded import Folded
from train.networks.networks import Mlp

SIZE, CLASSES = 40, 5


def _trained(hidden: tuple[int, ...], members: int) -> Mlp:
    torch.manual_seed(len(hidden) + members)
    network = Mlp(SIZE, CLASSES, hidden=hidden, members=members)
    network.fit_scaler(torch.randn(200, SIZE) * 3 + 1)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(20):  # so that every normalisation has its own mean, deviation, gain and offset
        x = torch.randn(64, SIZE) * 3 + 1
        loss = torch.nn.functional.cross_entropy(network(x), torch.randint(CLASSES, (64,)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


@pytest.mark.parametrize("members", [1, 2, 3])
@pytest.mark.parametrize("hidden", [(16,), (16, 8), (12, 10, 8)])
def test_the_folded_network_gives_the_same_probabilities(hidden: tuple[int, ...], members: int) -> None:
    network = _trained(hidden, members)
    folded = Folded(network).eval()
    x = torch.randn(50, SIZE) * 6  # some of it beyond the clamp
    with torch.no_grad():
        own, other = network(x).softmax(-1), folded(x).softmax(-1)
    assert own.std(0).min() > 0.01
    torch.testing.assert_close(other, own, atol=2e-6, rtol=1e-5)


def test_the_exported_graph_has_one_product_a_layer_and_no_normalisation(tmp_path: Path) -> None:
    spec = FrontEndSpec("flatstats")
    network = Mlp(1086, CLASSES + 3, hidden=(16,), members=3).eval()
    card = export([network], spec, tmp_path / "small.onnx", name="small")
    kinds = [node.op_type for node in onnx.load(str(card.onnx_path)).graph.node]
    assert kinds.count("Gemm") == 2
    assert "BatchNormalization" not in kinds
    card_says = json.loads((tmp_path / "small.json").read_text())
    assert card_says["parameters"] == sum(p.numel() for p in network.parameters())
