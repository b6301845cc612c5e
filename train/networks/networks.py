"""The networks. Normalisation is their first layer and part of the graph; they return logits, ``Calibrated`` returns
probabilities.

``mlp`` takes a window's ``moments`` or ``flatstats`` vector, ``logmel`` its log-mel. Both have auxiliary outputs (gender,
intensity) for the training loss only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AUXILIARY = 2  # logits of "female" and "strong"


class Mlp(nn.Module):
    """The mean of a few small perceptrons on one vector.

    Parameters
    ----------
    size : length of the vector
    classes : number of labels
    hidden : units of each member's two layers
    members : number of perceptrons; each is initialised and trained separately, all in one batched product
    """

    def __init__(
        self, size: int, classes: int, hidden: Sequence[int] = (128, 64), members: int = 3, dropout: float = 0.4
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("prior", torch.stack((torch.zeros(size), torch.ones(size))))  # of the running normalisation
        self.members = nn.ModuleList()
        for _ in range(members):
            layers: list[nn.Module] = []
            width = size
            for units in hidden:
                layers += [nn.Linear(width, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(dropout)]
                width = units
            self.members.append(nn.Sequential(*layers, nn.Linear(width, classes + AUXILIARY)))
        self.classes = classes
        self.dropout = nn.Dropout(0.1)

    def fit_scaler(self, vectors: Tensor) -> None:
        """Take mean and deviation from the training windows, float32 (n, size)."""
        self.mean.copy_(vectors.mean(0))
        self.scale.copy_(1 / vectors.std(0).clamp_min(1e-4))

    def each(self, features: Tensor) -> Tensor:
        """Logits of every member, (members, batch, classes + AUXILIARY)."""
        x = ((features - self.mean) * self.scale).clamp(-5, 5)
        return torch.stack([member(self.dropout(x)) for member in self.members])

    def forward(self, features: Tensor) -> Tensor:
        """Logits, (batch, classes): the logarithm of the members' mean probability."""
        logits = self.each(features)[:, :, : self.classes]
        return torch.log(F.softmax(logits, dim=-1).mean(0).clamp_min(1e-8))


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut; the stride halves bands and, optionally frames."""

    def __init__(self, inward: int, outward: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.first = nn.Conv2d(inward, outward, 3, padding=1, stride=stride, bias=False)
        self.norm1 = nn.BatchNorm2d(outward)
        self.second = nn.Conv2d(outward, outward, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outward)
        self.pool = nn.AvgPool2d(stride, stride, ceil_mode=True)
        self.short = nn.Sequential(nn.Conv2d(inward, outward, 1, bias=False), nn.BatchNorm2d(outward))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.first(x)))
        return F.relu(self.norm2(self.second(y)) + self.short(self.pool(x)))


class Level(nn.Module):
    """Log-mel in dB -> input planes, free of the level.

    The level is the mean log-mel of the active frames (those within ``active_db`` of the loudest), so that pauses and silence
    at either end do not move it. Values more than ``range_db`` below it are clamped.
    """

    def __init__(self, active_db: float = 35.0, range_db: float = 40.0, scale_db: float = 15.0) -> None:
        super().__init__()
        self.active_db, self.range_db, self.scale_db = active_db, range_db, scale_db

    def forward(self, log_mel: Tensor) -> Tensor:
        """(batch, n_mels, frames) dB -> (batch, 1, n_mels, frames), about -3 to 3."""
        loudness = torch.log(torch.exp(log_mel * 0.23026).mean(1, keepdim=True) + 1e-12) * 4.3429
        above = loudness - loudness.amax(2, keepdim=True) + self.active_db
        weight = torch.sigmoid(above)
        level = (log_mel.mean(1, keepdim=True) * weight).sum(2, keepdim=True) / weight.sum(2, keepdim=True)
        return ((log_mel - level).clamp(-self.range_db, self.range_db) / self.scale_db).unsqueeze(1)


class Scaled(nn.Module):
    """Normalised log-mel -> input planes; clamped at ``range_db`` from the mean."""

    def __init__(self, range_db: float = 40.0, scale_db: float = 15.0) -> None:
        super().__init__()
        self.range_db, self.scale_db = range_db, scale_db

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_mels, frames) dB -> (batch, 1, n_mels, frames), about -3 to 3."""
        return (x.clamp(-self.range_db, self.range_db) / self.scale_db).unsqueeze(1)


