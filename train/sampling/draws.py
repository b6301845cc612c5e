"""The clips of an epoch, and their targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from train.data.corpora import LABELS
from train.data.manifest import Row

T = TypeVar("T")


class Epoch(Iterator[T], Generic[T]):
    """An epoch's batches, made one after the other; it knows where it is, so that a killed run goes on in its midst.

    Parameters
    ----------
    make : makes a batch of these clips
    clips : their places, in order
    size : clips of a batch
    generator : of what torch draws, where there is something
    """

    def __init__(
        self,
        make: Callable[[npt.NDArray[np.int64], np.random.Generator, torch.Generator], T],
        clips: npt.NDArray[np.int64],
        size: int,
        rng: np.random.Generator,
        generator: torch.Generator | None = None,
    ) -> None:
        self._make, self._clips, self._size, self._rng = make, clips, size, rng
        self._generator, self._first = generator or torch.Generator(), 0

    def __next__(self) -> T:
        if self._first >= max(1, len(self._clips) - self._size // 2):
            raise StopIteration
        chosen = self._clips[self._first : self._first + self._size]
        self._first += self._size
        return self._make(chosen, self._rng, self._generator)

    def state(self) -> dict[str, Any]:
        """Where it is, for a checkpoint; the state of ``rng`` is not in it."""
        return {"clips": torch.from_numpy(self._clips), "first": self._first, "generator": self._generator.get_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where this was the state."""
        self._clips, self._first = state["clips"].numpy(), int(state["first"])
        self._generator.set_state(state["generator"])


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
