"""A short listening to a microphone, to judge it by."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from realtime_ser.audio.microphone import MicSource
from realtime_ser.config import CaptureConfig
from realtime_ser.records import Block, FloatArray, Notice

# A device that vanishes meanwhile is not waited for any longer than this.
_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A short recording from a device.

    Attributes
    ----------
    samples : float32 (n,) at ``rate`` Hz
    took_s : seconds between the capture of the first block's end and the last's
    counted_s : the same by counting samples
    xruns, lost : overflow reports, and samples lost
    delays_s : per block, from the capture of its last sample to its arrival
    notices : of the source
    """

    samples: FloatArray
    rate: int
    took_s: float
    counted_s: float
    xruns: int
    lost: int
    delays_s: tuple[float, ...]
    notices: tuple[str, ...] = ()


def listen_briefly(config: CaptureConfig, device: int | str | None, seconds: float) -> Recording:
    """Record from ``device`` for ``seconds``.

    Raises
    ------
    SourceError, ConfigError : as ``MicSource`` does
    """
    capture = replace(config, retry_for_s=min(config.retry_for_s, _PATIENCE_S))
    blocks: list[Block] = []
    delays: list[float] = []
    notices: list[str] = []
    with MicSource(device, capture) as source:
        for item in source.blocks():
            if isinstance(item, Notice):
                notices.append(item.message)
                continue
            blocks.append(item)
            if item.captured_at is not None:
                delays.append(time.monotonic() - item.captured_at)
            if (item.end - blocks[0].start) / source.rate >= seconds:
                source.stop()
        rate = source.rate
    timed = [block for block in blocks if block.captured_at is not None]
    took = (timed[-1].captured_at or 0.0) - (timed[0].captured_at or 0.0) if timed else 0.0
    counted = sum(len(block.samples) for block in timed[1:]) / rate
    samples = np.concatenate([block.samples for block in blocks]) if blocks else np.zeros(0, np.float32)
    lost = (blocks[-1].end - blocks[0].start - len(samples)) if blocks else 0
    return Recording(samples, rate, took, counted, sum(block.xruns for block in blocks), lost, tuple(delays), tuple(notices))
