"""Sounds without speech: ESC-10, UrbanSound8K, the noises of Speech Commands. ``esc_dog_1-100032-A``.

Their clips have the label ``NOBODY``. The kind of sound is in ``sentence``.
"""

from __future__ import annotations

import re
from pathlib import Path

from train.data.corpora.clip import Clip, Corpus, UnknownNameError

NOBODY = "nobody"
WITH_VOICES = ("urban_children_playing", "urban_street_music")  # not used for training: they contain voices
_NAME = re.compile(r"((?:esc|urban|speechcommands)_[a-z_]+?)_?(\d[\w-]*)?")


def parse(path: Path) -> Clip:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise UnknownNameError("expected source, kind and number such as esc_dog_1-100032-A")
    return Clip(
        path=path.as_posix(),
        corpus="sounds",
        speaker=f"sounds-{path.stem}",
        emotion=NOBODY,
        sentence=match[1],
        intensity="",
        gender="",
        channel="speech",
    )


CORPUS = Corpus(
    "sounds",
    "dogs, sneezes, chainsaws, kitchens, streets, music: nobody speaks",
    "https://github.com/karolpiczak/ESC-50",
    "CC BY-NC 3.0",
    parse,
    size="389 files",
    by_hand="cut ESC-10 ({url}), UrbanSound8K and the noises of Speech Commands into files of at most 40 s, named"
    " SOURCE_KIND_NUMBER such as esc_dog_1-100032-A, in {folder}",
)
