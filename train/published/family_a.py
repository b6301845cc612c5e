"""A: RAVDESS speech and song, a perceptron on the flattened vector against a 2-D CNN on the stacked spectrogram transforms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.published.experiment import Experiment

SIX = ("neutral", "calm", "happy", "sad", "angry", "fearful")  # those that are both spoken and sung
EIGHT = (*SIX, "disgust", "surprised")
SPEECH, SONG = ("ravdess_speech",), ("ravdess_song",)
DATA = {
    "speech": (SPEECH, EIGHT),
    "song": (SONG, SIX),
    "both, 6 emotions": (SPEECH + SONG, SIX),
    "both, 8 emotions": (SPEECH + SONG, EIGHT),
}
FLAT = {"train": 69, "test": 63, "seconds": 27}
CNN = {"train": 62, "validation": 57, "seconds": 537, "remark": "20 x slower than A-flat; drops two classes"}


class FlatMlp(nn.Module):
    """One hidden layer on the vector. Its size is not published; 300 is what this vector is commonly given."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(shape[0], 300), nn.ReLU(), nn.Linear(300, classes))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, D) -> logits (batch, classes)."""
        out: Tensor = self.layers(x)
        return out


class StackCnn(nn.Module):
    """Three convolutions with pooling, then two dense layers, on the stacked array as one image (sizes not published)."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inward, bands = 1, shape[0]
        for outward, kernel, stride in ((8, 5, 2), (16, 3, 1), (32, 3, 1)):
            layers += [nn.Conv2d(inward, outward, kernel, stride=stride, padding=kernel // 2), nn.ReLU()]
            bands = (bands - 1) // stride + 1
            # Twelve rows of chroma would be pooled away.
            pool = 2 if bands >= 4 else 1
            layers.append(nn.MaxPool2d((pool, 2)))
            bands, inward = bands // pool, outward
        self.features = nn.Sequential(*layers, nn.Flatten())
        with torch.no_grad():
            size = self.features(torch.zeros(1, 1, *shape)).shape[1]
        self.head = nn.Sequential(nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bands, frames) -> logits (batch, classes)."""
        out: Tensor = self.head(self.features(x.unsqueeze(1)))
        return out


def experiments() -> list[Experiment]:
    """Every row of this family."""
    found = []
    for data, (corpora, emotions) in DATA.items():
        for protocol in ("random", "speaker"):
            for part in ("full", "mfcc", "chroma", "mel"):
                found.append(
                    Experiment(
                        "A-flat",
                        data,
                        part,
                        protocol,
                        corpora,
                        emotions,
                        part,
                        FlatMlp,
                        100,
                        published=FLAT if part == "full" else {},
                    )
                )
                found.append(
                    Experiment(
                        "A-cnn",
                        data,
                        part,
                        protocol,
                        corpora,
                        emotions,
                        "stack" if part == "full" else f"stack-{part}",
                        StackCnn,
                        10,
                        scaled=True,
                        published=CNN if part == "full" else {},
                    )
                )
            found.append(
                Experiment(
                    "A-flat",
                    data,
                    "full, scaled",
                    protocol,
                    corpora,
                    emotions,
                    "full",
                    FlatMlp,
                    100,
                    scaled=True,
                    note="not published so: the same with standardised inputs",
                )
            )
    return found
