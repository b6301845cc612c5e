"""Loss and learning rate of a training step."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.data.corpora import LABELS
from train.recipe import Recipe


def schedule(share: float) -> float:
    """Learning rate over a run's ``share`` (0 to 1), relative to its peak: a rise over 8 %, then half a cosine to 1 %."""
    if share < 0.08:
        return 0.04 + 0.96 * share / 0.08
    return 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(1.0, (share - 0.08) / 0.92))))


@functools.cache
def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16: emulating them is sixteen times slower."""
    # An older torch without this query trains in float32, which works everywhere.
    can = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


def loss_of(network: Any, x: Tensor, target: Tensor, side: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Cross entropy of smoothed, mixed targets (Zhang et al. 2018, https://arxiv.org/abs/1710.09412), mean over members."""
    classes = len(LABELS)
    wanted = F.one_hot(target, classes).float() * (1 - recipe.label_smoothing) + recipe.label_smoothing / classes
    if recipe.mixup:
        share = float(rng.beta(recipe.mixup, recipe.mixup))
        other = torch.from_numpy(rng.permutation(len(x)))
        x = share * x + (1 - share) * x[other]
        wanted = share * wanted + (1 - share) * wanted[other]
        side = share * side + (1 - share) * side[other]
    # bfloat16 doubles the speed of the convolutions; weights and optimiser stay in float32.
    with torch.autocast("cpu", torch.bfloat16, enabled=x.ndim > 2 and multiplies_bfloat16()):
        logits = network.each(x)
    logits = logits.float()
    loss = -(F.log_softmax(logits[:, :, :classes], dim=-1) * wanted).sum(-1).mean()
    known = ~side.isnan()
    if recipe.side and bool(known.any()):
        guess = logits[:, :, classes:]
        costs = F.binary_cross_entropy_with_logits(guess, side.nan_to_num(0.0).expand_as(guess), reduction="none")
        loss = loss + recipe.side * (costs * known).sum() / (known.sum() * len(guess))
    return loss
