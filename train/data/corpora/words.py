"""Words for emotions, genders and intensities in users' folders and tables."""

from __future__ import annotations

import re
import unicodedata

from train.data.corpora.clip import LABELS, UnknownNameError, emotion_of

_MORE_EMOTIONS = {
    "joy": "happy", "joyful": "happy", "happily": "happy", "cheerful": "happy",
    "afraid": "fearful", "scared": "fearful", "fearfulness": "fearful",
    "mad": "angry", "angrily": "angry",
    "calmness": "calm", "relaxed": "calm",
    "neutrality": "neutral", "sadly": "sad",
    "disgusting": "disgust", "surprising": "surprised", "astonished": "surprised",
    "pleasant_surprise": "surprised", "pleasant_surprised": "surprised", "pleasantly_surprised": "surprised",
}  # fmt: skip
_GENDERS = {
    **dict.fromkeys(("female", "f", "w", "woman", "women", "girl"), "female"),
    **dict.fromkeys(("male", "m", "man", "men", "boy"), "male"),
}
_INTENSITIES = {
    **dict.fromkeys(("normal", "medium", "moderate", "low", "weak"), "normal"),
    **dict.fromkeys(("strong", "high", "intense"), "strong"),
}
_CHANNELS = {"speech": "speech", "spoken": "speech", "song": "song", "sung": "song", "singing": "song"}
_LEAST = 3  # letters of an emotion's word inside a longer name: "ps" may be anyone's initials


def label_of(text: str) -> str:
    """The harmonised label of a word such as "sad", "Sadness", "SAD" or "pleasant surprise".

    Raises
    ------
    UnknownNameError : no word for an emotion; the message lists the valid ones
    """
    word = folded(text)
    if word in _MORE_EMOTIONS:
        return _MORE_EMOTIONS[word]
    try:
        return emotion_of(word)
    except UnknownNameError:
        raise UnknownNameError(f"unknown emotion {text.strip()!r}; known are {', '.join(LABELS)}") from None


def is_label(text: str) -> bool:
    """Whether this is a word for an emotion."""
    try:
        label_of(text)
    except UnknownNameError:
        return False
    return True


def labels_in(name: str) -> list[str]:
    """The different labels whose words are parts of a name, such as ["happy"] for "ann_happy01"."""
    words = [word for word in re.findall(r"[^\W\d_]+", folded(name)) if len(word) >= _LEAST and is_label(word)]
    return list(dict.fromkeys(map(label_of, words)))


def gender_of(text: str) -> str:
    """ "female", "male" or, of an empty text, "".

    Raises
    ------
    UnknownNameError : another word
    """
    return _one_of(text, _GENDERS, "gender")


def is_gender(text: str) -> bool:
    """Whether this is a whole word for a gender; single letters are not."""
    return len(text) > 1 and folded(text) in _GENDERS


def intensity_of(text: str) -> str:
    """ "normal", "strong" or, of an empty text, ""; raises as ``gender_of``."""
    return _one_of(text, _INTENSITIES, "intensity")


def channel_of(text: str) -> str:
    """ "speech" (of an empty text too) or "song"; raises as ``gender_of``."""
    return _one_of(text, _CHANNELS, "channel") or "speech"


def folded(text: str) -> str:
    """Without case, without blanks at either end, words joined by "_", accents in one form."""
    return "_".join(re.split(r"[\s_\-]+", unicodedata.normalize("NFC", text).strip().casefold()))


def _one_of(text: str, known: dict[str, str], what: str) -> str:
    word = folded(text)
    if word and word not in known:
        raise UnknownNameError(f"{what} {text.strip()!r} is not one of {', '.join(dict.fromkeys(known.values()))}")
    return known.get(word, "")
