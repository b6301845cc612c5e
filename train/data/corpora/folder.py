"""A user's own recordings: ``folder/`` (or ``folder_NAME/``, several) beside the corpora.

Either files whose folders or names contain the emotion, or a table ``clips.csv``:

- ``LABEL/file``, ``LABEL/SPEAKER/file``, ``SPEAKER/LABEL/file``, ``SPEAKER/anna_happy_01.wav`` or ``happy_01.wav``; folders
  such as ``train`` and ``wav`` around these are ignored, ``female`` and ``male`` give the gender;
- the table has a column of paths and one of labels and, if wanted, ``speaker``, ``sentence``, ``intensity``, ``gender`` and
  ``channel``; see ``clip_table``. Its paths are relative to the folder; absolute paths of another machine are matched by their
  end.

Labels are any corpus's words ("sad", "sadness", "SAD"). No split may put the same voice on both sides. So a name is one speaker
in any case and in every such folder, all folders without names are one speaker together, and where only some clips have a name
the others are not read: their voices may be the named ones.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from train.data.corpora.clip import AUDIO, Clip, Corpus, UnknownNameError, audio_files
from train.data.corpora.clip_table import Line, TableError, read_table
from train.data.corpora.words import channel_of, gender_of, intensity_of, is_gender, is_label, label_of, labels_in

TABLES = ("clips.csv", "clips.tsv", "clips.txt")
_OTHER_TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods")
_CONVERTIBLE = frozenset({".m4a", ".aac", ".mp4", ".m4b", ".webm", ".wma", ".amr", ".3gp", ".mov", ".mkv"})
# Folder names without information about a clip.
_PLAIN_NAMES = frozenset(
    (
        "train", "training", "test", "testing", "dev", "devel", "development", "val", "valid", "validation", "eval",
        "evaluation", "wav", "wavs", "flac", "mp3", "audio", "audios", "data", "dataset", "clips", "recordings", "sounds",
        "files", "raw", "speech", "all",
    )
)  # fmt: skip

LeftOut = tuple[str, str]

OWN = "folder-"  # begins a speaker's name in every such folder
UNNAMED = f"{OWN}unnamed"


def is_folder(name: str) -> bool:
    """Whether this is the name of a user's own corpus."""
    return name == "folder" or name.startswith("folder_")


def parse(path: Path) -> Clip:
    """A clip by its path, such as ``folder/LABEL/SPEAKER/file.wav``.

    Raises
    ------
    UnknownNameError : no emotion or two in it, or the speaker's folder is ambiguous
    """
    corpus, *folders = path.parts[:-1]
    folders = [part for part in folders if part.lower() not in _PLAIN_NAMES]
    genders = [part for part in folders if is_gender(part)]
    folders = [part for part in folders if part not in genders]
    label, folders = _label(folders, path.stem)
    if len(folders) > 1:
        raise UnknownNameError(
            f"which of {' and '.join(map(repr, folders))} is the speaker? expected LABEL/SPEAKER/file or SPEAKER/LABEL/file, or"
            f" a {TABLES[0]}"
        )
    gender = gender_of(genders[0]) if genders else ""
    return Clip(path.as_posix(), corpus, _speaker(folders[0] if folders else ""), label, "", "", gender, "speech")


def _label(folders: list[str], stem: str) -> tuple[str, list[str]]:
    """The label in a clip's folders, or else in its name, and the remaining folders."""
    exact = [part for part in folders if is_label(part)]
    found = list(dict.fromkeys(map(label_of, exact)))
    if exact:
        folders = [part for part in folders if part not in exact]
    else:
        inside = [part for part in folders if labels_in(part)]
        found = list(dict.fromkeys(label for part in inside for label in labels_in(part)))
        folders = [part for part in folders if part not in inside]
    found = found or labels_in(stem)
    if len(found) > 1:
        raise UnknownNameError(f"its place names more than one emotion: {', '.join(found)}")
    if found:
        return found[0], folders
    if len(folders) == 1:
        label_of(folders[0])  # raises, and names those that are known
    if folders:
        raise UnknownNameError(f"none of {', '.join(map(repr, folders))} is a known emotion; expected LABEL/SPEAKER/file")
    raise UnknownNameError(f"nothing names its emotion; expected LABEL/file or LABEL/SPEAKER/file, or a {TABLES[0]}")


def _speaker(name: str) -> str:
    return f"{OWN}{' '.join(_key(name).split())}" if name else UNNAMED


def listed(root: Path, name: str) -> tuple[list[Clip], list[LeftOut]]:
    """The clips of one folder, and the files left out with the reason.

    Parameters
    ----------
    root : the folder that holds the corpora
    name : of the folder in it
    """
    folder = root / name
    tables = sorted(path for path in folder.iterdir() if path.name.lower() in TABLES and path.is_file())
    if tables:
        clips, left_out = _from_table(root, name, tables[0])
        left_out += [(f"{name}/{other.name}", f"not read: {tables[0].name} is there") for other in tables[1:]]
    else:
        clips, left_out = [], []
        for file in audio_files(folder):
            relative = file.relative_to(root)
            try:
                clips.append(parse(relative))
            except UnknownNameError as error:
                left_out.append((relative.as_posix(), str(error)))
        named = next((clip.path for clip in clips if clip.speaker != UNNAMED), None)
        if named:
            reason = f"has no speaker's folder as {named} has, whose voice it may be; put it into its speaker's"
            left_out += [(clip.path, reason) for clip in clips if clip.speaker == UNNAMED]
            clips = [clip for clip in clips if clip.speaker != UNNAMED]
        if not clips:
            left_out += [
                (f"{name}/{path.name}", f"not read; a table of clips is called {TABLES[0]}")
                for path in sorted(folder.iterdir())
                if path.suffix.lower() in _OTHER_TABLES
            ]
    left_out += [
        (path.relative_to(root).as_posix(), f"{path.suffix} is not read; convert it: ffmpeg -i IN{path.suffix} OUT.wav")
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _CONVERTIBLE
    ]
    return clips, left_out


