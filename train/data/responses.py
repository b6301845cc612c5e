"""Impulse responses of microphones and rooms: ``impulse_responses/mic_*`` and ``room_*``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime_ser.records import FloatArray
from train.data.corpora.clip import audio_files
from train.data.features import read_clip

FOLDER = "impulse_responses"
_RATE = 16000
_LEAD, _LONGEST = 16, 16000  # samples kept before the direct sound, and altogether


@dataclass(frozen=True)
class Responses:
    """Responses at 16 kHz of unit energy; both may be empty."""

    microphones: tuple[FloatArray, ...] = ()
    rooms: tuple[FloatArray, ...] = ()


def load_responses(root: Path) -> Responses:
    """Those below the corpora's folder; none where it has no such folder."""
    found: dict[str, list[FloatArray]] = {"mic": [], "room": []}
    for file in audio_files(root / FOLDER) if (root / FOLDER).is_dir() else ():
        kind = file.stem.partition("_")[0]
        if kind in found:
            found[kind].append(trimmed(read_clip(file, _RATE)))
    return Responses(tuple(found["mic"]), tuple(found["room"]))


def trimmed(response: FloatArray) -> FloatArray:
    """From just before the direct sound, at most a second of it, at unit energy."""
    first = max(0, int(np.abs(response).argmax()) - _LEAD)
    kept = response[first : first + _LONGEST]
    return np.asarray(kept / max(float(np.sqrt(np.sum(kept**2))), 1e-9), np.float32)
