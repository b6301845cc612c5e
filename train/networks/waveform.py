"""``large`` and ``cnn``: a body, the statistics of what leaves its layers, and one linear layer. Samples in, probabilities out.

The statistics are normalised by their running mean in the stream, because voice, room and microphone shift them constantly.
That mean is a state which the caller passes in and gets back; the training speakers' mean is its prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.networks.body import Body
from train.networks.encoder import RATE
from train.networks.loss import multiplies_bfloat16

RECENT_S = 1.5  # a window's last seconds, pooled from the same pass


def pooled(layers: Sequence[Tensor], last: int | None = None) -> Tensor:
    """Mean and deviation over (the last) tokens of each layer: (batch, tokens, channels) each -> (batch, statistics)."""
    found = []
    for layer in layers:
        tokens = layer if last is None else layer[:, -last:]
        mean = tokens.mean(1)
        found += [mean, torch.sqrt(((tokens - mean[:, None]) ** 2).mean(1) + 1e-5)]
    return torch.cat(found, dim=1)


class Waveform(nn.Module):
    """The network that trains.

    Parameters
    ----------
    body : ``Encoder`` or ``Convolutions``
    classes : emotions, and nobody last
    prior_s : seconds of speech that weigh as much as the training speakers' mean
    soft : how much of the relative statistics' size stays: at 0 a plain voice's small changes would become large ones
    dropout : on the statistics
    """

    def __init__(self, body: Body, classes: int = 9, *, prior_s: float = 10.0, soft: float = 0.3, dropout: float = 0.4) -> None:
        super().__init__()
        self.encoder = body
        statistics = body.statistics
        self.prior_s, self.soft = prior_s, soft
        self.register_buffer("mean", torch.zeros(statistics))
        self.register_buffer("deviation", torch.ones(statistics))
        self.gain = nn.Parameter(torch.ones(statistics))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(statistics, classes)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def pool(self, low: Tensor, *, half: bool = False) -> tuple[Tensor, Tensor]:
        """What leaves the body's frozen part -> statistics of the window and of its last ``RECENT_S``.

        ``half`` : the body in bfloat16 where the processor has it, which takes half of the time; the statistics are float32
        """
        with torch.autocast("cpu", torch.bfloat16, enabled=half and multiplies_bfloat16()):
            layers = self.encoder.layers(low)
        layers = [layer.float() for layer in layers]
        return pooled(layers), pooled(layers, round(RECENT_S * self.encoder.tokens_per_s))

    def expected(self, past: Tensor, past_s: Tensor, prior: Tensor | None = None) -> Tensor:
        """What a stream is compared with: its own mean so far (batch, statistics) of ``past_s`` (batch,), and the prior.

        ``prior`` : instead of the network's own
        """
        seconds = past_s[:, None]
        prior = cast("Tensor", self.mean) if prior is None else prior
        return (self.prior_s * prior + seconds * past) / (self.prior_s + seconds)

    def logits(self, statistics: Tensor, expected: Tensor, deviation: Tensor | None = None) -> Tensor:
        """(batch, statistics) twice -> (batch, classes); ``deviation``: instead of the network's own."""
        relative = (statistics - expected) / (cast("Tensor", self.deviation) if deviation is None else deviation)
        relative = relative / torch.sqrt((relative * relative).mean(1, keepdim=True) + self.soft)
        return cast("Tensor", self.head(self.dropout(relative * self.gain)))


class WaveformGraph(nn.Module):
    """What is exported: one window, its stream's state, to probabilities and the next state.

    Parameters
    ----------
    network : trained
    temperature : divides the logits of a stream whose voice is known
    cold : that of a stream that has just begun, relative to it: strangers are taken for more than they are; between both as the
        prior's weight falls
    memory_s : seconds of speech after which the oldest fades from the state

    Inputs
    ------
    samples : float32 (1, n) at 16 kHz, high-passed; n a multiple of 160, 1 to 3 s
    state : float32 (1 + statistics,): seconds of speech so far, and the mean of their statistics; zeros at a stream's start
    hop_s : float32 (1,), seconds at the window's end that no earlier window held

    Outputs
    -------
    probs : float32 (2, classes), of the window and of its last 1.5 s; nobody is the last column
    next_state : with this window, so far as somebody speaks in it
    """

    def __init__(self, network: Waveform, temperature: float = 1.0, memory_s: float = 60.0, cold: float = 1.0) -> None:
        super().__init__()
        self.network, self.temperature, self.memory_s, self.cold = network, temperature, memory_s, cold

    def forward(self, samples: Tensor, state: Tensor, hop_s: Tensor) -> tuple[Tensor, Tensor]:
        network = self.network
        whole, recent = network.pool(network.encoder.low(samples))
        past_s, past = state[:1], state[1:]
        expected = network.expected(past[None], past_s)
        logits = network.logits(torch.cat((whole, recent)), expected)
        unknown = network.prior_s / (network.prior_s + past_s)
        probs = F.softmax(logits / (self.temperature * (1 + (self.cold - 1) * unknown)), dim=-1)
        # Untempered, so that a temperature changes how sure the answers are and nothing else.
        weight = hop_s * (1 - F.softmax(logits[0], dim=-1)[-1:])
        next_s = torch.clamp_max(past_s + weight, self.memory_s)
        mean = past + (whole[0] - past) * weight / torch.clamp_min(next_s, 1e-6)
        return probs, torch.cat((next_s, mean))


def example(network: Waveform, seconds: float = 3.0) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs of its graph: a buzz that swells, at a stream's start."""
    t = torch.arange(round(seconds * RATE)) / RATE
    buzz = torch.sign(torch.sin(2 * torch.pi * 150 * t)) * 0.1 * (1 + torch.sin(2 * torch.pi * 4 * t))
    return buzz[None], torch.zeros(1 + network.encoder.statistics), torch.tensor([0.25])
