"""The clips of an epoch, and their targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from train.data.corpora import LABELS
from train.data.manifest import Row


def targets(rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Class and side targets of clips; see ``batches.Batch``."""
    unknown = float("nan")
    side = [
        [
            {"female": 1.0, "male": 0.0}.get(row.gender, unknown),
            {"strong": 1.0, "normal": 0.0}.get(row.intensity, unknown),
        ]
        for row in rows
    ]
    return torch.tensor([LABELS.index(row.emotion) for row in rows]), torch.tensor(side)


def draws(
    rows: Sequence[Row], rng: np.random.Generator, corpus_power: float = 1.0, most: int | None = None
) -> npt.NDArray[np.int64]:
    """One epoch's clips in random order: the same number in total, every emotion equally often within its corpus.

    Parameters
    ----------
    corpus_power : a corpus's share goes with its number of clips to this power: 1 as they are, 0 all alike
    most : clips in an epoch, where there are more
    """
    count = Counter((row.corpus, row.emotion) for row in rows)
    clips = Counter(row.corpus for row in rows)
    emotions = Counter(corpus for corpus, _ in count)
    powered = {corpus: number**corpus_power for corpus, number in clips.items()}
    scale = min(len(rows), most or len(rows)) / sum(powered.values())
    expected = np.array([scale * powered[row.corpus] / emotions[row.corpus] / count[row.corpus, row.emotion] for row in rows])
    times = np.floor(expected + rng.random(len(rows))).astype(int)
    return rng.permutation(np.repeat(np.arange(len(rows)), times))
