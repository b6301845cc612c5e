"""All clips as one array of samples on disk, for training that cuts its windows from the audio itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from realtime_ser.audio.high_pass import high_passed
from realtime_ser.records import FloatArray
from train.atomic import replacing, write_text
from train.data.features import read_clip
from train.data.manifest import Manifest, Row

RATE = 16000
_FRAME = 160
_QUIET_DB = 35.0  # frames this far below a clip's loudest are no speech


@dataclass(frozen=True)
class Audio:
    """``samples`` int16 (all,), clip i's are ``offsets[i]`` to ``offsets[i + 1]``; its voice is ``voice[i]``, first and end."""

    rows: tuple[Row, ...]
    samples: npt.NDArray[np.int16]
    offsets: npt.NDArray[np.int64]
    voice: npt.NDArray[np.int64]

    def clip(self, i: int) -> FloatArray:
        """A clip, float32 (n,) at 16 kHz, as it was recorded."""
        part = self.samples[self.offsets[i] : self.offsets[i + 1]]
        return np.asarray(part, np.float32) / np.float32(32768)

    def spoken(self, i: int, *, before: int = 0, after: int = 0) -> FloatArray:
        """A clip from so many samples before its voice to so many after it."""
        first, end = self.voice[i]
        return self.clip(i)[max(0, int(first) - before) : int(end) + after]


def load_audio(root: Path, rows: Sequence[Row], cache: Path, *, progress: bool = True) -> Audio:
    """Read every clip once; later calls map the file."""
    key = Manifest(tuple(rows)).key()
    file, about = cache / f"audio-{key}.npy", cache / f"audio-{key}.json"
    if not (file.is_file() and about.is_file()):
        cache.mkdir(parents=True, exist_ok=True)
        parts, offsets, voice = [], [0], []
        for row in tqdm(rows, "audio", disable=not progress, leave=False):
            samples = read_clip(root / row.path, RATE)
            parts.append(np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16))
            offsets.append(offsets[-1] + len(samples))
            # Sounds are used whole.
            voice.append((0, len(samples)) if row.corpus == "sounds" else _extent(samples))
        with replacing(file) as temporary, temporary.open("wb") as out:
            np.save(out, np.concatenate(parts))
        write_text(about, json.dumps({"offsets": offsets, "voice": voice}))
    known = json.loads(about.read_text(encoding="utf-8"))
    samples = np.load(file, mmap_mode="r")
    return Audio(tuple(rows), samples, np.array(known["offsets"]), np.array(known["voice"]).reshape(-1, 2))


def _extent(samples: FloatArray) -> tuple[int, int]:
    """Start and end of the voice, by its level above 60 Hz."""
    frames = high_passed(samples, RATE)[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    loud = np.flatnonzero(level > level.max(initial=-np.inf) - _QUIET_DB)
    return (int(loud[0]) * _FRAME, int(loud[-1] + 1) * _FRAME) if len(loud) else (0, len(samples))
