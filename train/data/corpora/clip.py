"""A recording's metadata from its file name, in one vocabulary for every corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from realtime_ser.audio.folder import SUFFIXES

# The label set of every shipped model, in the order of its outputs.
LABELS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")

_EMOTIONS = {
    "anger": "angry", "angry": "angry", "ang": "angry",
    "calm": "calm",
    "disgust": "disgust", "disgusted": "disgust", "dis": "disgust",
    "fear": "fearful", "fearful": "fearful", "fea": "fearful",
    "happiness": "happy", "happy": "happy", "hap": "happy",
    "neutral": "neutral", "neu": "neutral",
    "sadness": "sad", "sad": "sad",
    "surprise": "surprised", "surprised": "surprised", "ps": "surprised",
    "boredom": "bored", "bored": "bored",
    # Further labels of JL-Corpus, which no shipped model has.
    "excited": "excited", "anxious": "anxious", "apologetic": "apologetic", "assertive": "assertive",
    "concerned": "concerned", "encouraging": "encouraging",
}  # fmt: skip


class UnknownNameError(ValueError):
    """A file name that does not match the corpus's naming rule; the message names the part."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording.

    Attributes
    ----------
    path : file, relative to the folder that holds the corpora, with forward slashes
    corpus : name of the folder, such as "ravdess_speech"
    speaker : unique over all corpora, such as "ravdess-07"; song and speech of one actor share it
    emotion : harmonised label, such as "sad" for "sadness" and "SAD"
    sentence : spoken text, unique within the corpus; "" when the name does not contain it
    intensity : "normal", "strong" or ""
    gender : "female", "male" or ""
    channel : "speech" or "song"
    """

    path: str
    corpus: str
    speaker: str
    emotion: str
    sentence: str
    intensity: str
    gender: str
    channel: str


def emotion_of(text: str) -> str:
    """Harmonised label of a corpus's own word ("sadness", "SAD" and "sad" are one).

    Raises
    ------
    UnknownNameError : a word that no corpus uses
    """
    try:
        return _EMOTIONS[text.lower()]
    except KeyError:
        raise UnknownNameError(f"unknown emotion {text!r}") from None


@dataclass(frozen=True, slots=True)
class Archive:
    """A ZIP file that a corpus's own host offers.

    Attributes
    ----------
    url : where
    file : local name
    known_hash : "md5:..." as the host publishes it; None where the host publishes none: then the first download's SHA-256 is
        recorded, reported, and checked from then on
    size : bytes, 0 where not known
    stable : False where the host packs the archive anew for each request, so that its bytes may differ each time
    """

    url: str
    file: str
    known_hash: str | None = None
    size: int = 0
    stable: bool = True


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus: folder name, description, source, and parser of its file names.

    Attributes
    ----------
    parse : takes a path relative to the corpora's folder; raises ``UnknownNameError`` when the name breaks the rule
    language : spoken in it; "" if unknown
    size : of the original download, for people
    archives : files that ``python -m train get`` fetches; empty where that is not allowed
    by_hand : manual steps, where there is no archive to fetch
    """

    name: str
    about: str
    url: str
    licence: str
    parse: Callable[[Path], Clip]
    language: str = ""
    size: str = ""
    archives: tuple[Archive, ...] = ()
    by_hand: str = ""


AUDIO = SUFFIXES  # what the live path reads


def audio_files(folder: Path) -> Iterable[Path]:
    """Every audio file under a folder, in the order of its path."""
    # macOS puts a metadata file called ._NAME beside each file in archives and on network drives.
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO and not path.name.startswith("._"))
