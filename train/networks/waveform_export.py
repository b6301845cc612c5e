"""A trained ``Waveform`` -> an ONNX graph: one file, samples to probabilities, its products with constants in int8."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from realtime_ser.errors import ModelError
from train.networks.waveform import WaveformGraph, example

OPSET = 17  # supported by onnxruntime 1.19 and later
TOLERANCE = 1e-4
INPUTS, OUTPUTS = ("samples", "state", "hop_s"), ("probs", "next_state")


class _UnfoldedConv(nn.Module):
    """A convolution over time of kernel 3 as one product, which dynamic quantisation supports."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.stride = int(conv.stride[0])
        outward, inward, _ = conv.weight.shape
        self.product = nn.Linear(3 * inward, outward)
        with torch.no_grad():
            self.product.weight.copy_(conv.weight.permute(0, 2, 1).reshape(outward, 3 * inward))
            self.product.bias.copy_(conv.bias if conv.bias is not None else torch.zeros(outward))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames) -> (batch, channels, frames / stride)."""
        padded = torch.nn.functional.pad(x, (1, 1)).transpose(1, 2)
        frames = x.shape[2]
        taps = [padded[:, k : k + frames : self.stride] for k in range(3)]
        product: Tensor = self.product(torch.cat(taps, dim=2))
        return product.transpose(1, 2)


def write_graph(graph: WaveformGraph, path: Path, *, int8: bool = True) -> None:
    """Write the graph, and check the float version of it against torch.

    Raises
    ------
    ModelError : it differs from torch by more than 1e-4
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = graph.eval()
    whole = path.with_name(f"{path.stem}.float.onnx")
    encoder = graph.network.encoder
    convs = encoder.conv1, encoder.conv2
    try:
        encoder.conv1, encoder.conv2 = map(_UnfoldedConv, convs)  # type: ignore[assignment]
        with warnings.catch_warnings():
            # The TorchScript exporter announces its retirement; the new one writes graphs that older runtimes refuse.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph,
                example(graph.network),
                str(whole),
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_axes={"samples": {1: "n"}},
                opset_version=OPSET,
                dynamo=False,
            )
    finally:
        encoder.conv1, encoder.conv2 = convs
    difference = largest_difference(graph, whole)
    if difference > TOLERANCE:
        raise ModelError(f"{whole}: the exported graph differs from torch by {difference:.1e}, more than {TOLERANCE:.0e}")
    if int8:
        quantize_dynamic(
            str(whole), str(path), op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8,
            nodes_to_exclude=_float_products(whole),
        )  # fmt: skip
        whole.unlink()
    else:
        whole.replace(path)
    model = onnx.load(str(path))
    model.doc_string = model.producer_version = ""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def largest_difference(graph: WaveformGraph, path: Path, lengths_s: tuple[float, ...] = (1.0, 1.5, 2.26, 3.0)) -> float:
    """Largest difference between torch and a file of it, in probabilities and in the next state's mean."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for seconds in lengths_s:
        inputs = example(graph.network, seconds)
        with torch.no_grad():
            expected = [part.numpy() for part in graph(*inputs)]
        got = session.run(list(OUTPUTS), dict(zip(INPUTS, [part.numpy() for part in inputs], strict=True)))
        worst = max(worst, *(float(np.abs(a - b).max()) for a, b in zip(got, expected, strict=True)))
    return worst


def _float_products(path: Path) -> list[str]:
    """Products that stay in float: the mel bank's, whose small numbers int8 would round away, and the head's."""
    found = []
    constants = {item.name: item for item in onnx.load(str(path)).graph.initializer}
    for node in onnx.load(str(path)).graph.node:
        if node.op_type == "MatMul":
            sizes = [tuple(constants[name].dims) for name in node.input if name in constants]
            if any(80 in size and 201 in size for size in sizes) or "head" in node.name:
                found.append(node.name)
    return found
