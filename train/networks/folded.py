"""The perceptrons of an ``Mlp`` as they are exported: one product a layer for all of them, batch normalisation folded in.

The same function with half of the graph's operations.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.networks.networks import Mlp


class Folded(nn.Module):
    """A trained ``Mlp`` in evaluation mode, without its auxiliary outputs."""

    def __init__(self, network: Mlp) -> None:
        super().__init__()
        self.register_buffer("scale", network.scale)
        self.register_buffer("shift", -cast("Tensor", network.mean) * cast("Tensor", network.scale))
        self.members, self.classes = len(network.members), network.classes
        every = [_layers(cast("nn.Sequential", member), network.classes) for member in network.members]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for depth, several in enumerate(zip(*every, strict=True)):
            # All members read the same input; after that each reads only its own units.
            weight = torch.cat([w for w, _ in several]) if depth == 0 else torch.block_diag(*(w for w, _ in several))
            self.weights.append(nn.Parameter(weight, requires_grad=False))
            self.biases.append(nn.Parameter(torch.cat([b for _, b in several]), requires_grad=False))

    def forward(self, features: Tensor) -> Tensor:
        """float32 (batch, size) -> logits (batch, classes), as ``Mlp``."""
        x = (features * cast("Tensor", self.scale) + cast("Tensor", self.shift)).clamp(-5, 5)
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = F.linear(F.relu(x) if depth else x, weight, bias)
        if self.members == 1:
            return x
        probs = F.softmax(x.reshape(-1, self.members, self.classes), dim=-1)
        return torch.log(probs.mean(1).clamp_min(1e-8))


@torch.no_grad()
def _layers(member: nn.Sequential, classes: int) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each layer with the normalisation that follows it; of the last one only the classes."""
    found: list[tuple[Tensor, Tensor]] = []
    for layer in member:
        if isinstance(layer, nn.Linear):
            found.append((layer.weight.clone(), layer.bias.clone()))
        elif isinstance(layer, nn.BatchNorm1d):
            assert layer.running_var is not None
            assert layer.running_mean is not None
            gain = layer.weight / torch.sqrt(layer.running_var + layer.eps)
            weight, bias = found[-1]
            found[-1] = weight * gain[:, None], (bias - layer.running_mean) * gain + layer.bias
    weight, bias = found[-1]
    found[-1] = weight[:classes], bias[:classes]
    return found
