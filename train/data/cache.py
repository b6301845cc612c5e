"""Per-clip results, computed once in parallel processes and cached on disk under a key of everything they depend on."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from realtime_ser.audio import high_pass
from realtime_ser.config import GateConfig
from realtime_ser.config_build import former_dict
from realtime_ser.errors import ConfigError
from realtime_ser.features.spec import STATISTICS, FrontEndSpec
from train.atomic import replacing
from train.data.augment import Variant
from train.data.manifest import Row
from train.workers import begin_worker

# Preprocessing of the live path and the version of the code that applies it here: raise it when the code computes something
# else. Goes into the keys of speech activity, frames and vectors, and into the identity of the runs that learn from these.
LIVE: Mapping[str, Any] = {
    "version": 16,
    "gate": former_dict(GateConfig()),
    "high_pass": [high_pass.STOP_HZ, high_pass.STOP_DB, high_pass.ORDER],
}
_OF_STREAMS = ("activity", "frames", "vectors")  # kinds of cache that depend on the stream's preprocessing
TALKERS = 6  # behind a voice
FEW = 40  # up to this many clips are computed without starting processes


@dataclass(frozen=True)
class Item:
    """A clip to be computed.

    Attributes
    ----------
    path : its file
    number : its place among all clips
    channel : its speaker's number
    speech : its speech activity, where known
    talkers : files of the background speakers
    """

    path: Path
    number: int
    channel: int
    speech: npt.NDArray[np.bool_] | None = None
    talkers: tuple[Path, ...] = ()


def per_clip(
    kind: str,
    root: Path,
    rows: Sequence[Row],
    spec: FrontEndSpec,
    cache: Path,
    work: Callable[[Item], dict[str, Any]],
    *,
    progress: bool = True,
) -> dict[str, npt.NDArray[Any]]:
    """Results of ``work`` for every clip, cached or computed: whole clips, no windows.

    Parameters
    ----------
    kind : name of the cache's files; with ``spec`` and ``rows`` it must cover everything that ``work`` depends on
    work : a module's function (it goes to other processes); its arrays are joined along their last axis

    Returns
    -------
    the arrays by name, and ``offsets``: clip i's part is ``offsets[i]`` to ``offsets[i + 1]``
    """
    return computed(cache, kind, spec, None, root, rows, work, [None] * len(rows), progress)


def file_of(cache: Path, kind: str, spec: FrontEndSpec | None, variant: Variant | None, rows: Sequence[Row]) -> Path:
    """Path of the features of these clips, with a key of everything they depend on."""
    settings = [item and item.as_dict() for item in (spec, variant)]
    if spec and spec.recipe not in STATISTICS:
        del settings[0]["frame_db"]  # has no effect there
    version: Any = LIVE if kind in _OF_STREAMS else 4
    clips: list[tuple[str, ...]] = [(row.path, row.sha256) for row in rows]
    if variant:  # its channel and its talkers go with the speaker
        clips = [(*clip, row.speaker) for clip, row in zip(clips, rows, strict=True)]
    identity = json.dumps([version, kind, *settings, clips])
    key = hashlib.sha256(identity.encode()).hexdigest()[:20]
    name = f"{kind}-{variant.name}" if variant else kind
    return cache / f"{name}-{key}.npz"


def computed(
    cache: Path,
    kind: str,
    spec: FrontEndSpec | None,
    variant: Variant | None,
    root: Path,
    rows: Sequence[Row],
    work: Callable[[Item], dict[str, Any]],
    speech: Sequence[npt.NDArray[np.bool_] | None],
    progress: bool,
) -> dict[str, npt.NDArray[Any]]:
    """``per_clip`` under a variant of the audio; ``speech``: of every clip, which of its chunks hold speech, where known.

    The arrays of the kind "vectors" are joined along their first axis: windows lie there, frames on the last.

    Raises
    ------
    ConfigError : there is no clip
    """
    if not rows:
        raise ConfigError("there is no clip to compute features of; see train.use and `python -m train prepare`")
    file = file_of(cache, kind, spec, variant, rows)
    if not file.exists():
        name = f"{kind}-{variant.name}" if variant else kind
        items = _items(root, rows, speech, variant)
        bar = partial(tqdm, desc=name, total=len(items), disable=not progress, leave=False)
        if len(items) <= FEW:
            parts = [work(item) for item in bar(items)]
        else:
            with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), begin_worker) as pool:
                parts = list(bar(pool.map(work, items, chunksize=16)))
        names = list(parts[0])
        # Frames lie on the last axis of what a clip gives, windows on the first.
        axis = 0 if kind == "vectors" else -1
        arrays = {name: np.concatenate([part[name] for part in parts], axis=axis) for name in names}
        lengths = [part[names[0]].shape[axis] for part in parts]
        arrays["offsets"] = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        with replacing(file) as temporary, temporary.open("wb") as out:
            np.savez(out, **arrays)
    with np.load(file, allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}


def _items(
    root: Path, rows: Sequence[Row], speech: Sequence[npt.NDArray[np.bool_] | None], variant: Variant | None
) -> list[Item]:
    talkers = _talkers(rows, variant.seed) if variant and variant.babble_db else [()] * len(rows)
    return [
        Item(root / row.path, number, zlib.crc32(row.speaker.encode()), speech[number], tuple(root / path for path in behind))
        for number, (row, behind) in enumerate(zip(rows, talkers, strict=True))
    ]


def _talkers(rows: Sequence[Row], seed: int) -> list[tuple[str, ...]]:
    """Background speech for each clip: other clips of the same speaker, so that no split by speakers can leak through it."""
    of_speaker: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        of_speaker[row.speaker].append(row.path)
    rng = np.random.default_rng(seed)
    found = []
    for row in rows:
        others = [path for path in of_speaker[row.speaker] if path != row.path]
        found.append(tuple(others[i] for i in rng.permutation(len(others))[:TALKERS]))
    return found
