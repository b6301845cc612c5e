"""What stands between samples and statistics in a ``Waveform``: the blocks of ``large``, or the convolutions of ``cnn``."""

from __future__ import annotations

from torch import Tensor, nn


class Body(nn.Module):
    """Samples -> tokens, and what is pooled of them.

    Attributes
    ----------
    statistics : how many numbers a window's pooled layers have, two for each channel of each layer
    tokens_per_s : of the pooled layers
    """

    statistics: int
    tokens_per_s: float

    def low(self, samples: Tensor) -> Tensor:
        """What does not change in training: samples (batch, n) at 16 kHz -> (batch, tokens, 384)."""
        raise NotImplementedError

    def layers(self, low: Tensor) -> list[Tensor]:
        """What is pooled: (batch, tokens, channels) each."""
        raise NotImplementedError
