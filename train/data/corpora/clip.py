"""What the name of a corpus file says about the recording, in one vocabulary for every corpus."""

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
    # JL-Corpus has these beside the common ones; no shipped model knows them.
    "excited": "excited", "anxious": "anxious", "apologetic": "apologetic", "assertive": "assertive",
    "concerned": "concerned", "encouraging": "encouraging",
}  # fmt: skip


class UnknownNameError(ValueError):
    """A file name that the corpus's naming rule does not explain; the message says which part."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording.

    Attributes
    ----------
    path : file, relative to the folder that holds the corpora, with forward slashes
    corpus : name of the folder, such as "ravdess_speech"
    speaker : unique over all corpora, such as "ravdess-07"; song and speech of one actor share it
    emotion : harmonised label, such as "sad" for "sadness" and "SAD"
    sentence : what is said, unique within the corpus; "" when the name does not tell
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
    file : what it is called here
    known_hash : "md5:..." as the host publishes it; None where the host publishes none: then the first download's SHA-256 is
        recorded, reported, and held to from then on
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
    """A corpus: its folder's name, what it is, where to ask for it, and how its file names read.

    Attributes
    ----------
    parse : takes a path relative to the corpora's folder; raises ``UnknownNameError`` when the name breaks the rule
    language : spoken in it; "" where nobody knows
    size : of the original download, for people
    archives : what ``python -m train get`` may fetch; empty where it may not
    by_hand : what to do instead, where there is no archive to fetch
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
    # Apple's archiver and network drives put a shadow called ._NAME beside each file.
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO and not path.name.startswith("._"))
