"""The timeline as coloured columns, the newest at the right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from realtime_ser.sinks.dashboard.state import Moment
from realtime_ser.sinks.dashboard.style import PLAIN, Cell, ink, joined
from realtime_ser.sinks.palette import LOST, LOST_MARK, SILENCE, SILENCE_MARK, UNSURE, UNSURE_MARK, Tint

_LEVELS = " ▁▂▃▄▅▆▇█"
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)


@dataclass(frozen=True, slots=True)
class Column:
    """The content of one column. ``key`` is a label, or "no_speech", "unsure", "lost"; "" before the stream began."""

    key: str = ""
    is_label: bool = False
    confidence: float = 0.0


def columns(moments: Sequence[Moment], now_s: float, span_s: float, count: int) -> list[Column]:
    """``count`` columns that end at ``now_s``; each takes what filled most of its time, or "lost" if anything was.

    Columns are anchored to stream time, so a picture moves by whole columns and what is past does not change its shape.
    """
    step = span_s / count
    last = math.ceil(now_s / step - 1e-9)
    weights: list[dict[tuple[str, bool], float]] = [{} for _ in range(count)]
    trust = [0.0] * count
    for moment in moments:
        if moment.lost:
            key = ("lost", False)
        elif moment.state == "speech" and moment.label is not None:
            key = (moment.label, True)
        else:
            key = (moment.state, False)
        first = max(0, math.floor(moment.start_s / step + 1e-9) - last + count)
        final = min(count, math.ceil(moment.end_s / step - 1e-9) - last + count)
        for at in range(first, final):
            begin = (last - count + at) * step
            held = max(1e-9, min(moment.end_s, begin + step) - max(moment.start_s, begin))
            weights[at][key] = weights[at].get(key, 0.0) + held
            trust[at] = max(trust[at], moment.confidence)
    found: list[Column] = []
    for held_by, confidence in zip(weights, trust, strict=True):
        if not held_by:
            found.append(Column())
            continue
        name, is_label = ("lost", False) if ("lost", False) in held_by else max(held_by, key=lambda key: held_by[key])
        found.append(Column(name, is_label, confidence if is_label or name == "unsure" else 0.0))
    return found


def strip(
    cells: Sequence[Column], tints: Mapping[str, Tint], rows: int, *, ascii_only: bool = False, colourless: bool = False
) -> list[Text]:
    """The columns as lines: the lowest with letters, those above (if any) as high as the confidence.

    In colour a letter starts each run; without colour every column has its letter, so that no information depends on colour.
    """
    lines = [_heights(cells, tints, rows - 1, row) for row in range(rows - 1)] if not ascii_only else []
    marks: list[Cell] = []
    previous = ""
    for cell in cells:
        if cell.is_label:
            tint = tints.get(cell.key) or Tint(UNSURE, "#ffffff", "*")
            shown = tint.letter if cell.key != previous or colourless else " "
            marks.append((shown, ink(tint.ink, tint.colour, bold=True)))
        elif cell.key == "lost":
            marks.append((LOST_MARK, ink("#ffffff", LOST, bold=True)))
        elif cell.key == "unsure":
            marks.append((UNSURE_MARK, ink(UNSURE)))
        elif cell.key:
            marks.append(("." if ascii_only else SILENCE_MARK, ink(SILENCE, dim=True)))
        else:
            marks.append((" ", PLAIN))
        previous = cell.key
    return [*lines, joined(marks)]


def _heights(cells: Sequence[Column], tints: Mapping[str, Tint], rows: int, row: int) -> Text:
    marks: list[Cell] = []
    for cell in cells:
        tint = tints.get(cell.key) if cell.is_label else None
        filled = round(cell.confidence * rows * 8) - 8 * (rows - 1 - row)
        mark = _LEVELS[min(8, max(0, filled))]
        # A blank takes the colour of its neighbour, so that it needs no piece of its own.
        style = ink(tint.colour if tint else UNSURE) if mark != " " else marks[-1][1] if marks else PLAIN
        marks.append((mark, style))
    return joined(marks)


def axis(span_s: float, width: int, *, ascii_only: bool = False) -> str:
    """``-60 s ... now`` under the columns, with ticks at round times, ``width`` characters."""
    wanted = span_s / max(1, width // 14)
    step = next((step for step in _STEPS_S if step >= wanted), _STEPS_S[-1])
    marks = [" "] * width
    end = "now" + ("^" if ascii_only else "┘")
    marks[-len(end) :] = end
    for index in range(1, int(span_s / step + 1e-9) + 1):
        at = round(width - 1 - index * step / span_s * width)
        label = ("|" if ascii_only else "└" if at <= 0 else "│") + f"-{index * step:g} s"
        at = max(0, at)
        room = marks[at : at + len(label) + 1]
        if all(mark == " " for mark in room) and at + len(label) < width:
            marks[at : at + len(label)] = label
    return "".join(marks)[:width]
