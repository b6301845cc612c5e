"""RAVDESS, speech and song: ``03-01-06-01-02-01-12.wav``.

Modality, vocal channel, emotion, intensity, statement, repetition, actor (odd: male).
"""

from __future__ import annotations

import re
from pathlib import Path

from train.data.corpora.clip import Archive, Clip, Corpus, UnknownNameError

_NAME = re.compile(r"03-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")
_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def parse(path: Path) -> Clip:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise UnknownNameError("expected seven two-digit fields such as 03-01-06-01-02-01-12")
    channel, emotion, intensity, statement, _, actor = match.groups()
    if not 1 <= int(actor) <= 24:
        raise UnknownNameError(f"actor {actor} is not one of 01 to 24")
    song = channel == "02"
    return Clip(
        path=path.as_posix(),
        corpus="ravdess_song" if song else "ravdess_speech",
        speaker=f"ravdess-{actor}",
        emotion=_EMOTIONS[int(emotion) - 1],
        sentence=f"ravdess-{statement}",
        intensity="strong" if intensity == "02" else "normal",
        gender="male" if int(actor) % 2 else "female",
        channel="song" if song else "speech",
    )


_URL = "https://zenodo.org/records/1188976"
_FILES = "https://zenodo.org/records/1188976/files"
SPEECH = Corpus(
    "ravdess_speech",
    "24 actors, 8 emotions, English, spoken",
    _URL,
    "CC BY-NC-SA 4.0",
    parse,
    language="English",
    size="1,440 clips, 0.2 GB",
    archives=(
        Archive(
            f"{_FILES}/Audio_Speech_Actors_01-24.zip",
            "Audio_Speech_Actors_01-24.zip",
            "md5:bc696df654c87fed845eb13823edef8a",
            208_468_073,
        ),
    ),
)
SONG = Corpus(
    "ravdess_song",
    "23 actors, 6 emotions, English, sung",
    _URL,
    "CC BY-NC-SA 4.0",
    parse,
    language="English",
    size="1,012 clips, 0.2 GB",
    archives=(
        Archive(
            f"{_FILES}/Audio_Song_Actors_01-24.zip",
            "Audio_Song_Actors_01-24.zip",
            "md5:5411230427d67a21e18aa4d466e6d1b9",
            225_505_317,
        ),
    ),
)
