"""CREMA-D: ``1001_DFA_ANG_XX.wav``. Speaker, sentence (twelve codes), emotion, level (LO, MD, HI; XX: unspecified)."""

from __future__ import annotations

import re
from pathlib import Path

from train.data.corpora.clip import Clip, Corpus, UnknownNameError, emotion_of

_NAME = re.compile(r"(1\d{3})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX|X)")
_SENTENCES = frozenset(("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI"))
_INTENSITIES = {"LO": "normal", "MD": "normal", "HI": "strong"}
# From the corpus's VideoDemographics.csv; the other 48 of the 91 speakers are men.
_WOMEN = {
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025, 1028, 1029, 1030, 1037, 1043,
    1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060, 1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082,
    1084, 1089, 1091,
}  # fmt: skip


def parse(path: Path) -> Clip:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise UnknownNameError("expected speaker, sentence, emotion and level such as 1001_DFA_ANG_XX")
    speaker, sentence, emotion, level = match.groups()
    if not 1001 <= int(speaker) <= 1091:
        raise UnknownNameError(f"speaker {speaker} is not one of 1001 to 1091")
    if sentence not in _SENTENCES:
        raise UnknownNameError(f"sentence {sentence} is not one of the corpus's twelve")
    return Clip(
        path=path.as_posix(),
        corpus="crema_d",
        speaker=f"crema_d-{speaker}",
        emotion=emotion_of(emotion),
        sentence=f"crema_d-{sentence}",
        intensity=_INTENSITIES.get(level, ""),
        gender="female" if int(speaker) in _WOMEN else "male",
        channel="speech",
    )


CORPUS = Corpus(
    "crema_d",
    "91 actors, 6 emotions, English",
    "https://github.com/CheyneyComputerScience/CREMA-D",
    "ODbL 1.0",
    parse,
    language="English",
    size="7,442 clips, 0.6 GB",
    by_hand="its audio lies in Git LFS: `git lfs clone https://github.com/CheyneyComputerScience/CREMA-D`, "
    "then move or link its AudioWAV folder to {folder}",
)
