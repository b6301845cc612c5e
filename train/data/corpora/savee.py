"""SAVEE: ``DC_sa01.wav`` or ``DC/sa01.wav``. Speaker (four men), emotion (one or two letters), number of the sentence."""

from __future__ import annotations

import re
from pathlib import Path

from train.data.corpora.clip import Clip, Corpus, UnknownNameError

_NAME = re.compile(r"(?:([A-Z]{2})_)?(sa|su|[adfhn])(\d\d)")
_EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
_SPEAKERS = ("DC", "JE", "JK", "KL")
_COMMON = 3  # the first three of every emotion's fifteen sentences are the same


def parse(path: Path) -> Clip:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise UnknownNameError("expected speaker, emotion and number such as DC_sa01 or DC/sa01")
    named, emotion, number = match.groups()
    speaker = named or path.parent.name
    if speaker not in _SPEAKERS:
        raise UnknownNameError(f"speaker {speaker or '(none)'} is not one of {', '.join(_SPEAKERS)}")
    if not 1 <= int(number) <= (30 if emotion == "n" else 15):
        raise UnknownNameError(f"sentence {number} is not one of this emotion's")
    # Which of the thirty neutral sentences repeats which emotion's is not in the name.
    shared = emotion != "n" and int(number) <= _COMMON
    return Clip(
        path=path.as_posix(),
        corpus="savee",
        speaker=f"savee-{speaker}",
        emotion=_EMOTIONS[emotion],
        sentence=f"savee-{'common' if shared else emotion}{number}",
        intensity="",
        gender="male",
        channel="speech",
    )


CORPUS = Corpus(
    "savee",
    "4 men, 7 emotions, English",
    "http://kahlan.eps.surrey.ac.uk/savee/",
    "research only, on registration",
    parse,
    language="English",
    size="480 clips, 0.1 GB",
    by_hand="it needs registration: fill in the form on {url}, then unpack AudioData (DC, JE, JK, KL) into {folder}",
)
