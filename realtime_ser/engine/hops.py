"""Cuts a continuous piece of a stream into hops, whatever the size of its blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from realtime_ser.audio.resample import Resampler
from realtime_ser.records import FloatArray

_EMPTY = np.zeros(0, np.float32)


class HopCutter:
    """Resamples a piece to the model's rate and cuts it at the windows' ends.

    Parameters
    ----------
    sample_rate : the model's, in Hz
    first : samples of the first hop, a whole window of minimum length
    hop : samples of the others
    shortest : samples of the shortest piece whose last hop is yielded

    Attributes
    ----------
    cut : samples of the piece that have been yielded
    """

    def __init__(self, sample_rate: int, first: int, hop: int, shortest: int) -> None:
        self._sample_rate, self._first, self._hop, self._shortest = sample_rate, first, hop, shortest
        self.reset()

    @property
    def active(self) -> bool:
        """Whether a piece is under way."""
        return self._resampler is not None

    @property
    def until_next_s(self) -> float:
        """Seconds of audio that must yet be pushed for the next hop."""
        missing = self._next - self.cut - self._held
        return missing / self._sample_rate + (0.0 if self._resampler is None else self._resampler.lag_s)

    def reset(self) -> None:
        """Forget the piece."""
        self._resampler: Resampler | None = None
        self._pieces: list[FloatArray] = []  # samples that no hop holds yet
        self._held = 0  # number of them
        self.cut = 0
        self._next = self._first  # where the next window ends

    def start(self, rate: int) -> None:
        """Start a piece of samples at ``rate`` Hz."""
        self._resampler = Resampler(rate, self._sample_rate)

    def push(self, samples: FloatArray) -> Iterator[FloatArray]:
        """Take the piece's next samples, float32 (n,); yield the hops that they complete."""
        if self._resampler is not None:
            yield from self._hops(self._resampler.push(samples))

    def finish(self, length: int) -> Iterator[FloatArray]:
        """End a piece of ``length`` samples at the model's rate; yield the hops that are left, the last one shorter."""
        if self._resampler is None:
            return
        # The resampler's total is within a sample or two of the piece's exact length.
        rest = self._resampler.push(_EMPTY, last=True)
        missing = max(0, length - self.cut - self._held)
        yield from self._hops(np.pad(rest[:missing], (0, max(0, missing - len(rest)))))
        self._resampler = None
        if self._held and length >= self._shortest:
            self.cut += self._held
            yield np.concatenate(self._pieces)

    def _hops(self, samples: FloatArray) -> Iterator[FloatArray]:
        # Copies throughout: a view would keep the caller's buffer.
        if self._held + len(samples) < self._next - self.cut:
            self._pieces.append(samples.copy())
            self._held += len(samples)
            return
        audio = np.concatenate((*self._pieces, samples)) if self._pieces else samples
        used = 0
        while self._next - self.cut <= len(audio) - used:
            size = self._next - self.cut
            self.cut = self._next
            self._next += self._hop
            yield audio[used : used + size]
            used += size
        self._held = len(audio) - used
        self._pieces = [audio[used:].copy()] if self._held else []
