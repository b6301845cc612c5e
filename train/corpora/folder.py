"""A user's own recordings: ``folder/`` (or ``folder_NAME/``, several) beside the corpora.

Either ``LABEL/*.wav`` or ``LABEL/SPEAKER/*.wav``, or a table ``clips.csv`` with the columns ``path,label,speaker`` and, if
wanted, ``sentence``, ``intensity``, ``gender`` and ``channel``; its paths are relative to the folder.
Labels are any corpus's words ("sad", "sadness", "SAD"). Where nothing names the speakers the whole folder counts as one, so
that no split can put the same voice on both sides.
"""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

from train.corpora.clip import AUDIO, Clip, Corpus, UnknownNameError, audio_files, emotion_of

TABLE = "clips.csv"
_NEEDED = ("path", "label", "speaker")
_CHOICES = {"intensity": ("normal", "strong", ""), "gender": ("female", "male", ""), "channel": ("speech", "song", "")}


def is_folder(name: str) -> bool:
    """Is this the name of a user's own corpus?"""
    return name == "folder" or name.startswith("folder_")


def parse(path: Path) -> Clip:
    """``folder/LABEL/file.wav`` or ``folder/LABEL/SPEAKER/file.wav``."""
    if len(path.parts) not in (3, 4):
        raise UnknownNameError("expected LABEL/file or LABEL/SPEAKER/file")
    corpus, label = path.parts[:2]
    who = path.parts[2] if len(path.parts) == 4 else "unnamed"
    return Clip(path.as_posix(), corpus, f"{corpus}-{who}", emotion_of(label), "", "", "", "speech")


def listed(root: Path, name: str) -> tuple[list[Clip], list[tuple[str, str]]]:
    """The clips of one folder, and what is left out with the reason.

    Parameters
    ----------
    root : the folder that holds the corpora
    name : of the folder in it
    """
    folder = root / name
    clips: list[Clip] = []
    left_out: list[tuple[str, str]] = []
    if not (folder / TABLE).is_file():
        for file in audio_files(folder):
            relative = file.relative_to(root)
            try:
                clips.append(parse(relative))
            except UnknownNameError as error:
                left_out.append((relative.as_posix(), str(error)))
        return clips, left_out
    table = f"{name}/{TABLE}"
    with (folder / TABLE).open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [column for column in _NEEDED if column not in (reader.fieldnames or [])]
        if missing:
            return [], [(table, f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")]
        for line in reader:
            try:
                clips.append(_clip(name, line))
            except UnknownNameError as error:
                left_out.append((f"{table}:{reader.line_num}", str(error)))
    known = {clip.path for clip in clips}
    unlisted = [path.relative_to(root).as_posix() for path in audio_files(folder)]
    left_out += [(path, f"not in {TABLE}") for path in unlisted if path not in known]
    return clips, left_out


def _clip(name: str, line: dict[str, str | None]) -> Clip:
    values = {key: (value or "").strip() for key, value in line.items() if key}
    path = PurePosixPath(values["path"].replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or path.suffix.lower() not in AUDIO:
        raise UnknownNameError(f"{values['path']!r} is no audio file inside this folder")
    for key, allowed in _CHOICES.items():
        if values.get(key, "") not in allowed:
            raise UnknownNameError(f"{key} {values[key]!r} is not one of {', '.join(filter(None, allowed))}")
    sentence = values.get("sentence", "")
    return Clip(
        path=f"{name}/{path}",
        corpus=name,
        speaker=f"{name}-{values['speaker'] or 'unnamed'}",
        emotion=emotion_of(values["label"]),
        sentence=f"{name}-{sentence}" if sentence else "",
        intensity=values.get("intensity", ""),
        gender=values.get("gender", ""),
        channel=values.get("channel", "") or "speech",
    )


CORPUS = Corpus(
    "folder",
    "your own: LABEL/*.wav, LABEL/SPEAKER/*.wav, or clips.csv with path,label,speaker",
    "",
    "yours",
    parse,
    by_hand="put your recordings into {folder}, as LABEL/SPEAKER/*.wav or with a clips.csv of path,label,speaker",
)
