"""Reads a table of clips as spreadsheets write it, with their encodings, separators and headings, into rows of text by
column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from train.data.corpora.clip import AUDIO, UnknownNameError
from train.data.corpora.words import folded, is_label

_SEPARATORS = ",;\t|"
_LOOKED_AT = 200  # rows examined to identify columns without headings
# Headings without case, blanks, "_" and "-"; the earlier ones win where a table has several.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "path": (
        "path", "filepath", "file", "filename", "fname", "fullpath", "relativepath", "wav", "wavfile", "wavpath", "audio",
        "audiofile", "audiopath", "audiofilename", "clip", "clippath", "clipfile", "recording", "sound", "soundfile", "sample",
        "name", "id", "fileid", "uri", "url",
    ),
    "label": (
        "label", "emotion", "emotionlabel", "labels", "emotions", "class", "classname", "category", "emotionclass", "target",
        "emo", "affect", "mood", "feeling", "tag", "annotation", "y",
    ),
    "speaker": (
        "speaker", "speakerid", "speakername", "spk", "spkid", "spkr", "actor", "actorid", "actress", "person", "personid",
        "talker", "voice", "subject", "subjectid", "participant", "participantid", "user", "userid", "client", "clientid",
        "singer", "who",
    ),
    "sentence": ("sentence", "sentenceid", "text", "transcript", "transcription", "utterance", "phrase", "statement", "words"),
    "intensity": ("intensity", "strength", "emotionalintensity", "emotionintensity"),
    "gender": ("gender", "sex"),
    "channel": ("channel", "vocalchannel"),
}  # fmt: skip
NEEDED = ("path", "label")


class TableError(UnknownNameError):
    """A file that is no table of clips; the message has the reason."""


@dataclass(frozen=True)
class Line:
    """One row: its line in the file, and its values by column name ("path", "label", "speaker", ...), blanks cut off."""

    number: int
    values: Mapping[str, str]


def read_table(path: Path) -> list[Line]:
    """The rows of a table.

    Encodings are UTF-8, UTF-16 and, where it is none of these, Windows-1252; separators the comma, the semicolon, the tab and
    the bar. Columns are identified by their headings in any case ("Path", "file", "Emotion", "class", ...), or without known
    headings by their content: names of audio files, and words for emotions.

    Raises
    ------
    TableError : a workbook, no rows, or no column of paths or of labels
    """
    raw = path.read_bytes()
    if raw[:2] == b"PK":
        raise TableError("is a workbook; save it as CSV")
    rows, separator = _rows(_text(raw))
    if not rows:
        raise TableError("is empty")
    (first, heading), body = rows[0], rows[1:]
    if any(_names_audio(cell) for cell in heading):
        heading, body = [""] * len(heading), rows
    place = _columns(heading, [cells for _, cells in body[:_LOOKED_AT]])
    missing = [name for name in NEEDED if name not in place]
    if missing:
        has = f"it has {', '.join(map(repr, heading))}" if any(heading) else f"line {first} holds {separator.join(rows[0][1])}"
        raise TableError(f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; {has[:300]}")
    return [
        Line(number, {name: cells[i] if i < len(cells) else "" for name, i in place.items()})
        for number, cells in body
        if any(cells)
    ]


def _text(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    # Without a byte order mark, UTF-16 is recognised by the zero byte of every ASCII letter.
    head = raw[:2000]
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(head) > 4 and head[place::2].count(0) > 0.7 * (len(head) // 2):
            return raw.decode(encoding, "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _rows(text: str) -> tuple[list[tuple[int, list[str]]], str]:
    """The table's rows, each with its line, and the separator that gives the most known headings, then the most columns."""
    hint = re.match(r"\s*\"?sep=(.)\"?[^\r\n]*(\r\n|\r|\n)", text)
    skipped = 0
    if hint:
        text, skipped = text[hint.end() :], 1
    # NUL characters, which some programs leave in a text; the csv module takes them for the end of the file.
    text = text.replace("\0", "")
    best: tuple[tuple[int, int], list[tuple[int, list[str]]], str] | None = None
    for separator in hint.group(1) if hint else _SEPARATORS:
        head = next(iter(_split(text, separator, 0)), (0, []))[1]
        worth = (sum(_kind(cell) is not None or _names_audio(cell) for cell in head), len(head))
        if best is None or worth > best[0]:
            best = (worth, [], separator)
    assert best is not None
    return list(_split(text, best[2], skipped)), best[2]


def _split(text: str, separator: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num + skipped, [cell.strip().strip("\ufeff\u00a0") for cell in cells]
    except csv.Error as error:
        raise TableError(f"cannot be read as a table (line {reader.line_num + skipped}: {error})") from None


def _columns(heading: Sequence[str], body: Sequence[Sequence[str]]) -> dict[str, int]:
    """Position of each known column: by its heading, otherwise path and label by their content."""
    place: dict[str, int] = {}
    for kind, names in _NAMES.items():
        named = sorted((names.index(_bare(cell)), i) for i, cell in enumerate(heading) if _bare(cell) in names)
        if kind == "label" and len(named) > 1:
            # "label" may hold numbers where "emotion" holds words.
            named = [pair for pair in named if any(is_label(cell) for cell in _cells(body, pair[1]))] or named
        if named:
            place[kind] = named[0][1]
    tests = {"path": _names_audio, "label": is_label}
    width = max(map(len, [heading, *body]))
    for kind, fits in tests.items():
        free = [i for i in range(width) if i not in place.values()]
        found = [i for i in free if (cells := _cells(body, i)) and all(map(fits, cells))]
        if kind not in place and len(found) == 1:
            place[kind] = found[0]
    return place


def _cells(body: Sequence[Sequence[str]], column: int) -> list[str]:
    return [cells[column] for cells in body if column < len(cells) and cells[column]]


def _names_audio(cell: str) -> bool:
    return PurePosixPath(cell.replace("\\", "/")).suffix.lower() in AUDIO


def _kind(cell: str) -> str | None:
    return next((kind for kind, names in _NAMES.items() if _bare(cell) in names), None)


def _bare(heading: str) -> str:
    return folded(heading).replace("_", "")
