"""ASED: ``n2-01-01-01-05.wav``. Emotion (English initial), sentence, repetition, gender, speaker. For tests only."""

from __future__ import annotations

import re
from pathlib import Path

from train.data.corpora.clip import Clip, Corpus, UnknownNameError

_NAME = re.compile(r"([nfhsa])\d-(\d\d)-(\d\d)-(0[12])-(\d\d)")
_EMOTIONS = {"n": "neutral", "f": "fearful", "h": "happy", "s": "sad", "a": "angry"}


def parse(path: Path) -> Clip:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise UnknownNameError("expected emotion, sentence, repetition, gender and speaker such as n2-01-01-01-05")
    emotion, sentence, _, gender, speaker = match.groups()
    return Clip(
        path=path.as_posix(),
        corpus="ased",
        # Women and men are numbered apart.
        speaker=f"ased-{gender}-{speaker}",
        emotion=_EMOTIONS[emotion],
        sentence=f"ased-{emotion}-{sentence}",
        intensity="",
        gender="female" if gender == "01" else "male",
        channel="speech",
    )


CORPUS = Corpus(
    "ased",
    "65 volunteers, 5 emotions, Amharic, own places; tests strangers, never trains",
    "https://github.com/Ethio2021/ASED_V1",
    "none stated",
    parse,
    language="Amharic",
    size="2,474 clips",
    by_hand="take the recordings from {url} and put them, by their own names, into {folder}",
)
