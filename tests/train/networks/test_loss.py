"""What a step minimises, and in which width it is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.data.corpora import LABELS
from train.networks import loss as objective
from train.networks.networks import AUXILIARY
from train.recipe import Recipe

CPUINFO = Path("/proc/cpuinfo")
PURE = Recipe({"recipe": "stacked"}, mixup=0.0, label_smoothing=0.1, side=0.0)


class Told(nn.Module):
    """A linear network that records whether it ran in bfloat16."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.x = torch.randn(6, *shape)
        self.linear = nn.Linear(int(np.prod(shape)), len(LABELS) + AUXILIARY)
        self.halved = False

    def each(self, x: Tensor) -> Tensor:
        self.halved = torch.is_autocast_enabled("cpu")
        return self.linear(x.flatten(1))[None]

    def loss(self, recipe: Recipe) -> Tensor:
        target, side = torch.arange(6), torch.tensor([[1.0, 0.0]] * 3 + [[float("nan"), 1.0]] * 3)
        return objective.loss_of(self, self.x, target, side, recipe, np.random.default_rng(0))


@pytest.mark.skipif(
    not CPUINFO.exists() or "flags" not in CPUINFO.read_text(), reason="asks Linux on x86 what its processor can"
)
def test_the_processor_is_asked_for_bfloat16() -> None:
    flags = next(line for line in CPUINFO.read_text().splitlines() if line.startswith("flags")).split()
    assert objective.multiplies_bfloat16() == bool({"avx512_bf16", "amx_bf16"} & set(flags))


@pytest.mark.parametrize("can", [False, True])
def test_log_mel_is_halved_where_the_processor_can_and_vectors_never(can: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objective, "multiplies_bfloat16", lambda: can)
    log_mel, vector = Told(4, 5), Told(7)
    assert log_mel.loss(PURE).dtype == vector.loss(PURE).dtype == torch.float32
    assert (log_mel.halved, vector.halved) == (can, False)


def test_unmixed_targets_give_the_smoothed_cross_entropy() -> None:
    network = Told(7)
    logits = network.each(network.x)[0, :, : len(LABELS)]
    expected = F.cross_entropy(logits, torch.arange(6), label_smoothing=0.1).detach()
    assert float(network.loss(PURE).detach()) == pytest.approx(float(expected), rel=1e-5)


def test_an_unknown_gender_costs_nothing() -> None:
    network = Told(7)
    guess = network.each(network.x)[0, :, len(LABELS) :]
    known = F.binary_cross_entropy_with_logits(guess[:3, 0], torch.ones(3), reduction="sum")
    known = known + F.binary_cross_entropy_with_logits(guess[:, 1], torch.tensor([0.0] * 3 + [1.0] * 3), reduction="sum")
    added = float(
        (network.loss(Recipe({"recipe": "stacked"}, mixup=0.0, label_smoothing=0.1, side=0.5)) - network.loss(PURE)).detach()
    )
    assert added == pytest.approx(0.5 * float(known.detach()) / 9, rel=1e-4)


def test_the_rate_rises_and_then_falls_to_a_hundredth() -> None:
    rates = [objective.schedule(share) for share in np.linspace(0, 1, 101)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(1.0, abs=1e-3)
    assert np.all(np.diff(rates[: top + 1]) > 0)
    assert np.all(np.diff(rates[top:]) < 0)
    assert rates[-1] == pytest.approx(0.01)
    assert rates[0] == pytest.approx(0.04)
