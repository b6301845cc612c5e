"""Groups of windows drawn once and kept on disk, for every network that learns from them.

Stem and first block of the encoder do not change in training, so that what leaves them is computed once here and read by every
fold. The windows' audio is kept too: the small networks compute their own features of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from realtime_ser.errors import ConfigError
from realtime_ser.records import FloatArray
from train.atomic import placing, sweep, write_text
from train.data.audio import RATE, load_audio
from train.data.corpora import LABELS
from train.data.features import heard_sounds
from train.data.manifest import Manifest, Row
from train.data.responses import load_responses
from train.networks.encoder import Encoder, read_encoder
from train.networks.pool import INDEX, Entry, Pool, pool_file
from train.sampling.groups import ACTED, LENGTH_SHARES, LENGTHS_S, READ, SOUND, Group, Groups, corpus_shares

_PART = 1000  # groups drawn by one process at a time
_POOL_SHARES = {"readers": 0.09, "sounds": 0.11}  # of the groups on disk; a recipe's own shares say how often they are used


@dataclass(frozen=True)
class Drawing:
    """What is drawn.

    Attributes
    ----------
    groups, size : how many groups, and windows in each
    seed : of everything random
    power : a corpus's share of the groups is its number of clips to this power
    version : of how a window is drawn: raised where channels, high-pass or choice of sounds change, so that no old one is used
    """

    groups: int
    size: int = 4
    seed: int = 0
    power: float = 0.5
    version: int = 2


@dataclass(frozen=True)
class Batch:
    """Windows of one length, as they leave the encoder's first block.

    Attributes
    ----------
    tokens : float32 (batch, tokens, 384)
    target : int64 (batch,), place in ``LABELS``, or ``NOBODY_PLACE``
    group : int64 (batch,)
    kind : int64 (batch,), ``ACTED``, ``READ`` or ``SOUND``
    entries : where each group lies in the pool
    """

    tokens: FloatArray
    target: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int64]
    entries: tuple[Entry, ...]


class Draws:
    """Batches from a pool's groups.

    Parameters
    ----------
    rows : the clips that train: only groups of their speakers, of readers and of sounds are used
    readers, sounds : share of groups with readers, and with sounds
    groups : of a batch
    power : a corpus's share of the acted groups is its number of clips to this power
    """

    def __init__(
        self,
        pool: Pool,
        rows: Sequence[Row],
        rng: np.random.Generator,
        *,
        readers: float = 0.06,
        sounds: float = 0.08,
        groups: int = 6,
        power: float = 0.5,
    ) -> None:
        self.pool, self.rng = pool, rng
        self._shares, self._groups = (readers, sounds), groups
        self._by: dict[tuple[str, int], list[Entry]] = defaultdict(list)
        for entry in learned(pool, rows):
            self._by[_drawer(entry), entry.length].append(entry)
        drawers = {drawer for drawer, _ in self._by}
        self._corpora = [name for name in dict.fromkeys(row.corpus for row in rows if row.emotion in LABELS) if name in drawers]
        if not self._corpora:
            raise ConfigError("there is no clip with an emotion to learn from; run `python -m train prepare`")
        # A small pool may hold no actor at some length: a batch of that length would never fill.
        lengths = [(round(s * RATE), share) for s, share in zip(LENGTHS_S, LENGTH_SHARES, strict=True)]
        filled = [pair for pair in lengths if any(self._by.get((name, pair[0])) for name in self._corpora)]
        self._lengths = [length for length, _ in filled]
        self._length_share = np.array([share for _, share in filled]) / sum(share for _, share in filled)
        self._corpus_share = corpus_shares(rows, self._corpora, power)

    def draw(self) -> Batch:
        """The next batch."""
        rng = self.rng
        length = int(rng.choice(self._lengths, p=self._length_share))
        drawn: list[Entry] = []
        while len(drawn) < self._groups:
            some = self._by.get((self._next_drawer(), length))
            if some:
                drawn.append(some[int(rng.integers(len(some)))])
        size = len(drawn[0].target)
        return Batch(
            np.concatenate([self.pool.tokens(entry) for entry in drawn]),
            np.array([place for entry in drawn for place in entry.target]),
            np.repeat(np.arange(len(drawn)), size),
            np.repeat([entry.kind for entry in drawn], size),
            tuple(drawn),
        )

    def samples(self, batch: Batch) -> FloatArray:
        """A batch's audio, high-passed, float32 (batch, n) at 16 kHz."""
        return np.concatenate([self.pool.samples(entry) for entry in batch.entries])

    def _next_drawer(self) -> str:
        chance = self.rng.random()
        if chance < self._shares[0]:
            return "readers"
        if chance < sum(self._shares):
            return "sounds"
        return self._corpora[int(self.rng.choice(len(self._corpora), p=self._corpus_share))]


