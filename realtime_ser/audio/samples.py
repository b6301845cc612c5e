"""What counts as samples: the one rule for ``Engine.push``, for a ``Block`` and for ``stream()``.

Floats are taken as they are, 16-bit and 32-bit integers are scaled by their full scale, channels are averaged (sources do
more with them, see ``downmix``). Everything else is refused before anything changes: a wrong guess of the scale or the axis
would give confident answers about noise.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime_ser.audio.downmix import downmix
from realtime_ser.audio.source import check_rate
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, FloatArray
from realtime_ser.text import one_line

MAX_CHANNELS = 32  # more are samples along the wrong axis

_INTEGERS = {np.dtype(np.int16): np.float32(2**15), np.dtype(np.int32): np.float32(2**31)}
_HINTS = {
    "int64": "a list of integers has no full scale: give float samples within -1 to 1, or an int16 array",
    "int8": "divide by 128 and give float samples",
    "uint8": "8-bit WAV is centred on 128: give (x - 128.0) / 128",
    "uint16": "give (x - 32768.0) / 32768",
    "bool": "give float samples within -1 to 1, int16 or int32",
    "bytes": 'decode them first, raw 16-bit ones by np.frombuffer(data, "<i2")',
}


def check_samples(samples: npt.ArrayLike, of: str) -> npt.NDArray[Any]:
    """``samples`` as an array that ``to_mono`` takes; not copied where they are an array already.

    Parameters
    ----------
    samples : float of any size, int16 or int32; (n,) or (n, channels) with at most 32 channels
    of : what they are, for the message

    Raises
    ------
    SourceError : any other type or shape
    """
    if isinstance(samples, bytes | bytearray | memoryview):
        raise SourceError(f"{of}: bytes are no samples; {_HINTS['bytes']}")
    if isinstance(samples, str) or samples is None:
        raise SourceError(f"{of}: expected an array of samples, got {samples!r:.40}")
    try:
        array = np.asarray(samples)
    except Exception as error:  # whatever an object's own conversion raises
        raise SourceError(f"{of}: the samples form no array: {one_line(error)}") from error
    if array.dtype.kind != "f" and array.dtype.newbyteorder("=") not in _INTEGERS:
        hint = _HINTS.get(array.dtype.name, _HINTS["bool"])
        raise SourceError(f"{of}: samples of type {array.dtype} have no known scale; {hint}")
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        raise SourceError(f"{of}: expected samples of shape (n,) or (n, channels), got {array.shape}")
    if array.ndim == 2 and array.shape[1] > MAX_CHANNELS:
        raise SourceError(
            f"{of}: samples of shape {array.shape} have {array.shape[1]} channels, {MAX_CHANNELS} are the most; transpose them:"
            f" (n, channels) is expected"
        )
    return array


def to_mono(array: npt.NDArray[Any]) -> FloatArray:
    """What ``check_samples`` returned as float32 (n,), full scale [-1, 1]; the very same memory where it is that already.

    Floats beyond float32's range become infinite. The engine drops what holds them, and counts it.
    """
    return downmix(to_float(array))


def to_float(array: npt.NDArray[Any]) -> FloatArray:
    """As ``to_mono``, with the channels kept: float32 (n,) or (n, channels)."""
    if array.dtype.kind == "f":
        if array.dtype == np.float32:
            return np.asarray(array, np.float32)
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    # 32 bits do not fit float32's mantissa; the division by a power of two rounds once.
    scaled: FloatArray = array.astype(np.float32) / _INTEGERS[array.dtype.newbyteorder("=")]
    return scaled


def check_block(block: Block) -> Block:
    """``block`` with float32 mono samples; the same one where it has them.

    Raises
    ------
    SourceError : samples of a type or shape that is refused, a rate out of range, a start or overflows below 0 or not whole, a
        capture time that is no finite number
    """
    samples = block.samples
    if not (isinstance(samples, np.ndarray) and samples.dtype == np.float32 and samples.ndim == 1):
        samples = to_mono(check_samples(samples, "block"))
    rate = check_rate(block.rate, "block")
    for name in ("start", "xruns"):
        value = getattr(block, name)
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
            raise SourceError(f"block: {name} must be a whole number of at least 0, got {value!r:.40}")
    captured_at: Any = block.captured_at
    if captured_at is not None and not (isinstance(captured_at, numbers.Real) and math.isfinite(captured_at)):
        raise SourceError(f"block: captured_at must be seconds of time.monotonic() or None, got {captured_at!r:.40}")
    if samples is block.samples and type(block.rate) is type(block.start) is int:
        return block
    return replace(block, samples=samples, rate=rate, start=int(block.start))
