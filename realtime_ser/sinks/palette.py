"""One colour and one letter per emotion, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Mid-tones: each stands out on black and on white alike. Keyed by how the label begins, so that "fear" and "fearful" agree.
_KNOWN = {
    "ang": "#d64545",
    "calm": "#2fa39a",
    "disg": "#7d9b33",
    "fear": "#8f6bd1",
    "hap": "#dd9a1a",
    "joy": "#dd9a1a",
    "neu": "#94836b",
    "sad": "#4580cc",
    "sur": "#d864a6",
    "ps": "#d864a6",
    "bor": "#6f8296",
    "exc": "#e2702f",
    "cont": "#a0673f",
    "anx": "#6a78d8",
}
_OTHERS = ("#3d9bd6", "#b5892f", "#5aa65a", "#c2607e", "#7f7fd0", "#4f9f86", "#c97b4a", "#9a6fb0", "#6f9e3f", "#b06a6a")

SILENCE = "#8a8a8a"
UNSURE = "#8a8f98"
LOST = "#e5262b"
GOOD = "#3a9d5d"
WARN = "#d08a1c"
SILENCE_MARK, UNSURE_MARK, LOST_MARK = "·", "?", "x"


@dataclass(frozen=True, slots=True)
class Tint:
    """How a label is shown: ``colour`` as ``#rrggbb``, ``ink`` that reads on it, and a ``letter`` no other label has."""

    colour: str
    ink: str
    letter: str


def tints(labels: Sequence[str]) -> dict[str, Tint]:
    """A tint for each label: known emotions keep their colour whatever the model, the rest share out the others.

    Letters come from the label itself, the first free one; after that digits, then any letter of the alphabet.
    """
    letters: dict[str, str] = {}
    used: set[str] = {"X"}
    # Every label gets its first letter if it can before a second letter of another takes it.
    for label in labels:
        first = label[:1].upper()
        if first.isascii() and first.isalpha() and first not in used:
            letters[label] = first
            used.add(first)
    for label in labels:
        if label not in letters:
            wishes = [mark for mark in label.upper() if mark.isascii() and mark.isalpha()]
            free = (mark for mark in [*wishes, *"123456789", *"ABCDEFGHIJKLMNOPQRSTUVWYZ"] if mark not in used)
            letters[label] = next(free, "*")
            used.add(letters[label])
    spare = iter(_OTHERS * (1 + len(labels) // len(_OTHERS)))
    taken: set[str] = set()
    found: dict[str, Tint] = {}
    for label in labels:
        known = next((colour for start, colour in _KNOWN.items() if label.lower().startswith(start)), None)
        colour = known if known is not None and known not in taken else next(spare)
        taken.add(colour)
        found[label] = Tint(colour, _ink(colour), letters[label])
    return found


def _ink(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    # Relative luminance (ITU-R BT.709); the threshold is where black and white contrast alike with a mid-tone.
    return "#101010" if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 > 0.18 else "#ffffff"
