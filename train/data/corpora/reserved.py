"""Data reserved for tests, which no training uses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TypeVar

from train.data.corpora.clip import Clip

NEVER = ("ased",)
_READERS = ("speechocean", "librispeech")
_SOUNDS = Path(__file__).with_name("sounds.txt")  # the names of the 389 known sounds, sorted
_C = TypeVar("_C", bound=Clip)


def test_only(clips: Sequence[_C]) -> list[_C]:
    """The test parts: all of ``ased``, readers whose number ends in 0 or 5, and a quarter of the sounds.

    Each clip's own name decides, so that no file more or less moves another from tests into training. Of the sounds in
    ``sounds.txt`` that is every fourth, from the first on; of others every fourth by the hash of its name.
    """
    return [clip for clip in clips if _reserved(clip)]


def may_train(clips: Sequence[_C]) -> list[_C]:
    """The others."""
    return [clip for clip in clips if not _reserved(clip)]


def _reserved(clip: Clip) -> bool:
    if clip.corpus in _READERS:
        return clip.speaker[-1] in "05"
    return clip.corpus in NEVER or (clip.corpus == "sounds" and _sound_reserved(PurePosixPath(clip.path).stem))


def _sound_reserved(name: str) -> bool:
    place = _known_sounds().get(name)
    return (hashlib.sha256(name.encode()).digest()[0] if place is None else place) % 4 == 0


@lru_cache(maxsize=1)
def _known_sounds() -> dict[str, int]:
    """The place of each known sound in the list."""
    return {name: place for place, name in enumerate(_SOUNDS.read_text(encoding="utf-8").split())}
