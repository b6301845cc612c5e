"""Batches of windows: draws clips, variants and cuts from one seeded generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from realtime_ser.features.normaliser import DEVIATION_DB, band_profile, speech_band
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray
from train.data.features import HOP_S, MIN_WINDOW_S, WINDOW_S, Frames, Vectors
from train.data.manifest import Row
from train.recipe import Masking, NormRecipe
from train.sampling.draws import Epoch, draws, targets
from train.sampling.masking import channel_batch, mask_batch
from train.sampling.past import COLD, Past
from train.sampling.windows import Earlier, valid_ends, window_across

FULL = 5  # frequency of full windows relative to each shorter length
FROM_START = 0.25  # share of windows that begin with the clip, as a stream begins
CLIP_S = 2.0  # mean seconds of speech windows per clip of these corpora


@dataclass(frozen=True)
class Batch:
    """``x`` features; ``target`` (n,) class; ``side`` (n, 2): female, strong as 0 or 1, NaN where the corpus has no such
    data."""

    x: Tensor
    target: Tensor
    side: Tensor


def clip_profiles(frames: Frames, spec: FrontEndSpec) -> FloatArray:
    """The running normaliser's statistics of every clip, float32 (clips, 2, n_mels): each band's mean and deviation."""
    band = speech_band(spec)
    columns = zip(frames.offsets[:-1], frames.offsets[1:], strict=True)
    found = [band_profile(frames.log_mel[:, a:b].astype(np.float32), band, spec.active_db)[1:] for a, b in columns]
    return np.array(found, np.float32)


def profile_batch(log_mel: Tensor, band: slice, active_db: float) -> tuple[Tensor, Tensor, Tensor]:
    """``band_profile`` of a batch: level (batch,), mean and deviation (batch, n_mels)."""
    loudness = log_mel[:, band].mean(1)
    share = (loudness > loudness.amax(1, keepdim=True) - active_db).float()
    share = share / share.sum(1, keepdim=True)
    level = (loudness * share).sum(1)
    mean = torch.einsum("bft,bt->bf", log_mel, share)
    deviation = torch.einsum("bft,bt->bf", (log_mel - mean[:, :, None]) ** 2, share).sqrt()
    return level, mean - level[:, None], deviation


class FrameBatches:
    """Log-mel windows of 1 to 3 s, one length per batch.

    Parameters
    ----------
    rows, index : the clips to use and their indices in every ``Frames``
    variants : the same clips under each variant of the audio
    chances : probability of each variant; None: uniform
    profiles : ``clip_profiles`` of every clip under each variant, for ``norm``
    norm : the running normalisation, or None
    corpus_power, most : see ``draws.draws``
    across : share of the windows that begin in another clip of the speaker
    cold : share of the windows without a past
    """

    def __init__(
        self,
        rows: Sequence[Row],
        index: Sequence[int],
        variants: Sequence[Frames],
        spec: FrontEndSpec,
        masking: Masking,
        size: int,
        *,
        chances: Sequence[float] | None = None,
        profiles: Sequence[FloatArray] = (),
        norm: NormRecipe | None = None,
        corpus_power: float = 1.0,
        most: int | None = None,
        across: float = 0.0,
        cold: float = COLD,
    ) -> None:
        self.rows, self.spec, self.masking, self.size, self.most = rows, spec, masking, size, most
        self._across, self._earlier = across, Earlier(rows)
        self.norm, self.corpus_power = norm, corpus_power
        self._chances = np.array(chances or [1 / len(variants)] * len(variants))
        if norm:
            self.past = Past(rows, [table[list(index)] for table in profiles], CLIP_S, cold)
            self._prior = torch.from_numpy(self.past.prior)
        self.target, self.side = targets(rows)
        self._clips = [
            [(v.log_mel[:, v.offsets[i] : v.offsets[i + 1]], v.speech[v.offsets[i] : v.offsets[i + 1]]) for v in variants]
            for i in index
        ]
        self._band = speech_band(spec)
        hop = round(HOP_S * spec.sample_rate / spec.hop_length)
        self._lengths = np.arange(spec.frames_in(MIN_WINDOW_S), spec.frames_in(WINDOW_S) + 1, hop)
        # Streams have mostly full windows: draw these much more often than each shorter length.
        chance = np.ones(len(self._lengths))
        chance[-1] = FULL
        self._length_chance = chance / chance.sum()

    @property
    def clips(self) -> int:
        """Approximate number of clips per epoch."""
        return min(len(self.rows), self.most or len(self.rows))

    def epoch(self, rng: np.random.Generator) -> Epoch[Batch]:
        """Draw every clip about once."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return Epoch(self._batch, draws(self.rows, rng, self.corpus_power, self.most), self.size, rng, generator)

    def _batch(self, chosen: npt.NDArray[np.int64], rng: np.random.Generator, generator: torch.Generator) -> Batch:
        length = int(rng.choice(self._lengths, p=self._length_chance))
        version = rng.choice(len(self._chances), size=len(chosen), p=self._chances)
        x = torch.from_numpy(
            np.stack([self._window(int(i), int(v), length, rng) for i, v in zip(chosen, version, strict=True)])
        )
        x = x - x.amax((1, 2), keepdim=True)
        x = self._normalised(x, chosen, version, rng, generator) if self.norm else self._plain(x, generator)
        return Batch(mask_batch(x, self.masking, generator), self.target[chosen], self.side[chosen])

    def _plain(self, x: Tensor, generator: torch.Generator) -> Tensor:
        x = channel_batch(x, self.masking, generator)
        return torch.maximum(x, x.amax((1, 2), keepdim=True) - self.spec.top_db)

    def _normalised(
        self,
        x: Tensor,
        chosen: npt.NDArray[np.int64],
        version: npt.NDArray[np.int64],
        rng: np.random.Generator,
        generator: torch.Generator,
    ) -> Tensor:
        """As ``RunningNormaliser`` would, after a drawn past and some of the clip."""
        assert self.norm is not None
        drawn_s, average = self.past.draw(chosen, version, rng)
        past_s, past = torch.from_numpy(drawn_s)[:, None], torch.from_numpy(average)
        level, _, _ = profile_batch(x, self._band, self.spec.active_db)
        # Apply the window's channel to the past too: append it as one more frame, at the window's level.
        frame = (past[:, 0] + level[:, None])[:, :, None]
        both = channel_batch(torch.cat((x, frame), dim=2), self.masking, generator)
        x, frame = both[:, :, :-1], both[:, :, -1]
        x = torch.maximum(x, x.amax((1, 2), keepdim=True) - self.spec.top_db)
        level, mean, deviation = profile_batch(x, self._band, self.spec.active_db)
        past_mean = frame - frame[:, self._band].mean(1, keepdim=True)
        past_mean = past_mean + past[:, 0][:, self._band].mean(1, keepdim=True)
        own = torch.from_numpy(rng.uniform(0.25, 2.5, len(x)).astype(np.float32))[:, None]
        past_s = past_s.clamp(max=self.norm.memory_s - own)
        total = self.norm.prior_s + past_s + own
        prior = self._prior
        mean = (self.norm.prior_s * prior[0] + past_s * past_mean + own * mean) / total
        deviation = (self.norm.prior_s * prior[1] + past_s * past[:, 1] + own * deviation) / total
        return (x - (mean + level[:, None])[:, :, None]) * (DEVIATION_DB / deviation)[:, :, None]

    def _window(self, clip: int, version: int, length: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        own = self._clips[clip][version]
        if self._across and rng.random() < self._across:
            other, least_s = self._earlier.draw(clip, rng)
            found = window_across(self._clips[other][version], own, length, self.spec, rng, least_s=least_s)
            if found is not None:
                return found
        return self._cut(*own, length, rng)

    def _cut(
        self,
        log_mel: npt.NDArray[np.float16],
        speech: npt.NDArray[np.bool_],
        length: int,
        rng: np.random.Generator,
    ) -> npt.NDArray[np.float32]:
        """A window with speech: some from the clip's start, as at the start of a stream, the others from anywhere."""
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
        elif ends[0] == length and rng.random() < FROM_START:
            end = length
        else:
            # Weight by speech: windows with more of it carry more information about the emotion.
            total = np.concatenate(([0], np.cumsum(speech)))
            held = (total[ends] - total[ends - length]).astype(float)
            end = int(rng.choice(ends, p=held / held.sum()))
        return log_mel[:, end - length : end].astype(np.float32)


class VectorBatches:
    """Window vectors; a clip gives ``per_clip`` windows an epoch, of any variant; a share ``cold`` of them has no past."""

    def __init__(
        self,
        rows: Sequence[Row],
        index: Sequence[int],
        variants: Sequence[Vectors],
        size: int,
        per_clip: int,
        *,
        chances: Sequence[float] | None = None,
        norm: NormRecipe | None = None,
        corpus_power: float = 1.0,
        cold: float = COLD,
    ) -> None:
        self.rows, self.size, self.per_clip, self.norm, self.corpus_power = rows, size, per_clip, norm, corpus_power
        self.target, self.side = targets(rows)
        self._chances = np.array(chances or [1 / len(variants)] * len(variants))
        place = np.full(max(int(variant.clip.max()) for variant in variants) + 1, -1)
        place[list(index)] = np.arange(len(index))
        kept = [np.flatnonzero(place[variant.clip] >= 0) for variant in variants]
        # The windows of a clip under a variant lie together: ``_count`` of them from ``_first`` on, both (variants, clips).
        clips = [place[variant.clip[keep]] for variant, keep in zip(variants, kept, strict=True)]
        orders = [keep[np.argsort(clip, kind="stable")] for keep, clip in zip(kept, clips, strict=True)]
        self.X = torch.from_numpy(np.concatenate([v.X[order] for v, order in zip(variants, orders, strict=True)]))
        self._count = np.stack([np.bincount(clip, minlength=len(rows)) for clip in clips])
        self._first = np.cumsum(self._count).reshape(self._count.shape) - self._count
        if norm:
            tables = [
                _clip_means(variant.X[keep], place[variant.clip[keep]], len(rows))
                for variant, keep in zip(variants, kept, strict=True)
            ]
            self.past = Past(rows, tables, CLIP_S, cold)
            deviation = self.X.std(0).clamp_min(1e-3)
            self.prior = torch.stack((torch.from_numpy(self.past.prior[0]), deviation))

    @property
    def clips(self) -> int:
        """Approximate number of clips per epoch."""
        return len(self.rows)

    def epoch(self, rng: np.random.Generator) -> Epoch[Batch]:
        """Draw every clip about ``per_clip`` times."""
        order = np.concatenate([draws(self.rows, rng, self.corpus_power) for _ in range(self.per_clip)])
        return Epoch(self._batch, order, self.size, rng)

    def _batch(self, chosen: npt.NDArray[np.int64], rng: np.random.Generator, _: torch.Generator) -> Batch:
        version = rng.choice(len(self._chances), size=len(chosen), p=self._chances)
        # The detector may find no speech in some variants of a clip.
        spoken = self._count[version, chosen] > 0
        chosen, version = chosen[spoken], version[spoken]
        windows = self._first[version, chosen] + (rng.random(len(chosen)) * self._count[version, chosen]).astype(int)
        x = self.X[windows]
        if self.norm:
            x = self._normalised(x, chosen, version, rng)
        return Batch(x, self.target[chosen], self.side[chosen])

    def _normalised(
        self, x: Tensor, chosen: npt.NDArray[np.int64], version: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> Tensor:
        """As ``RunningNormaliser`` would, after a drawn past and some of the clip."""
        assert self.norm is not None
        drawn_s, average = self.past.draw(chosen, version, rng)
        own = torch.from_numpy(rng.uniform(0.25, 2.5, len(x)).astype(np.float32))[:, None]
        past_s = torch.from_numpy(drawn_s)[:, None].clamp(max=self.norm.memory_s - own)
        past, prior_s = torch.from_numpy(average[:, 0]), self.norm.prior_s
        mean = (prior_s * self.prior[0] + past_s * past + own * x) / (prior_s + past_s + own)
        return (x - mean) / self.prior[1]


def _clip_means(x: FloatArray, clip: npt.NDArray[np.int64], clips: int) -> FloatArray:
    """Mean vector of each clip's windows, float32 (clips, 1, D); the mean of all for clips without windows."""
    total = np.zeros((clips, x.shape[1]))
    np.add.at(total, clip, x)
    count = np.bincount(clip, minlength=clips)
    total[count == 0] = x.mean(axis=0)
    return np.asarray(total / np.maximum(count, 1)[:, np.newaxis], np.float32)[:, np.newaxis]