class Pooling(nn.Module):
    """Attentive mean and deviation over time (Okabe et al. 2018, https://arxiv.org/abs/1803.10963), with several heads."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.score = nn.Sequential(nn.Conv1d(channels, 64, 1), nn.Tanh(), nn.Conv1d(64, heads, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames) -> (batch, 2 * channels); each head weighs its own share of the channels."""
        weight = torch.softmax(self.score(x), dim=2)
        weight = weight.repeat_interleave(x.shape[1] // self.heads, dim=1)
        mean = (weight * x).sum(2)
        variance = (weight * (x - mean.unsqueeze(2)) ** 2).sum(2)
        return torch.cat((mean, torch.sqrt(variance + 1e-4)), dim=1)


class Cnn(nn.Module):
    """Residual 2-D convolutions on log-mel, then attentive pooling over any number of frames.

    Parameters
    ----------
    n_mels : bands of the input
    widths : channels after the stem and after each residual block
    time_stride : of stem and blocks
    normalised : the front end's running normalisation has removed the level and the channel; else the first layer removes the
        level. ``prior`` (2, n_mels) holds that normalisation's prior
    """

    def __init__(
        self,
        n_mels: int,
        classes: int,
        widths: Sequence[int] = (32, 48, 80, 112),
        time_stride: Sequence[int] = (2, 2, 2, 1),
        embedding: int = 128,
        dropout: float = 0.3,
        normalised: bool = False,
    ) -> None:
        super().__init__()
        self.level = Scaled() if normalised else Level()
        self.register_buffer("prior", torch.zeros(2, n_mels))
        self.stem = nn.Conv2d(1, widths[0], 5, stride=(2, time_stride[0]), padding=2, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        pairs = zip(widths[:-1], widths[1:], time_stride[1:], strict=True)
        self.blocks = nn.Sequential(*(Residual(a, b, (2, stride)) for a, b, stride in pairs))
        bands = n_mels // 2 ** len(widths)
        self.squeeze = nn.Sequential(
            nn.Conv1d(widths[-1] * bands, embedding, 1, bias=False), nn.BatchNorm1d(embedding), nn.ReLU()
        )
        self.pooling = Pooling(embedding)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * embedding, classes + AUXILIARY)
        self.classes = classes

    def each(self, features: Tensor) -> Tensor:
        """Logits, (1, batch, classes + AUXILIARY): one member."""
        x = self.level(features).contiguous(memory_format=torch.channels_last)
        x = self.blocks(F.relu(self.norm(self.stem(x))))
        x = self.squeeze(x.flatten(1, 2))
        return self.head(self.dropout(self.pooling(x))).unsqueeze(0)

    def forward(self, features: Tensor) -> Tensor:
        """Logits, (batch, classes)."""
        return self.each(features)[0, :, : self.classes]


class OnStatistics(nn.Module):
    """A network on the first ``size`` numbers of ``joint`` features, the statistics vector."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(self, features: Tensor) -> Tensor:
        """Logits, (batch, classes)."""
        return self.network(features[:, : self.size])


class OnLogMel(nn.Module):
    """A network on ``joint`` features after the first ``size`` numbers, the log-mel."""

    def __init__(self, network: nn.Module, size: int, n_mels: int) -> None:
        super().__init__()
        self.network, self.size, self.n_mels = network, size, n_mels

    def forward(self, features: Tensor) -> Tensor:
        """Logits, (batch, classes)."""
        return self.network(features[:, self.size :].unflatten(1, (self.n_mels, -1)))


class Calibrated(nn.Module):
    """The exported module: the mean of one or several networks' probabilities at a temperature.

    Parameters
    ----------
    shares : each network's weight in the mean; None: all alike
    kept : indices of the labels to keep, whose probabilities then sum to one; None: all
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        temperature: float = 1.0,
        shares: Sequence[float] | None = None,
        kept: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        weights = torch.tensor([float(share) for share in shares or [1.0] * len(networks)])
        self.register_buffer("shares", (weights / weights.sum())[:, None, None])
        self.register_buffer("temperature", torch.tensor(float(temperature)))
        self.register_buffer("kept", None if kept is None else torch.tensor(list(kept)))

    def forward(self, features: Tensor) -> Tensor:
        """Probabilities, (batch, classes)."""
        if len(self.networks) == 1:
            logs = self.networks[0](features)
        else:
            probs = torch.stack([F.softmax(network(features), dim=-1) for network in self.networks]) * self.shares
            logs = torch.log(probs.sum(0).clamp_min(1e-8))
        if self.kept is not None:
            logs = logs.index_select(1, self.kept)
        return F.softmax(logs / self.temperature, dim=-1)


def parameters_of(network: nn.Module) -> int:
    """Number of trained weights."""
    return sum(parameter.numel() for parameter in network.parameters())
