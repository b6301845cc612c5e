"""Joins cells of equal style into pieces, which are drawn several times faster than single cells."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

from rich.style import Style
from rich.text import Text

Cell = tuple[str, Style]
PLAIN = Style()


@lru_cache(maxsize=256)
def ink(colour: str, paper: str | None = None, *, bold: bool = False, dim: bool = False) -> Style:
    """A style, made once. Colours are ``#rrggbb``; ``paper`` is the background."""
    return Style(color=colour, bgcolor=paper, bold=bold or None, dim=dim or None)


def joined(cells: Iterable[Cell]) -> Text:
    """One line of cells."""
    text = Text()
    for style, run in groupby(cells, key=lambda cell: cell[1]):
        text.append("".join(mark for mark, _ in run), style)
    return text
