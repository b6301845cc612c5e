"""Small corpora of made-up voices, under the names of real ones."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000


def voice(pitch_hz: float, level: float, seconds: float, seed: int) -> np.ndarray:
    """A buzz with harmonics, four syllables a second, and a little noise; float64 (n,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.02 * np.sin(2 * np.pi * 5 * t))) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 12))
    return np.asarray(level * (buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t)) + rng.normal(0, 0.02, len(t))))


def write_ravdess(root: Path, actors: Sequence[int] = (1, 2, 3, 4), channels: Sequence[int] = (1, 2)) -> None:
    """Every emotion of these actors, spoken and sung, two statements each: angry is loud, sad soft, strong louder."""
    for channel in channels:
        folder = root / ("ravdess_speech" if channel == 1 else "ravdess_song")
        folder.mkdir(parents=True, exist_ok=True)
        for actor in actors:
            base = (120 if actor % 2 else 210) * (1 + actor / 50)
            for emotion in range(1, 9 if channel == 1 else 7):
                for intensity in (1,) if emotion == 1 else (1, 2):
                    for statement in (1, 2):
                        name = f"03-{channel:02d}-{emotion:02d}-{intensity:02d}-{statement:02d}-01-{actor:02d}.wav"
                        seed = zlib.crc32(name.encode())
                        level = {5: 0.2, 4: 0.02}.get(emotion, 0.06) * intensity
                        samples = voice(base * (1 + 0.06 * emotion), level, 1.1 + 0.02 * emotion, seed)
                        soundfile.write(folder / name, samples, RATE, subtype="PCM_16")


def write_emodb(root: Path) -> None:
    """Two speakers, seven emotions, two texts."""
    folder = root / "emodb"
    folder.mkdir(parents=True, exist_ok=True)
    for speaker, pitch in (("03", 120), ("08", 220)):
        for number, emotion in enumerate("WLEAFTN"):
            for text in ("a01", "b02"):
                samples = voice(pitch * (1 + 0.07 * number), 0.1, 1.0, zlib.crc32(f"{speaker}{emotion}{text}".encode()))
                soundfile.write(folder / f"{speaker}{text}{emotion}a.wav", samples, RATE, subtype="PCM_16")
