"""Makes names and messages from outside (devices, files, model cards, other programs) safe to show."""

from __future__ import annotations

import os
import re
import textwrap
from typing import TextIO

# Lone surrogates, as Python represents bytes of a file name that is not UTF-8. They cannot be written as UTF-8.
_SURROGATE = re.compile("[\ud800-\udfff]")
# C0 and C1 controls (terminal escapes), line and paragraph separators, zero-width and direction-changing characters.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]"
)
# Unicode tags, private planes and noncharacters: invisible, or of unknown width.
_INVISIBLE = re.compile("[\ue000-\uf8ff\ufffe\uffff\U000e0000-\U0010ffff]")


def valid(text: str) -> str:
    """The text with everything that UTF-8 cannot encode replaced by U+FFFD; controls stay."""
    return _SURROGATE.sub("\ufffd", text)


def printable(text: str) -> str:
    """The text on one line, harmless in a terminal or a page: no controls, no invisible or direction-changing characters."""
    return _INVISIBLE.sub("\ufffd", _CONTROL.sub("\ufffd", valid(text)))


def for_screen(text: str, stream: TextIO) -> str:
    """The text, broken at spaces where ``stream`` is a terminal of fewer columns, which would break it inside words."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):  # no terminal
        return text
    if columns <= 0 or len(text) <= columns:
        return text
    return textwrap.fill(text, columns, break_long_words=False, break_on_hyphens=False)


def to_install(extra: str) -> str:
    """How to install an extra, as the end of a message. The project is on no package index."""
    return f"in the clone of realtime-ser: pip install '.[{extra}]'"


def one_line(message: object, longest: int | None = None) -> str:
    """A foreign message for use in one of ours: printable, each run of white space one blank.

    Parameters
    ----------
    message : an exception, or text
    longest : in characters; the rest is cut and marked
    """
    line = printable(" ".join(str(message).split()))
    return line if longest is None or len(line) <= longest else f"{line[:longest]}…"
