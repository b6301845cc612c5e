"""Inputs of the published systems: whole-clip means and spectrogram transforms over time, by the live front end only.

Their authors used librosa at its defaults (2,048 samples a frame, 512 a hop, 128 mel bands); ours is the same front end as the
live path's ``flat268`` at 16 kHz, equal to librosa's with ``center=False, tuning=0``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime_ser.features.filters import dct_matrix
from realtime_ser.features.frames import FrameTransform
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray
from train.data import cache as feature_cache
from train.data import features
from train.data.cache import Item
from train.data.manifest import Row

SPEC = FrontEndSpec("flat268", n_fft=2048, hop_length=512, n_mels=128, n_mfcc=128)
FRAMES = 128  # a clip over time is cut or padded to this many frames, 4.1 s
# Rows of a flattened vector and of a stacked array: MFCC, chroma, mel.
PARTS = {
    "full": slice(0, 268),
    "mfcc": slice(0, 128),
    "chroma": slice(128, 140),
    "mel": slice(140, 268),
    "mel+mfcc20": np.r_[140:268, 0:20],
}


def load(kind: str, root: Path, rows: Sequence[Row], cache: Path, *, progress: bool = True) -> npt.NDArray[Any]:
    """The inputs of clips, in their order.

    Returns
    -------
    float32 (clips, D) whole-clip means, or float16 (clips, bands, FRAMES) for "stack...", or float16 (clips, FRAMES, 148)
    for "sequences"
    """
    if kind == "sequences":
        # Log-mel, and the first twenty MFCC, over time.
        return np.ascontiguousarray(_stacks(root, rows, cache, progress)[:, PARTS["mel+mfcc20"]].transpose(0, 2, 1))
    if kind.startswith("stack"):
        return _stacks(root, rows, cache, progress)[:, PARTS[kind.partition("-")[2] or "full"]]
    parts = feature_cache.per_clip("means", root, rows, SPEC, cache, clip_means, progress=progress)
    return np.ascontiguousarray(parts["X"].T[:, PARTS[kind]])


def _stacks(root: Path, rows: Sequence[Row], cache: Path, progress: bool) -> npt.NDArray[np.float16]:
    parts = feature_cache.per_clip(f"stack{FRAMES}", root, rows, SPEC, cache, clip_stack, progress=progress)
    return np.asarray(parts["X"].reshape(268, len(rows), FRAMES).transpose(1, 0, 2))


@functools.lru_cache(maxsize=4)
def _front_end(seconds: int) -> FrontEnd:
    return FrontEnd(SPEC, seconds)


def means(samples: FloatArray) -> FloatArray:
    """The 268 values of a whole clip, float32 (268,): means of 128 MFCC, 12 chroma and 128 mel powers."""
    # Front ends are made for 8, 16, 24, ... s and reused.
    front_end = _front_end(8 * math.ceil((len(samples) + 1) / SPEC.sample_rate / 8))
    front_end.reset()
    front_end.push(samples)
    return front_end.window()


@functools.lru_cache(maxsize=1)
def _transform() -> tuple[FrameTransform, FloatArray]:
    return FrameTransform(SPEC), dct_matrix(SPEC.n_mfcc, SPEC.n_mels)


def stack(samples: FloatArray) -> FloatArray:
    """MFCC, chroma and log-mel (dB) over time, float32 (268, frames)."""
    transform, dct = _transform()
    count = 1 + (len(samples) - SPEC.n_fft) // SPEC.hop_length
    strided = np.lib.stride_tricks.sliding_window_view(samples, SPEC.n_fft)[:: SPEC.hop_length][:count]
    out = np.empty((transform.n_columns, count), np.float32)
    transform(strided, out)
    log_mel = out[transform.columns["log_mel"]]
    log_mel = np.maximum(log_mel, log_mel.max() - np.float32(SPEC.top_db))
    return np.concatenate((dct @ log_mel, out[transform.columns["chroma"]], log_mel))


def fixed(array: FloatArray, frames: int = FRAMES) -> FloatArray:
    """Cut the middle out of (bands, n), or repeat its edges, to (bands, frames)."""
    extra = array.shape[1] - frames
    if extra >= 0:
        return array[:, extra // 2 : extra // 2 + frames]
    return np.pad(array, ((0, 0), (-extra // 2, -extra - -extra // 2)), mode="edge")


def clip_means(item: Item) -> dict[str, Any]:
    """For ``data.cache.per_clip``."""
    return {"X": means(features.read_clip(item.path, SPEC.sample_rate))[:, np.newaxis]}


def clip_stack(item: Item) -> dict[str, Any]:
    """For ``data.cache.per_clip``."""
    return {"X": fixed(stack(features.read_clip(item.path, SPEC.sample_rate))).astype(np.float16)}
