"""The encoder equals the one that it copies; the exported graph equals torch, and carries a stream's state."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from train.networks.encoder import Encoder, read_encoder
from train.networks.waveform import Waveform, WaveformGraph, example, pooled
from train.networks.waveform_export import INPUTS, largest_difference, write_graph


@pytest.fixture(scope="module")
def network() -> Waveform:
    torch.manual_seed(0)
    made = Waveform(Encoder(), classes=9).eval()
    torch.nn.init.normal_(made.head.weight, std=0.5)
    return made


@pytest.fixture
def encoders() -> Path:
    folder = Path(os.environ.get("REALTIME_SER_ENCODERS") or Path(__file__).parents[4] / "shared" / "encoders")
    if not (folder / "parity.npz").is_file():
        pytest.skip(f"no encoder at {folder}: set REALTIME_SER_ENCODERS")
    return folder


def test_the_encoder_equals_its_original(encoders: Path) -> None:
    encoder = read_encoder(encoders / "whisper-tiny-en.npz").eval()
    with np.load(encoders / "parity.npz") as expected, torch.no_grad():
        log_mel = encoder.log_mel(torch.from_numpy(expected["samples"])[None])
        x = encoder.stem(log_mel)
        found = {"log_mel": log_mel, "after_stem": x}
        for i, block in enumerate(encoder.blocks):
            x = block(x)
            found[f"after_layer_{i}"] = x
        for name, value in found.items():
            np.testing.assert_allclose(value[0].numpy(), expected[name], atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_the_graph_equals_torch_at_any_length(network: Waveform, tmp_path: Path) -> None:
    graph = WaveformGraph(network, temperature=1.3)
    write_graph(graph, tmp_path / "float.onnx", int8=False)
    assert largest_difference(graph, tmp_path / "float.onnx", (1.0, 1.01, 2.5, 3.0)) < 1e-4


@pytest.mark.slow
def test_int8_is_small_and_answers_nearly_the_same(network: Waveform, tmp_path: Path) -> None:
    graph = WaveformGraph(network)
    write_graph(graph, tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").stat().st_size < 10e6
    assert [path.name for path in tmp_path.iterdir()] == ["int8.onnx"]
    session = onnxruntime.InferenceSession(str(tmp_path / "int8.onnx"), providers=["CPUExecutionProvider"])
    inputs = example(network, 2.0)
    probs = session.run(["probs"], dict(zip(INPUTS, [part.numpy() for part in inputs], strict=True)))[0]
    assert probs.shape == (2, 9)
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_the_state_is_the_mean_of_what_was_said(network: Waveform) -> None:
    graph = WaveformGraph(network, memory_s=5.0).eval()
    samples, state, hop = example(network, 1.5)
    with torch.no_grad():
        low = network.encoder.low(samples)
        statistics = pooled([low, *network.encoder.high(low)])[0]
        probs, after = graph(samples, state, hop)
        spoken = float(1 - probs[0, -1])
        assert float(after[0]) == pytest.approx(0.25 * spoken, rel=1e-5)
        torch.testing.assert_close(after[1:], statistics, atol=1e-4, rtol=1e-4)
        for _ in range(60):
            _, after = graph(samples, after, hop * 10)
        assert float(after[0]) == pytest.approx(5.0)  # the memory is full
        torch.testing.assert_close(after[1:], statistics, atol=1e-3, rtol=1e-3)


def test_nobody_teaches_the_state_nothing(network: Waveform) -> None:
    head = network.head.bias.detach().clone()
    try:
        network.head.bias.data[-1] = 100.0
        with torch.no_grad():
            probs, after = WaveformGraph(network).eval()(*example(network, 1.0))
    finally:
        network.head.bias.data.copy_(head)
    assert float(probs[0, -1]) == pytest.approx(1.0)
    assert float(after.abs().max()) < 1e-6


def test_the_last_seconds_come_from_the_same_pass(network: Waveform) -> None:
    samples, state, hop = example(network, 3.0)
    with torch.no_grad():
        low = network.encoder.low(samples)
        layers = [low, *network.encoder.high(low)]
        expected = network.expected(state[None, 1:], state[:1])
        logits = network.logits(pooled([layer[:, 75:] for layer in layers]), expected)
        probs, _ = WaveformGraph(network).eval()(samples, state, hop)
    torch.testing.assert_close(probs[1], torch.softmax(logits[0], 0), atol=1e-5, rtol=1e-4)


def test_what_a_voice_always_has_is_taken_out(network: Waveform) -> None:
    """A voice whose mean the stream knows well answers like the prior's voice at the prior."""
    with torch.no_grad():
        statistics = torch.randn(1, Encoder.statistics)
        own = network.expected(statistics, torch.tensor([1e9]))
        cold = network.expected(torch.zeros(1, Encoder.statistics), torch.zeros(1))
        at_rest = network.logits(network.mean[None], cold)
        torch.testing.assert_close(network.logits(statistics, own), at_rest, atol=1e-2, rtol=1e-2)


def test_an_encoder_file_that_is_another_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", positions=np.zeros((500, 384), np.float16))
    with pytest.raises(KeyError):
        read_encoder(tmp_path / "other.npz")
    assert sum(part.numel() for part in Encoder().parameters()) < 7e6


def test_a_stream_that_has_just_begun_is_less_sure(network: Waveform) -> None:
    samples, state, hop = example(network, 1.0)
    graph, softer = WaveformGraph(network).eval(), WaveformGraph(network, cold=2.0).eval()
    known = state.clone()
    known[0] = 1e6
    with torch.no_grad():
        cold, after = graph(samples, state, hop)
        soft, same = softer(samples, state, hop)
        torch.testing.assert_close(torch.softmax(torch.log(cold) / 2, dim=-1), soft, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(after, same)  # how sure an answer is changes nothing else
        torch.testing.assert_close(graph(samples, known, hop)[0], softer(samples, known, hop)[0], atol=1e-4, rtol=1e-3)
