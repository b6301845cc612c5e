"""Data reserved for tests, which no training uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from train.data.corpora.clip import Clip

_NEVER = ("ased",)
_READERS = ("speechocean", "librispeech")
_C = TypeVar("_C", bound=Clip)


def test_only(clips: Sequence[_C]) -> list[_C]:
    """The test parts: all of ``ased``, readers whose number ends in 0 or 5, every fourth sound from the first on.

    Parameters
    ----------
    clips : of any corpora; of ``sounds`` all, since their order decides
    """
    sounds = sorted((clip for clip in clips if clip.corpus == "sounds"), key=lambda clip: clip.path)
    kept = {clip.path for clip in sounds[::4]}
    return [
        clip
        for clip in clips
        if clip.corpus in _NEVER or (clip.corpus in _READERS and clip.speaker[-1] in "05") or clip.path in kept
    ]


def may_train(clips: Sequence[_C]) -> list[_C]:
    """The others."""
    reserved = {clip.path for clip in test_only(clips)}
    return [clip for clip in clips if clip.path not in reserved]
