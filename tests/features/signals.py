"""Audio that front ends must get right: name -> samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


def harmonics(rate: int, seconds: float, f0: float, *, count: int = 12, level: float = 0.1) -> Samples:
    """A harmonic complex whose partials fall off like a voice's, below 0.45 of the rate."""
    t = np.arange(round(rate * seconds)) / rate
    partials = [np.sin(2 * np.pi * f0 * k * t + k * k) / k for k in range(1, count + 1) if f0 * k < 0.45 * rate]
    return np.asarray(level * np.sum(partials, axis=0), np.float32)


def voice(rate: int, seconds: float, *, seed: int = 0) -> Samples:
    """Speech-like: a gliding harmonic complex in syllables with breath noise and pauses."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(rate * seconds)) / rate
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.7 * t)) / rate
    tone = np.sum([np.sin(k * phase) / k for k in range(1, 20) if 180 * k < 0.45 * rate], axis=0)
    syllables = np.maximum(0, np.sin(2 * np.pi * 3 * t)) * (np.sin(2 * np.pi * 0.4 * t) > -0.6)
    return np.asarray(0.2 * tone * syllables + 0.002 * rng.normal(size=len(t)), np.float32)


def cases(rate: int, seconds: float = 3.0) -> dict[str, Samples]:
    """The cases."""
    rng = np.random.default_rng(1)
    count = round(rate * seconds)
    return {
        "voice": voice(rate, seconds),
        "silence": np.zeros(count, np.float32),
        "dc": np.full(count, 0.3, np.float32),
        "full-scale noise": rng.uniform(-1, 1, count).astype(np.float32),
        "very quiet": (1e-5 * voice(rate, seconds, seed=2)).astype(np.float32),
        "voice after silence": np.concatenate((np.zeros(count // 2, np.float32), voice(rate, seconds / 2))),
    }


NAMES = ("voice", "silence", "dc", "full-scale noise", "very quiet", "voice after silence")
