"""One row of the table: clips, protocol, inputs, network, training length, and the published figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from train.data import splits
from train.data.manifest import Row
from train.data.select import Selection, select
from train.data.splits import Split

VERSION = 1  # part of every row's identity: raise it when a code change affects results


@dataclass(frozen=True)
class Experiment:
    """A published system under one protocol.

    Attributes
    ----------
    system, data, variant : as in the table; together with ``protocol`` they identify the row
    corpora : that its authors used; missing ones are named in the row
    emotions, channels, balance : the rest of its selection
    protocol : "random" (as its authors did: speakers overlap) or "speaker" (grouped folds: nobody on both sides)
    test, dev : shares of a random split
    folds : of the grouped split
    inputs : "full", "mfcc", "chroma", "mel", "mel+mfcc20" (whole-clip means), "stack" or "stack-mfcc", ... (bands x time),
        "sequences" (log-mel and 20 MFCC over time)
    scaled : standardise each input by the training clips
    network : makes it from the inputs' shape and the number of classes; None: a linear support vector machine
    published_epochs : as its authors trained; None if not published
    epochs, batch, rate : of Adam
    unseen : further corpora to score, none of which trained
    published : figures of the authors, in percent and seconds
    note : remark in the table
    """

    system: str
    data: str
    variant: str
    protocol: Literal["random", "speaker"]
    corpora: tuple[str, ...]
    emotions: tuple[str, ...]
    inputs: str
    network: Callable[[tuple[int, ...], int], nn.Module] | None
    epochs: int
    published_epochs: int | None = None
    channels: tuple[str, ...] = ()
    balance: bool = False
    test: float = 0.25
    dev: float = 0.0
    folds: int = 4
    scaled: bool = False
    batch: int = 64
    rate: float = 1e-3
    unseen: tuple[str, ...] = ()
    published: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def id(self) -> str:
        """Such as "A-flat/speech/full/random"."""
        return "/".join(part.replace(" ", "-") for part in (self.system, self.data, self.variant, self.protocol))

    def rows(self, every: Sequence[Row]) -> tuple[Row, ...]:
        """The clips of the corpora that are here.

        Raises
        ------
        ConfigError : none is, or an emotion has no clip
        """
        return select(every, Selection(self.corpora, self.emotions, self.channels, self.balance))

    def absent(self, every: Sequence[Row]) -> list[str]:
        """The corpora of its authors that are missing here."""
        return sorted(set(self.corpora) - {row.corpus for row in every})

    def make_folds(self, rows: Sequence[Row], seed: int = 0) -> list[Split]:
        """The protocol's folds."""
        if self.protocol == "random":
            return splits.random(rows, test=self.test, dev=self.dev, seed=seed)
        count = min(self.folds, len({row.speaker for row in rows}))
        return splits.speaker(rows, folds=count, dev_speakers=0, seed=seed)

    def identity(self, rows: Sequence[Row], epochs: int) -> str:
        """A hash of everything that a row's figures depend on."""
        network = self.network.__qualname__ if self.network else "svm"
        settings = [VERSION, self.id, epochs, network, self.inputs, self.scaled, self.batch, self.rate, self.test, self.dev]
        clips = [(row.path, row.sha256) for row in rows]
        return hashlib.sha256(json.dumps([*settings, self.folds, self.unseen, clips]).encode()).hexdigest()[:20]