def learned(pool: Pool, rows: Sequence[Row]) -> list[Entry]:
    """The groups of these rows' speakers, and those of all readers and sounds."""
    speakers = {(row.corpus, row.speaker) for row in rows}
    return [entry for entry in pool.entries if entry.kind != ACTED or (entry.corpus, entry.speaker) in speakers]


def pool_folder(rows: Sequence[Row], drawing: Drawing, cache: Path) -> Path:
    """Where the groups lie, under a key of what is drawn, from which audio and with which labels."""
    # The index keeps labels and speakers; a sound's "sentence" is its kind, which decides whether it is drawn.
    clips = Manifest(tuple(rows)).key("corpus", "speaker", "emotion", "sentence")
    known = json.dumps([asdict(drawing), clips, _POOL_SHARES], sort_keys=True)
    return cache / f"drawn-{hashlib.sha256(known.encode()).hexdigest()[:16]}"


def load_pool(root: Path, rows: Sequence[Row], drawing: Drawing, encoder: Path, cache: Path, *, progress: bool = True) -> Pool:
    """Draw the groups, or the parts of them that are missing, and open them.

    Parameters
    ----------
    rows : all that may train in any fold; only readers or the speaker talk in the background, so that no tested voice is in
        another's window
    encoder : ``whisper-tiny-en.npz``, which exists
    """
    load_audio(root, rows, cache, progress=progress)
    folder = pool_folder(rows, drawing, cache)
    sweep(folder)
    counts = [min(_PART, drawing.groups - first) for first in range(0, drawing.groups, _PART)]
    missing = [i for i in range(len(counts)) if not (folder / f"part-{i}" / INDEX).is_file()]
    given = [(folder / f"part-{i}", counts[i], i, root, tuple(rows), drawing, encoder, cache) for i in missing]
    if missing:
        heard_sounds(root, rows, cache, progress=progress)  # once, before the processes read it
    bar = tqdm(total=len(missing), desc="drawing windows", unit="thousand", disable=not progress or not missing, leave=False)
    if len(given) <= 1:
        for part in given:
            draw_part(*part)
    else:
        # Spawned, because a fork would copy the locks of torch's threads.
        workers = min(len(given), os.cpu_count() or 1)
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for future in [pool.submit(draw_part, *part) for part in given]:
                future.result()
                bar.update()
    bar.close()
    return Pool(folder)


@torch.no_grad()
def draw_part(
    folder: Path, count: int, number: int, root: Path, rows: Sequence[Row], drawing: Drawing, encoder: Path, cache: Path
) -> None:
    """Draw one part's groups into a folder of its own, which becomes the part when it is whole."""
    if (folder / INDEX).is_file():
        return  # another process was faster
    torch.set_num_threads(1)
    network = read_encoder(encoder).eval()
    groups = Groups(
        load_audio(root, rows, cache, progress=False),
        load_responses(root),
        np.random.default_rng([drawing.seed, number]),
        size=drawing.size,
        power=drawing.power,
        heard=heard_sounds(root, rows, cache, progress=False),
        **_POOL_SHARES,
    )
    with placing(folder, INDEX) as own:
        _write_part(own, network, _some(groups, count))


def _write_part(folder: Path, network: Encoder, groups: Iterable[Group]) -> None:
    files: dict[tuple[str, int], Any] = {}
    places: dict[int, int] = defaultdict(int)
    index = []
    try:
        for group in groups:
            length = group.samples.shape[1]
            peaks = np.maximum(np.abs(group.samples).max(axis=1), np.float32(1e-6))
            steps = np.round(group.samples / peaks[:, np.newaxis] * 32767).astype(np.int16)
            tokens = network.low(torch.from_numpy(group.samples)).numpy().astype(np.float16)
            for what, values in (("samples", steps), ("peaks", peaks.astype(np.float32)), ("tokens", tokens)):
                key = what, length
                if key not in files:
                    files[key] = pool_file(folder, what, length).open("wb")
                files[key].write(values.tobytes())
            index.append(
                {
                    "corpus": group.corpus,
                    "speaker": group.speaker,
                    "kind": group.kind,
                    "target": list(group.target),
                    "length": length,
                    "place": places[length],
                }
            )
            places[length] += 1
    finally:
        for file in files.values():
            file.close()
    write_text(folder / INDEX, json.dumps(index))


def _some(groups: Groups, count: int) -> Iterator[Group]:
    for _ in range(count):
        yield groups.draw()


def _drawer(entry: Entry) -> str:
    return {READ: "readers", SOUND: "sounds"}.get(entry.kind, entry.corpus)
