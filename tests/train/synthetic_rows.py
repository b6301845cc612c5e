"""Made-up clips of one speaker and their manifest rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from synthetic import RATE, voice

from train.data.manifest import Row


def made_rows(
    root: Path, *, emotions: Sequence[str], each: int, speaker: str = "s1", pitch_hz: float = 120, lead_s: float = 0.4
) -> list[Row]:
    """Clips of 0.8 s of voice between silences; every emotion has its own pitch."""
    rows = []
    for place, emotion in enumerate(emotions):
        for number in range(each):
            name = f"{speaker}-{emotion}-{number}.wav"
            silence = np.zeros(round(lead_s * RATE))
            samples = np.concatenate((silence, voice(pitch_hz * (1 + 0.3 * place), 0.1, 0.8, number), silence))
            soundfile.write(root / name, samples, RATE, subtype="PCM_16")
            sha256 = hashlib.sha256(name.encode()).hexdigest()
            rows.append(Row(name, "made", speaker, emotion, "", "normal", "female", "speech", len(samples) / RATE, sha256))
    return rows
