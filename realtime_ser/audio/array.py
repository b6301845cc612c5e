"""Samples handed over as a numpy array."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime_ser.audio.downmix import downmix
from realtime_ser.audio.source import check_rate, printable
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, FloatArray


class ArraySource:
    """A source over samples in memory.

    Parameters
    ----------
    samples : (n,) or (n, channels). Floats are taken as they are; integers are scaled by their full scale to [-1, 1]
        (unsigned ones around their middle, as in 8-bit WAV).
    rate : Hz
    block_s : seconds per block
    name : what messages and sinks call it

    Raises
    ------
    SourceError : not one or two dimensions, no channels, neither float nor integer, or a bad rate
    """

    def __init__(self, samples: npt.ArrayLike, rate: int, *, block_s: float = 0.1, name: str = "array") -> None:
        self.name = printable(name)
        self.rate = check_rate(rate, self.name)
        try:
            array: npt.NDArray[Any] = np.asarray(samples)
        except ValueError as error:
            raise SourceError(f"{self.name}: the samples form no array: {error}") from error
        if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
            raise SourceError(f"{self.name}: expected samples of shape (n,) or (n, channels), got {array.shape}")
        if array.dtype.kind not in "fiu":
            raise SourceError(f"{self.name}: expected float or integer samples, got {array.dtype}")
        if not block_s > 0:
            raise SourceError(f"{self.name}: block_s must be positive, got {block_s}")
        self._samples = array
        self._block = max(1, round(self.rate * block_s))
        self._stopped = False
        self.duration_s: float | None = len(array) / self.rate

    def blocks(self) -> Iterator[Block]:
        """Yield the samples as float32 mono blocks, ``captured_at`` None."""
        for start in range(0, len(self._samples), self._block):
            if self._stopped:
                return
            yield Block(_to_float(self._samples[start : start + self._block]), self.rate, start)

    def stop(self) -> None:
        """End ``blocks()`` after the block under way."""
        self._stopped = True

    def __enter__(self) -> ArraySource:
        self._stopped = False
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stopped = True


def _to_float(samples: npt.NDArray[Any]) -> FloatArray:
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # beyond float32 is infinite, and the engine drops such a block
            return downmix(samples.astype(np.float32))
    full_scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = full_scale if samples.dtype.kind == "u" else 0.0
    return downmix(((samples.astype(np.float64) - middle) / full_scale).astype(np.float32))
