"""What the small networks learn from: the drawn windows as their own features, with the answers of ``large`` to each.

A window of a voice that nobody labelled teaches as well as one of an actor: the teacher's answer is its target.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from tqdm import tqdm

from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.normaliser import band_profile, speech_band
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray
from train.atomic import replacing
from train.data.corpora import LABELS
from train.data.features import WINDOW_S
from train.networks.pool import Pool
from train.networks.waveform import Waveform
from train.sampling.groups import ACTED, READ

_BATCH = 6  # groups that the teacher answers at once
_TEACHER_PAST_S = 20.0  # seconds of the group's own speech that the teacher has gathered before it answers


@dataclass(frozen=True)
class Shelf:
    """Groups of one feature shape.

    Attributes
    ----------
    place : int64 (groups,), each group's place in the pool's entries
    x : (groups, size, ...) float32 vectors, or float16 log-mel in dB
    profile : float32 (groups, size, n), what the running normalisation averages: the vectors themselves, or each band's mean
        and deviation
    level : float32 (groups, size), the level that a log-mel's bands are relative to; zeros for vectors
    """

    place: npt.NDArray[np.int64]
    x: Any
    profile: FloatArray
    level: FloatArray


def shelves(pool: Pool, spec: FrontEndSpec, folder: Path, *, progress: bool = True) -> list[Shelf]:
    """Features of every drawn window, from the cache or computed by the live front end."""
    key = hashlib.sha256(json.dumps([spec.as_dict(), len(pool.entries)], sort_keys=True).encode()).hexdigest()[:12]
    places: dict[int, list[int]] = {}
    for place, entry in enumerate(pool.entries):
        places.setdefault(entry.length if spec.recipe == "stacked" else 0, []).append(place)
    found = []
    for length, mine in sorted(places.items()):
        file = folder / f"features-{key}-{length}.npz"
        if not file.is_file():
            _compute(pool, spec, mine, file, progress)
        with np.load(file) as known:
            found.append(Shelf(np.array(mine), known["x"], known["profile"], known["level"]))
    return found


def _compute(pool: Pool, spec: FrontEndSpec, places: Sequence[int], file: Path, progress: bool) -> None:
    front_end = FrontEnd(spec, WINDOW_S)
    stacked = spec.recipe == "stacked"
    band = speech_band(spec) if stacked else slice(0)
    xs, profiles, levels = [], [], []
    for place in tqdm(places, f"features of {file.stem.rpartition('-')[2]}", disable=not progress, leave=False):
        for samples in pool.samples(pool.entries[place]):
            front_end.reset()
            front_end.push(samples)
            window = front_end.window()
            if stacked:
                level, mean, deviation = band_profile(window, band, spec.active_db)
                profiles.append(np.concatenate((mean, deviation)))
                levels.append(level)
            xs.append(window.astype(np.float16) if stacked else window)
    size = len(pool.entries[places[0]].target)

    def grouped(values: Sequence[Any]) -> npt.NDArray[Any]:
        joined = np.stack(values)
        return joined.reshape(-1, size, *joined.shape[1:])

    x = grouped(xs)
    profile = grouped(profiles) if stacked else x
    level = grouped(levels) if stacked else np.zeros(x.shape[:2], np.float32)
    with replacing(file) as temporary, temporary.open("wb") as out:
        np.savez(out, x=x, profile=profile.astype(np.float32), level=level.astype(np.float32))


@torch.no_grad()
def answers(teacher: Waveform, pool: Pool, places: Sequence[int], *, progress: bool = True) -> FloatArray:
    """The teacher's probabilities for each window of some groups: float32 (all groups, size, labels + 1), NaN elsewhere.

    It knows the voice: the group's own mean is the past, as of a stream that has run for a while.
    """
    size = len(pool.entries[0].target)
    found = np.full((len(pool.entries), size, len(LABELS) + 1), np.nan, np.float32)
    by_length: dict[int, list[int]] = {}
    for place in places:
        by_length.setdefault(pool.entries[place].length, []).append(place)
    batches = [same[i : i + _BATCH] for same in by_length.values() for i in range(0, len(same), _BATCH)]
    for batch in tqdm(batches, "the teacher answers", disable=not progress, leave=False):
        entries = [pool.entries[place] for place in batch]
        whole, _ = teacher.pool(torch.from_numpy(np.concatenate([pool.tokens(entry) for entry in entries])), half=True)
        groups = whole.unflatten(0, (len(batch), size))
        past = groups.mean(1, keepdim=True).expand_as(groups).flatten(0, 1)
        past_s = torch.tensor([_TEACHER_PAST_S if entry.kind == ACTED else 0.0 for entry in entries]).repeat_interleave(size)
        probs = F.softmax(teacher.logits(whole, teacher.expected(past, past_s)), dim=1)
        found[batch] = probs.numpy().reshape(len(batch), size, -1)
    return found


def to_answer(pool: Pool, places: Sequence[int], most: int) -> list[int]:
    """Which groups the teacher answers: all readers', of whom nothing else is known, and acted ones up to ``most`` in all.

    A sound's label says everything.
    """
    read = [place for place in places if pool.entries[place].kind == READ]
    acted = [place for place in places if pool.entries[place].kind == ACTED]
    chosen = np.random.default_rng(0).permutation(acted)[: max(0, most - len(read))] if most else acted
    return sorted([*read, *map(int, chosen)])


def only(shelf: Shelf, places: set[int]) -> Shelf:
    """The groups of a shelf that are among these places."""
    keep = np.flatnonzero(np.isin(shelf.place, sorted(places)))
    return replace(shelf, place=shelf.place[keep], x=shelf.x[keep], profile=shelf.profile[keep], level=shelf.level[keep])
