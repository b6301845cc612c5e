"""Praat's TextGrid, long text form: one interval tier "emotion", with empty intervals where nobody speaks."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_ser.sinks.segments import Timeline, shown_label


def textgrid(timelines: Sequence[Timeline]) -> str:
    """The text of the file; only the first stream has a place in it."""
    intervals, end_s = _intervals(timelines[0])
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0 ",
        f"xmax = {_number(end_s)} ",
        "tiers? <exists> ",
        "size = 1 ",
        "item []: ",
        "    item [1]:",
        '        class = "IntervalTier" ',
        '        name = "emotion" ',
        "        xmin = 0 ",
        f"        xmax = {_number(end_s)} ",
        f"        intervals: size = {len(intervals)} ",
    ]
    for index, (start_s, stop_s, text) in enumerate(intervals, 1):
        lines += [
            f"        intervals [{index}]:",
            f"            xmin = {_number(start_s)} ",
            f"            xmax = {_number(stop_s)} ",
            f'            text = "{_quoted(text)}" ',
        ]
    return "\n".join(lines) + "\n"


def _intervals(timeline: Timeline) -> tuple[list[tuple[float, float, str]], float]:
    """Intervals (start, end, text) that tile the stream without a gap, and its end; all in seconds."""
    intervals: list[tuple[float, float, str]] = []
    at = 0.0
    for segment in timeline.segments:
        # Bounds that are equal in samples must be equal here too, to the last digit.
        start, stop = max(at, round(segment.start_s, 6)), round(segment.end_s, 6)
        if stop <= start:
            continue
        if start > at:
            intervals.append((at, start, ""))
        intervals.append((start, stop, shown_label(segment.label)))
        at = stop
    end = max(at, round(timeline.duration_s, 6), 1e-6)
    if end > at:
        intervals.append((at, end, ""))
    return intervals, end


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return text.replace('"', '""')
