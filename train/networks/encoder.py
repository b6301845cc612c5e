"""The speech encoder that ``large`` begins with: the stem and the first three blocks of Whisper tiny.en.

OpenAI, MIT licence; Radford et al. 2022, https://arxiv.org/abs/2212.04356. ``python -m train get encoder`` fetches it.
Everything from samples on, the STFT included, is one torch module, so that the exported graph is self-contained.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime_ser.features.filters import mel_filters
from train.networks.body import Body

RATE = 16000
WIDTH, HEADS, BLOCKS = 384, 6, 3
N_FFT, HOP, N_MELS = 400, 160, 80
TOKENS_PER_S = 50
LONGEST_TOKENS = 150
_RANGE = 8.0  # decades: values further below the window's maximum are clamped


class LogMel(nn.Module):
    """Samples -> Whisper's log-mel, by products with constant matrices."""

    def __init__(self) -> None:
        super().__init__()
        n = np.arange(N_FFT)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * n / N_FFT)
        angle = 2 * np.pi * np.arange(N_FFT // 2 + 1)[:, None] * n / N_FFT
        rows = np.concatenate((np.cos(angle) * window, np.sin(angle) * window)).astype(np.float32)
        self.register_buffer("fourier", torch.from_numpy(rows[:, None]), persistent=False)
        bank = mel_filters(RATE, N_FFT, N_MELS, fmin=0.0, fmax=RATE / 2)
        self.register_buffer("mel", torch.from_numpy(np.asarray(bank, np.float32)), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(batch, n) at 16 kHz, n a multiple of 160 -> (batch, 80, n / 160)."""
        padded = F.pad(samples[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")
        parts = F.conv1d(padded, cast("Tensor", self.fourier), stride=HOP)[:, :, :-1]
        bins = N_FFT // 2 + 1
        power = parts[:, :bins] ** 2 + parts[:, bins:] ** 2
        log_mel = torch.log(torch.matmul(cast("Tensor", self.mel), power).clamp_min(1e-10)) / float(np.log(10))
        log_mel = torch.maximum(log_mel, log_mel.amax((1, 2), keepdim=True) - _RANGE)
        return (log_mel + 4) / 4


class Block(nn.Module):
    """Self-attention and a perceptron, each behind a layer norm and beside a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, 384) -> the same shape."""
        size = WIDTH // HEADS
        query, key, value = self.qkv(self.norm1(x)).unflatten(2, (3, HEADS, size)).permute(2, 0, 3, 1, 4).unbind(0)
        weight = torch.softmax(torch.matmul(query * size**-0.5, key.transpose(2, 3)), dim=-1)
        x = x + self.out(torch.matmul(weight, value).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Stem(Body):
    """What ``large`` and ``cnn`` begin with: log-mel and the encoder's two convolutions over time."""

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.conv1 = nn.Conv1d(N_MELS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)

    def stem(self, log_mel: Tensor) -> Tensor:
        """(batch, 80, frames) -> (batch, ceil(frames / 2), 384)."""
        return F.gelu(self.conv2(F.gelu(self.conv1(log_mel)))).transpose(1, 2)


class Encoder(Stem):
    """Samples -> tokens, 50 a second, after the stem and after each block."""

    statistics = BLOCKS * 2 * WIDTH
    tokens_per_s = TOKENS_PER_S

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positions", torch.zeros(LONGEST_TOKENS, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))

    def stem(self, log_mel: Tensor) -> Tensor:
        """(batch, 80, frames) -> (batch, ceil(frames / 2), 384), each token marked with its place."""
        x = super().stem(log_mel)
        return x + cast("Tensor", self.positions)[: x.shape[1]]

    def low(self, samples: Tensor) -> Tensor:
        """The frozen part: samples (batch, n) -> (batch, tokens, 384) after the first block."""
        return cast("Tensor", self.blocks[0](self.stem(self.log_mel(samples))))

    def high(self, low: Tensor) -> list[Tensor]:
        """Outputs of the further blocks."""
        found = []
        for block in list(self.blocks)[1:]:
            low = block(low)
            found.append(low)
        return found

    def layers(self, low: Tensor) -> list[Tensor]:
        """What leaves each block."""
        return [low, *self.high(low)]


_PARTS = {
    "norm1": "attention/layer_norm",
    "qkv": "attention/qkv",
    "out": "attention/out",
    "norm2": "ffn/layer_norm",
    "up": "ffn/in",
    "down": "ffn/out",
}


def read_encoder(path: Path) -> Encoder:
    """The encoder with the weights of ``whisper-tiny-en.npz``.

    Raises
    ------
    KeyError, OSError, RuntimeError : the file is not that one
    """
    encoder = Encoder()
    state = encoder.state_dict()
    with np.load(path) as stored:
        names = {"positions": "positions"}
        names |= {f"{conv}.{kind}": f"{conv}/{kind}" for conv in ("conv1", "conv2") for kind in ("weight", "bias")}
        for i in range(BLOCKS):
            for part, theirs in _PARTS.items():
                names |= {f"blocks.{i}.{part}.{kind}": f"layer_{i}/{theirs}/{kind}" for kind in ("weight", "bias")}
        for own, theirs in names.items():
            values = torch.from_numpy(stored[theirs].astype(np.float32))
            state[own] = values[:LONGEST_TOKENS] if own == "positions" else values
    encoder.load_state_dict(state)
    return encoder
