"""Samples handed over as a numpy array."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

import numpy.typing as npt

from realtime_ser.audio.downmix import Downmix, check_choice
from realtime_ser.audio.samples import check_samples, to_float
from realtime_ser.audio.source import check_rate
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, Notice
from realtime_ser.text import printable


class ArraySource:
    """A source over samples in memory.

    Parameters
    ----------
    samples : (n,) or (n, channels). Floats are taken as they are, int16 and int32 are scaled by their full scale to [-1, 1].
    rate : Hz
    block_s : seconds per block
    name : what messages and sinks call it
    channel : the only one to read, from 1; None: the mean over all, see ``Downmix``

    Raises
    ------
    SourceError : another type or shape, no channels or more than 32, or a bad rate
    """

    channels: int = 1
    speed: float = 1.0
    waiting_s: float = 0.0

    def __init__(
        self, samples: npt.ArrayLike, rate: int, *, block_s: float = 0.1, name: str = "array", channel: int | None = None
    ) -> None:
        self.name = printable(name)
        self.rate = check_rate(rate, self.name)
        array = check_samples(samples, self.name)
        if not block_s > 0:
            raise SourceError(f"{self.name}: block_s must be positive, got {block_s}")
        check_choice(channel, 1 if array.ndim == 1 else array.shape[1], self.name)
        self._samples = array
        self._channel = channel
        self._block = max(1, round(self.rate * block_s))
        self._stopped = False
        self.duration_s: float | None = len(array) / self.rate

    def blocks(self) -> Iterator[Block | Notice]:
        """Yield the samples as float32 mono blocks, ``captured_at`` None, and notices about them."""
        mixer = Downmix(self.rate, channel=self._channel, name=self.name)
        for start in range(0, len(self._samples), self._block):
            if self._stopped:
                return
            samples = mixer.push(to_float(self._samples[start : start + self._block]))
            if (notice := mixer.take_notice()) is not None:
                yield notice
            yield Block(samples, self.rate, start)

    def stop(self) -> None:
        """End ``blocks()`` after the block under way."""
        self._stopped = True

    def __enter__(self) -> ArraySource:
        self._stopped = False
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stopped = True
