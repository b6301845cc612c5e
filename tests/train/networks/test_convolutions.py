"""The body of ``cnn``: its graph equals torch at any length, and it begins with the encoder's stem."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from train.networks import convolutions
from train.networks.convolutions import Convolutions, begin_with_stem
from train.networks.encoder import Encoder
from train.networks.waveform import Waveform, WaveformGraph
from train.networks.waveform_export import largest_difference, write_graph
from train.recipe import ConvolutionsRecipe

RECIPE = ConvolutionsRecipe(width=16, dilations=(1, 2, 4, 4))


@pytest.fixture
def network() -> Waveform:
    torch.manual_seed(0)
    made = Waveform(Convolutions(RECIPE), classes=9).eval()
    torch.nn.init.normal_(made.head.weight, std=0.5)
    return made


@pytest.mark.slow
def test_the_graph_equals_torch_at_any_length(network: Waveform, tmp_path: Path) -> None:
    graph = WaveformGraph(network, temperature=1.3)
    write_graph(graph, tmp_path / "float.onnx", int8=False)
    assert largest_difference(graph, tmp_path / "float.onnx", (1.0, 1.01, 1.02, 2.26, 3.0)) < 1e-4
    write_graph(graph, tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").stat().st_size < 3e6
    assert largest_difference(graph, tmp_path / "int8.onnx", (2.0,)) < 0.3


def test_what_is_pooled_leaves_every_second_block(network: Waveform) -> None:
    layers = network.encoder.layers(torch.randn(2, 101, 384))
    assert [tuple(layer.shape) for layer in layers] == [(2, 50, 16)] * 3  # an odd token is left out
    assert network.encoder.statistics == network.head.in_features == 3 * 2 * 16
    whole, recent = network.pool(torch.randn(2, 150, 384))
    assert whole.shape == recent.shape == (2, 96)


def test_the_last_seconds_end_with_the_window(network: Waveform) -> None:
    """What was said before 1.5 s and the blocks' reach changes nothing of them."""
    early = torch.randn(1, 150, 384)
    other = early.clone()
    other[:, :10] = torch.randn(1, 10, 384)
    whole, recent = network.pool(early)
    changed, same = network.pool(other)
    assert not torch.allclose(whole, changed, atol=1e-4)
    torch.testing.assert_close(recent, same, atol=1e-4, rtol=1e-4)


def test_it_begins_with_the_encoders_stem(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, body = Encoder(), Convolutions(RECIPE)
    monkeypatch.setattr(convolutions, "read_encoder", lambda path: encoder)
    begin_with_stem(body, Path("encoder.npz"))
    samples = torch.randn(1, 16000)
    with torch.no_grad():
        stem = encoder.stem(encoder.log_mel(samples)) - encoder.positions[:50]
        torch.testing.assert_close(body.low(samples), stem)
