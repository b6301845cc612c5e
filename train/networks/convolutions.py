"""The body of ``cnn``: the encoder's frozen stem, and residual convolutions over time that learn from ``large``."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from train.networks.encoder import TOKENS_PER_S, WIDTH, Stem, read_encoder
from train.recipe import ConvolutionsRecipe

_STRIDE = 2  # tokens of the stem that become one


class Residual(nn.Module):
    """A convolution over time in each channel, then a perceptron across channels, beside a shortcut (as ConvNeXt's block).

    Liu et al. 2022, https://arxiv.org/abs/2201.03545.
    """

    def __init__(self, width: int, kernel: int, dilation: int, ratio: int) -> None:
        super().__init__()
        self.over_time = nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, width) -> the same shape."""
        mixed = self.over_time(x.transpose(1, 2)).transpose(1, 2)
        return x + cast("Tensor", self.down(F.gelu(self.up(self.norm(mixed)))))


class Convolutions(Stem):
    """Samples -> tokens, 25 a second, before the blocks and after every second one."""

    tokens_per_s = TOKENS_PER_S / _STRIDE

    def __init__(self, recipe: ConvolutionsRecipe) -> None:
        super().__init__()
        self.into = nn.Linear(_STRIDE * WIDTH, recipe.width)
        self.norm = nn.LayerNorm(recipe.width)
        self.blocks = nn.ModuleList(
            Residual(recipe.width, recipe.kernel, dilation, recipe.ratio) for dilation in recipe.dilations
        )
        self.statistics = 2 * recipe.width * (1 + len(recipe.dilations) // 2)

    def low(self, samples: Tensor) -> Tensor:
        """The frozen stem: samples (batch, n) -> (batch, tokens, 384), 50 tokens a second."""
        return self.stem(self.log_mel(samples))

    def layers(self, low: Tensor) -> list[Tensor]:
        """What is pooled: (batch, tokens, width) each; an odd token at the start is left out."""
        tokens = low.shape[1] // _STRIDE
        x = self.norm(self.into(low[:, low.shape[1] - _STRIDE * tokens :].unflatten(1, (tokens, _STRIDE)).flatten(2)))
        found = [x]
        for number, block in enumerate(self.blocks, 1):
            x = block(x)
            if number % 2 == 0:
                found.append(x)
        return found


def begin_with_stem(body: Convolutions, path: Path) -> None:
    """Take the stem's weights from ``whisper-tiny-en.npz``.

    Raises
    ------
    KeyError, OSError, RuntimeError : the file is not that one
    """
    encoder = read_encoder(path)
    body.conv1.load_state_dict(encoder.conv1.state_dict())
    body.conv2.load_state_dict(encoder.conv2.state_dict())
