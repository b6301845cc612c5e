"""TESS: ``OAF_back_ps.wav``. Speaker (OAF 64 years, YAF 26), word, emotion; ``OA_...``, where met, is OAF."""

from __future__ import annotations

from pathlib import Path

from train.data.corpora.clip import Archive, Clip, Corpus, UnknownNameError, emotion_of

_SPEAKERS = {"OAF": "OAF", "OA": "OAF", "YAF": "YAF"}


def parse(path: Path) -> Clip:
    parts = path.stem.split("_")
    if len(parts) != 3 or parts[0] not in _SPEAKERS or not parts[1]:
        raise UnknownNameError("expected SPEAKER_word_emotion such as OAF_back_angry")
    speaker, word, emotion = parts
    return Clip(
        path=path.as_posix(),
        corpus="tess",
        speaker=f"tess-{_SPEAKERS[speaker]}",
        emotion=emotion_of(emotion),
        sentence=f"tess-{word.lower()}",
        intensity="",
        gender="female",
        channel="speech",
    )


CORPUS = Corpus(
    "tess",
    "2 actresses, 7 emotions, English, one word in a carrier phrase",
    "https://borealisdata.ca/dataset.xhtml?persistentId=doi:10.5683/SP2/E8H2MF",
    "CC BY-NC-ND 4.0",
    parse,
    language="English",
    size="2,800 clips, 0.3 GB",
    archives=(
        # Dataverse packs all files of a dataset anew for each request: no published hash, no resuming.
        Archive(
            "https://borealisdata.ca/api/access/dataset/:persistentId/?persistentId=doi:10.5683/SP2/E8H2MF",
            "TESS.zip",
            stable=False,
        ),
    ),
)
