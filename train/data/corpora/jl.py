"""JL-Corpus: ``female1_angry_1a_1.wav``. Speaker (two women, two men), emotion, sentence, repetition."""

from __future__ import annotations

import re
from pathlib import Path

from train.data.corpora.clip import Clip, Corpus, UnknownNameError, emotion_of

_NAME = re.compile(r"(female|male)([12])_([a-z]+)_(\d+[ab])_(\d)")


def parse(path: Path) -> Clip:
    match = _NAME.fullmatch(path.stem.lower())
    if not match:
        raise UnknownNameError("expected speaker, emotion, sentence and repetition such as female1_angry_1a_1")
    gender, number, emotion, sentence, _ = match.groups()
    return Clip(
        path=path.as_posix(),
        corpus="jl",
        speaker=f"jl-{gender}{number}",
        emotion=emotion_of(emotion),
        sentence=f"jl-{sentence}",
        intensity="",
        gender=gender,
        channel="speech",
    )


CORPUS = Corpus(
    "jl",
    "4 speakers, 5 primary and 5 secondary emotions, New Zealand English",
    "https://www.kaggle.com/datasets/tli725/jl-corpus",
    "CC0 1.0",
    parse,
    language="English",
    size="2,400 clips, 0.9 GB",
    by_hand="it needs a Kaggle account: download it from {url} and unpack its WAV files into {folder}",
)
