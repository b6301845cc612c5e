"""The groups of windows that lie on disk, and what was computed of each."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realtime_ser.records import FloatArray
from train.data.audio import RATE
from train.networks.encoder import TOKENS_PER_S, WIDTH

INDEX = "index.json"


@dataclass(frozen=True)
class Entry:
    """A group on disk.

    Attributes
    ----------
    corpus, speaker : of its windows
    kind : ``groups.ACTED``, ``READ`` or ``SOUND``
    target : place of each window's label in ``LABELS``, or ``groups.NOBODY_PLACE``
    length : samples of a window
    part, place : where it lies: the part's folder, and its number among those of its length there
    """

    corpus: str
    speaker: str
    kind: int
    target: tuple[int, ...]
    length: int
    part: int
    place: int


class Pool:
    """The groups on disk.

    Attributes
    ----------
    folder : where they lie
    entries : all groups, in a fixed order
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[Entry] = []
        for part in sorted(folder.glob("part-*"), key=lambda path: int(path.name.partition("-")[2])):
            found = json.loads((part / INDEX).read_text(encoding="utf-8"))
            number = int(part.name.partition("-")[2])
            self.entries += [Entry(**{**each, "target": tuple(each["target"]), "part": number}) for each in found]
        self._maps: dict[tuple[str, int, int], Any] = {}
        self._counts: dict[tuple[int, int], int] = defaultdict(int)
        for entry in self.entries:
            self._counts[entry.part, entry.length] += 1
        self._size = len(self.entries[0].target) if self.entries else 0

    def tokens(self, entry: Entry) -> FloatArray:
        """What leaves the encoder's first block, float32 (size, tokens, 384)."""
        shape = (self._size, round(entry.length / RATE * TOKENS_PER_S), WIDTH)
        return np.asarray(self._map("tokens", entry, np.float16, shape)[entry.place], np.float32)

    def samples(self, entry: Entry) -> FloatArray:
        """The windows' audio, high-passed, float32 (size, length) at 16 kHz."""
        peaks = np.asarray(self._map("peaks", entry, np.float32, (self._size,))[entry.place])
        steps = self._map("samples", entry, np.int16, (self._size, entry.length))[entry.place]
        return np.asarray(steps * (peaks / np.float32(32767))[:, np.newaxis], np.float32)

    def _map(self, what: str, entry: Entry, dtype: Any, shape: tuple[int, ...]) -> Any:
        key = what, entry.part, entry.length
        if key not in self._maps:
            file = pool_file(self.folder / f"part-{entry.part}", what, entry.length)
            self._maps[key] = np.memmap(file, dtype, "r", shape=(self._counts[entry.part, entry.length], *shape))
        return self._maps[key]


def pool_file(folder: Path, what: str, length: int) -> Path:
    """A part's file of one kind ("tokens", "samples", "peaks") and of windows of one length."""
    return folder / f"{what}-{length}.bin"
