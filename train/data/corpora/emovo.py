"""EMOVO: ``neu-f1-b1.wav``. Emotion (Italian), speaker (sex and number), sentence."""

from __future__ import annotations

import re
from pathlib import Path

from train.data.corpora.clip import Clip, Corpus, UnknownNameError

_NAME = re.compile(r"(neu|gio|rab|tri|pau|dis|sor)-([fm][123])-([a-z]+\d?)")
_EMOTIONS = {
    "neu": "neutral",
    "gio": "happy",
    "rab": "angry",
    "tri": "sad",
    "pau": "fearful",
    "dis": "disgust",
    "sor": "surprised",
}


def parse(path: Path) -> Clip:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise UnknownNameError("expected emotion, speaker and sentence such as neu-f1-b1")
    emotion, speaker, sentence = match.groups()
    return Clip(
        path=path.as_posix(),
        corpus="emovo",
        speaker=f"emovo-{speaker}",
        emotion=_EMOTIONS[emotion],
        sentence=f"emovo-{sentence}",
        intensity="",
        gender="female" if speaker[0] == "f" else "male",
        channel="speech",
    )


CORPUS = Corpus(
    "emovo",
    "6 actors, 7 emotions, Italian",
    "http://voice.fub.it/activities/corpora/emovo/index.html",
    "free for research; see its page",
    parse,
    language="Italian",
    size="588 clips, 0.4 GB",
    by_hand="ask {url} for the archive, then put its audio files, by their own names, into {folder}",
)
