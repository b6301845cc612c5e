"""nEMO: ``EB0_anger_1.wav``. Speaker, emotion, number of the sentence."""

from __future__ import annotations

import re
from pathlib import Path

from train.data.corpora.clip import Clip, Corpus, UnknownNameError, emotion_of

_NAME = re.compile(r"([A-Z]{2,3}\d)_([a-z]+)_(\d+)")


def parse(path: Path) -> Clip:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise UnknownNameError("expected SPEAKER_emotion_number such as EB0_anger_1")
    speaker, emotion, sentence = match.groups()
    return Clip(
        path=path.as_posix(),
        corpus="nemo",
        speaker=f"nemo-{speaker}",
        emotion=emotion_of(emotion),
        sentence=f"nemo-{sentence}",
        intensity="",
        gender="",
        channel="speech",
    )


CORPUS = Corpus(
    "nemo",
    "9 speakers, 6 emotions, Polish",
    "https://huggingface.co/datasets/amu-cai/nEMO",
    "CC BY-NC-SA 4.0",
    parse,
    language="Polish",
    size="4,481 clips, 3 h",
    by_hand="its host offers tables with the audio inside: with the `datasets` package, save each row's audio of {url} "
    "under its file_id (such as EB0_anger_1.wav) in {folder}",
)
