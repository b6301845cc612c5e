"""Many channels to one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from realtime_ser.records import FloatArray


def downmix(frames: npt.NDArray[Any]) -> FloatArray:
    """Mean over the channels.

    Parameters
    ----------
    frames : float (n,) or (n, channels)

    Returns
    -------
    float32 (n,), contiguous; one channel comes back as it is, bit for bit
    """
    if frames.ndim == 1:
        return np.ascontiguousarray(frames, dtype=np.float32)
    if frames.shape[1] == 1:
        return np.ascontiguousarray(frames[:, 0], dtype=np.float32)
    # Infinities of both signs may meet in the mean; what becomes of such a block is the engine's decision.
    with np.errstate(invalid="ignore", over="ignore"):
        mono: FloatArray = frames.mean(axis=1, dtype=np.float32)
    return mono