class _Files:
    """The audio files of a folder, by the paths that a table may use for them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.name
        self.paths = [path.relative_to(folder).as_posix() for path in audio_files(folder)]
        self._exact: dict[str, list[str]] = defaultdict(list)
        self._bare: dict[str, list[str]] = defaultdict(list)
        self._named: dict[str, list[str]] = defaultdict(list)
        for path in self.paths:
            pure = PurePosixPath(path)
            self._exact[_key(path)].append(path)
            self._bare[_key(pure.with_suffix("").as_posix())].append(path)
            for name in (pure.name, pure.stem):
                self._named[_key(name)].append(path)

    def find(self, written: str) -> str:
        """The path, relative to the folder, of a file that a table names.

        Raises
        ------
        UnknownNameError : there is none, or more than one
        """
        pure = PurePosixPath(written.replace("\\", "/").removeprefix("file://"))
        parts = [part for part in pure.parts if part != "."]
        absolute = pure.is_absolute() or (bool(parts) and parts[0][1:2] == ":")
        if ".." in parts or not parts or (pure.suffix and pure.suffix.lower() not in AUDIO and not self._known(pure)):
            raise UnknownNameError(f"{written!r} is no audio file inside this folder")
        ends = [parts]
        if absolute:
            ends = [parts[i:] for i in range(1, len(parts))]
        elif parts[0] == self._folder:
            ends.append(parts[1:])
        for end in ends:
            found = self._by("/".join(end))
            if found:
                return self._only(found, written)
        # A bare name of a file in a subfolder.
        found = self._named[_key(parts[0])] if len(parts) == 1 else []
        if not found:
            raise UnknownNameError(f"{written!r} is no file in this folder")
        return self._only(found, written)

    def _known(self, pure: PurePosixPath) -> bool:
        """A dot may belong to a name without its suffix, such as ``1.2``."""
        return bool(self._bare[_key(pure.as_posix())] or self._named[_key(pure.name)])

    def _by(self, path: str) -> list[str]:
        if path in self._exact[_key(path)]:
            return [path]
        return self._exact[_key(path)] or self._bare[_key(path)]

    def _only(self, found: list[str], written: str) -> str:
        if len(found) > 1:
            raise UnknownNameError(f"{written!r} may be {' or '.join(found[:3])}")
        return found[0]


def _key(path: str) -> str:
    """Normalise a name: other systems use another case or another Unicode form for accents."""
    return unicodedata.normalize("NFC", path).casefold()


def _from_table(root: Path, name: str, file: Path) -> tuple[list[Clip], list[LeftOut]]:
    table = f"{name}/{file.name}"
    try:
        lines = read_table(file)
        _check_speakers(lines)
    except TableError as error:
        return [], [(table, str(error))]
    files = _Files(root / name)
    clips: dict[str, Clip] = {}
    at: dict[str, int] = {}
    left_out: list[LeftOut] = []
    mentioned: set[str] = set()
    for line in lines:
        try:
            path = f"{name}/{files.find(line.values['path'])}"
            mentioned.add(path)
            clip = _clip(name, path, line)
            if path in clips:
                same = clips[path] == clip
                raise UnknownNameError(f"{path} is in line {at[path]} already{'' if same else ', with other values'}")
            clips[path], at[path] = clip, line.number
        except UnknownNameError as error:
            left_out.append((f"{table}:{line.number}", str(error)))
    left_out += _unlisted(name, files.paths, mentioned, file.name)
    return list(clips.values()), left_out


def _check_speakers(lines: Sequence[Line]) -> None:
    """Refuse a table that names some speakers: the other lines may be of the same voices."""
    blank = [line.number for line in lines if not line.values.get("speaker")]
    if blank and len(blank) < len(lines):
        more = f" (and {len(blank) - 1} more)" if len(blank) > 1 else ""
        raise TableError(
            f"names no speaker in line {blank[0]}{more} but does in others; name the speaker in every line or in none"
        )


def _unlisted(name: str, paths: Iterable[str], mentioned: set[str], table: str) -> list[LeftOut]:
    return [(f"{name}/{path}", f"not in {table}") for path in paths if f"{name}/{path}" not in mentioned]


def _clip(name: str, path: str, line: Line) -> Clip:
    values = line.values
    if not values["label"]:
        raise UnknownNameError("names no emotion")
    sentence = values.get("sentence", "")
    return Clip(
        path=path,
        corpus=name,
        speaker=_speaker(values.get("speaker", "")),
        emotion=label_of(values["label"]),
        sentence=f"{name}-{sentence}" if sentence else "",
        intensity=intensity_of(values.get("intensity", "")),
        gender=gender_of(values.get("gender", "")),
        channel=channel_of(values.get("channel", "")),
    )


CORPUS = Corpus(
    "folder",
    "your own: LABEL/*.wav, LABEL/SPEAKER/*.wav, SPEAKER/LABEL/*.wav, or clips.csv with path,label,speaker",
    "",
    "yours",
    parse,
    by_hand="put your recordings into {folder}, as LABEL/SPEAKER/*.wav or with a clips.csv of path,label,speaker",
)
