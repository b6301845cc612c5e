"""The dashboard's bars: a probability and a level, a row each."""

from __future__ import annotations

import math

from rich.text import Text

from realtime_ser.sinks.dashboard.state import FLOOR_DBFS
from realtime_ser.sinks.dashboard.style import Cell, ink, joined
from realtime_ser.sinks.palette import GOOD, LOST, SILENCE, WARN

_METER_FLOOR = -60.0
_TRACK = ink(SILENCE, dim=True)


def emotion_bar(smooth: float, raw: float | None, length: int, colour: str, *, ascii_only: bool = False) -> Text:
    """A bar of ``length`` cells for the smoothed probability, with a mark at the raw one and dots at each tenth.

    Parameters
    ----------
    smooth, raw : 0 to 1; no mark when ``raw`` is None
    """
    whole, part = divmod(round(smooth * length * 8), 8)
    filled = ["█"] * whole + (["▏▎▍▌▋▊▉"[part - 1]] if part and whole < length else [])
    if ascii_only:
        filled = ["#"] * round(smooth * length)
    tenths = {round(length * tenth / 10) for tenth in range(1, 10)} | {length - 1}
    mark = None if raw is None else min(length - 1, round(raw * (length - 1)))
    cells: list[Cell] = []
    for at in range(length):
        if at == mark:
            # Inside the bar the mark is cut out of it, outside it stands alone.
            cells.append(("|" if ascii_only else "│", ink("#ffffff", colour) if at < whole else ink(colour)))
        elif at < len(filled):
            cells.append((filled[at], ink(colour)))
        else:
            cells.append((("." if ascii_only else "·") if at in tenths else " ", _TRACK))
    return joined(cells)


def level_meter(rms_dbfs: float, peak_dbfs: float, width: int, *, receiving: bool, ascii_only: bool = False) -> Text:
    """RMS as a line from -60 dBFS to full scale, the peak as a mark on it, and the RMS in figures.

    Parameters
    ----------
    width : in cells, at least 18
    receiving : false when no audio arrives at all, which is not the same as silence
    """
    sounds = receiving and rms_dbfs > FLOOR_DBFS
    shown = f"{rms_dbfs:6.1f} dBFS" if sounds else "   no sound" if receiving else "   no audio"
    length = max(4, width - 1 - len(shown))
    place = round(length * _meter(rms_dbfs)) if sounds else 0
    mark = round((length - 1) * _meter(peak_dbfs)) if peak_dbfs > _METER_FLOOR else -1
    line, track, tick = ("=", ".", "|") if ascii_only else ("━", "─", "┃")
    cells: list[Cell] = []
    for at in range(length):
        # Green where speech sits, amber near the top, red at full scale.
        reach = _METER_FLOOR * (1 - (at + 0.5) / length)
        style = ink(GOOD if reach < -9 else WARN if reach < -1.5 else LOST)
        cells.append((tick, style) if at == mark else (line, style) if at < place else (track, _TRACK))
    return joined(cells).append(f" {shown}")


def _meter(level_dbfs: float) -> float:
    """A level as a share of the meter."""
    return min(1.0, max(0.0, 1 - level_dbfs / _METER_FLOOR)) if math.isfinite(level_dbfs) else 0.0
