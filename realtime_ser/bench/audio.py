"""The recording that the benchmarks use, and the statistics of a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from realtime_ser.audio.file import FileSource
from realtime_ser.audio.resample import Resampler
from realtime_ser.config import Config
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, FloatArray

MIC_RATE = 48000  # the rate of nearly every microphone
_LONGEST_S = 300


def read_audio(path: Path, rate: int) -> FloatArray:
    """The first five minutes of a recording, float32 (n,) at ``rate``.

    Raises
    ------
    SourceError : it cannot be read or holds nothing
    """
    pieces: list[FloatArray] = []
    with FileSource(path) as source:
        resampler = Resampler(source.rate, rate)
        for block in source.blocks():
            if isinstance(block, Block):
                pieces.append(resampler.push(block.samples))
                if block.end >= _LONGEST_S * source.rate:
                    break
        pieces.append(resampler.push(np.zeros(0, np.float32), last=True))
    samples = np.concatenate(pieces)
    if not len(samples):
        raise SourceError(f"{path} holds no audio; give bench a recording of speech")
    return samples


def at_mic_rate(samples: FloatArray, rate: int, seconds: float) -> FloatArray:
    """``seconds`` of the looped recording, at 48 kHz."""
    return Resampler(rate, MIC_RATE).push(np.resize(samples, round(seconds * rate)), last=True)


def with_vad(config: Config, *, on: bool) -> Config:
    """The settings with the gate enabled and its VAD on or off."""
    return replace(config, gate=replace(config.gate, enabled=True, vad=on))


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """min, p50, p95, p99 and max in milliseconds; the minimum is the time when nothing else runs."""
    p50, p95, p99 = np.percentile(seconds, (50, 95, 99)) * 1000
    return {"min": min(seconds) * 1000, "p50": float(p50), "p95": float(p95), "p99": float(p99), "max": max(seconds) * 1000}


def require_speech(hops: Sequence[object]) -> None:
    """Raise a SourceError when no hop of the recording was classified."""
    if not hops:
        raise SourceError("nobody speaks in this recording, so there is no hop to measure; give bench a recording of speech")
