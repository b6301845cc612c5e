"""What fits: texts in a number of cells, sections of a picture in a number of rows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

# Priority of the sections when rows are few; higher numbers are dropped first.
_ORDER = {
    name: at
    for at, name in enumerate(("notice", "now", "bars", "footer", "timeline", "head", "level", "samples", "greeting", "model"))
}
# Sections that get a blank row before them, in this order, when rows are left.
_WISHES = ("now", "bars", "timeline", "samples", "level", "head", "notice")


def stack(sections: dict[str, list[Text]], height: int, best: Sequence[int] = ()) -> list[Text]:
    """Drop what does not fit, least important first; insert the remaining rows as blank ones between the sections.

    Parameters
    ----------
    sections : their lines by name, top to bottom
    height : rows there are
    best : the lines of "bars" in the order in which to keep them; those not in it go first
    """
    kept = {name: list(lines) for name, lines in sections.items() if lines}
    for name in sorted(kept, key=lambda item: -_ORDER[item]):
        excess = sum(map(len, kept.values())) - height
        if excess <= 0:
            break
        if name == "bars" and len(kept[name]) > excess:
            places = [at for at in best if at < len(kept[name])] or list(range(len(kept[name])))
            kept[name] = [kept[name][at] for at in sorted(places[: len(kept[name]) - excess])]
        elif len(kept) > 1:
            del kept[name]
    spare = height - sum(map(len, kept.values()))
    names = list(kept)
    gaps = dict.fromkeys(names, 0)
    for name in [name for name in _WISHES if name in kept and name != names[0]]:
        if spare > 0:
            gaps[name], spare = 1, spare - 1
    lines: list[Text] = []
    for name in names:
        if name == names[-1]:
            # Put the footer on the last row.
            lines += [Text() for _ in range(spare)]
        lines += [Text() for _ in range(gaps[name])]
        lines += kept[name]
    return lines[:height]


def fit(text: str, room: int) -> str:
    """The text in at most ``room`` cells, its end replaced by an ellipsis."""
    if cell_len(text) <= room:
        return text
    return set_cell_size(text, max(0, room - 1)).rstrip() + "…" if room > 0 else ""


def wrapped(text: str, room: int, rows: int) -> list[str]:
    """The text in at most ``rows`` lines, broken at spaces; the last one ends with an ellipsis where the rest has no room."""
    lines: list[str] = []
    words = text.split(" ")
    while words and len(lines) < rows - 1:
        count = 1
        while count < len(words) and cell_len(" ".join(words[: count + 1])) <= room:
            count += 1
        if cell_len(words[0]) > room:
            break  # it must be cut in any case
        lines.append(" ".join(words[:count]))
        words = words[count:]
    return [*lines, fit(" ".join(words), room)] if words else lines


def flow(parts: Sequence[tuple[str, Style]], room: int, between: str, *, margin: str = "") -> list[Text]:
    """The parts on as few lines of at most ``room`` cells as they need; none is broken, and further lines are indented.

    Parameters
    ----------
    parts : text and style each
    between : stands between two parts of a line
    margin : stands before each line, beside ``room``
    """
    lines: list[Text] = []
    for text, style in parts:
        used = lines[-1].cell_len - len(margin) if lines else 0
        if lines and used + len(between) + cell_len(text) <= room:
            lines[-1].append(between).append(text, style)
        else:
            lines.append(Text.assemble(margin, "  " if lines else "", (text, style)))
    return lines
