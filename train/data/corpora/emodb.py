"""EmoDB: ``03a01Fa.wav``. Speaker (two digits), text (letter and two digits), emotion (German initial), version."""

from __future__ import annotations

import re
from pathlib import Path

from train.data.corpora.clip import Archive, Clip, Corpus, UnknownNameError

_NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z])")
_EMOTIONS = {
    "W": "angry",
    "L": "bored",
    "E": "disgust",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
_GENDERS = dict.fromkeys(("03", "10", "11", "12", "15"), "male") | dict.fromkeys(("08", "09", "13", "14", "16"), "female")


def parse(path: Path) -> Clip:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise UnknownNameError("expected speaker, text, emotion and version such as 03a01Fa")
    speaker, text, emotion, _ = match.groups()
    if speaker not in _GENDERS:
        raise UnknownNameError(f"speaker {speaker} is not one of EmoDB's ten")
    return Clip(
        path=path.as_posix(),
        corpus="emodb",
        speaker=f"emodb-{speaker}",
        emotion=_EMOTIONS[emotion],
        sentence=f"emodb-{text}",
        intensity="",
        gender=_GENDERS[speaker],
        channel="speech",
    )


CORPUS = Corpus(
    "emodb",
    "10 speakers, 7 emotions, German",
    "http://emodb.bilderbar.info",
    "free for research; see its page",
    parse,
    language="German",
    size="535 clips, 40 MB",
    archives=(Archive("http://emodb.bilderbar.info/download/download.zip", "emodb.zip"),),  # its page gives no hash
)
