"""Windows in batches: which clip, which variant of it, which cut. Everything random comes from one seeded generator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from realtime_ser.features.spec import FrontEndSpec
from train.corpora import LABELS
from train.features import HOP_S, MIN_SPEECH_S, MIN_WINDOW_S, RECENT_S, WINDOW_S, Frames, Vectors
from train.manifest import Row
from train.masking import Masking, frames_batch


@dataclass(frozen=True)
class Batch:
    """``x`` features; ``target`` (n,) class; ``side`` (n, 2): female, strong as 0 or 1, NaN where the corpus does not say."""

    x: Tensor
    target: Tensor
    side: Tensor


def targets(rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Class and side targets of clips; see ``Batch``."""
    unknown = float("nan")
    side = [
        [
            {"female": 1.0, "male": 0.0}.get(row.gender, unknown),
            {"strong": 1.0, "normal": 0.0}.get(row.intensity, unknown),
        ]
        for row in rows
    ]
    return torch.tensor([LABELS.index(row.emotion) for row in rows]), torch.tensor(side)


def draws(rows: Sequence[Row], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """One epoch's clips in random order: as many as there are, every emotion equally often within its corpus."""
    count = Counter((row.corpus, row.emotion) for row in rows)
    clips = Counter(row.corpus for row in rows)
    emotions = Counter(corpus for corpus, _ in count)
    expected = np.array([clips[row.corpus] / emotions[row.corpus] / count[row.corpus, row.emotion] for row in rows])
    times = np.floor(expected + rng.random(len(rows))).astype(int)
    return rng.permutation(np.repeat(np.arange(len(rows)), times))


class FrameBatches:
    """Log-mel windows of 1 to 3 s, one length per batch.

    Parameters
    ----------
    rows, index : the clips to use and their places in every ``Frames``
    variants : the same clips under each variant of the audio
    """

    def __init__(
        self,
        rows: Sequence[Row],
        index: Sequence[int],
        variants: Sequence[Frames],
        spec: FrontEndSpec,
        masking: Masking,
        size: int,
    ) -> None:
        self.rows, self.spec, self.masking, self.size = rows, spec, masking, size
        self.target, self.side = targets(rows)
        self._clips = [
            [(v.log_mel[:, v.offsets[i] : v.offsets[i + 1]], v.speech[v.offsets[i] : v.offsets[i + 1]]) for v in variants]
            for i in index
        ]
        hop = round(HOP_S * spec.sample_rate / spec.hop_length)
        self._lengths = np.arange(spec.frames_in(MIN_WINDOW_S), spec.frames_in(WINDOW_S) + 1, hop)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Every clip about once."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        order = draws(self.rows, rng)
        # A full window is what a running stream sees: twice as often as each shorter one.
        chance = np.ones(len(self._lengths))
        chance[-1] = 2
        for first in range(0, max(1, len(order) - self.size // 2), self.size):
            chosen = order[first : first + self.size]
            length = int(rng.choice(self._lengths, p=chance / chance.sum()))
            x = np.stack([self._cut(self._clips[i], length, rng) for i in chosen])
            x -= x.max(axis=(1, 2), keepdims=True)
            x = frames_batch(torch.from_numpy(x), self.masking, generator)
            x = torch.maximum(x, x.amax((1, 2), keepdim=True) - self.spec.top_db)
            yield Batch(x, self.target[chosen], self.side[chosen])

    def _cut(
        self,
        variants: Sequence[tuple[npt.NDArray[np.float16], npt.NDArray[np.bool_]]],
        length: int,
        rng: np.random.Generator,
    ) -> npt.NDArray[np.float32]:
        """A window with speech in it: half of them from the clip's start, as a stream begins, the others from anywhere."""
        # The plain audio is half of what is learned, the other variants share the rest.
        log_mel, speech = variants[0 if rng.random() < 0.5 else rng.integers(len(variants))]
        frames = log_mel.shape[1]
        if frames < length:
            quiet = np.percentile(log_mel.astype(np.float32), 10, axis=1, keepdims=True)
            before = int(rng.integers(length - frames + 1))
            out = np.broadcast_to(quiet, (len(quiet), length)).copy()
            out[:, before : before + frames] = log_mel
            return out
        ends = valid_ends(speech, length, self.spec)
        if not len(ends):
            end = int(rng.integers(length, frames + 1))
        elif ends[0] == length and rng.random() < 0.5:
            end = length
        else:
            end = int(rng.choice(ends))
        return log_mel[:, end - length : end].astype(np.float32)


def valid_ends(speech: npt.NDArray[np.bool_], length: int, spec: FrontEndSpec) -> npt.NDArray[np.int64]:
    """Where a window of ``length`` frames may end (exclusive) so that it holds enough speech, some of it recent."""
    per_s = spec.sample_rate / spec.hop_length
    total = np.concatenate(([0], np.cumsum(speech)))
    ends = np.arange(length, len(speech) + 1)
    recent = np.maximum(0, ends - round(RECENT_S * per_s))
    enough = total[ends] - total[ends - length] >= MIN_SPEECH_S * per_s
    return ends[enough & (total[ends] > total[recent])]


def streamed_windows(frames: Frames, clip: int, spec: FrontEndSpec) -> list[npt.NDArray[np.float32]]:
    """The windows that the engine would classify in a clip, in order; only its last, shorter hop is left out."""
    columns = slice(frames.offsets[clip], frames.offsets[clip + 1])
    log_mel, speech = frames.log_mel[:, columns], frames.speech[columns]
    longest, hop = spec.frames_in(WINDOW_S), round(HOP_S * spec.sample_rate / spec.hop_length)
    found = []
    for end in range(spec.frames_in(MIN_WINDOW_S), len(speech) + 1, hop):
        length = min(end, longest)
        if end in valid_ends(speech[:end], length, spec):
            window = log_mel[:, end - length : end].astype(np.float32)
            found.append(np.maximum(window, window.max() - spec.top_db))
    return found


class VectorBatches:
    """Window vectors; a clip gives ``per_clip`` windows an epoch, of any variant."""

    def __init__(
        self, rows: Sequence[Row], index: Sequence[int], variants: Sequence[Vectors], size: int, per_clip: int
    ) -> None:
        self.rows, self.size, self.per_clip = rows, size, per_clip
        self.target, self.side = targets(rows)
        place = np.full(max(int(variant.clip.max()) for variant in variants) + 1, -1)
        place[list(index)] = np.arange(len(index))
        kept = [np.flatnonzero(place[variant.clip] >= 0) for variant in variants]
        clip = np.concatenate([place[variant.clip[keep]] for variant, keep in zip(variants, kept, strict=True)])
        order = np.argsort(clip, kind="stable")
        everything = np.concatenate([variant.X[keep] for variant, keep in zip(variants, kept, strict=True)])
        self.X = torch.from_numpy(everything[order])
        self._count = np.bincount(clip, minlength=len(rows))
        self._first = np.concatenate(([0], np.cumsum(self._count)[:-1]))

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Every clip about ``per_clip`` times."""
        order = np.concatenate([draws(self.rows, rng) for _ in range(self.per_clip)])
        order = order[self._count[order] > 0]
        for first in range(0, max(1, len(order) - self.size // 2), self.size):
            chosen = order[first : first + self.size]
            windows = self._first[chosen] + (rng.random(len(chosen)) * self._count[chosen]).astype(int)
            yield Batch(self.X[windows], self.target[chosen], self.side[chosen])
