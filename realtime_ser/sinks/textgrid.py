"""Praat's TextGrid, long text form: an interval tier "emotion", with empty intervals where nobody speaks.

Where the channels of a recording are streams of their own, there is a tier for each: "channel 1", "channel 2".
"""

from __future__ import annotations

from collections.abc import Sequence

from realtime_ser.sinks.segments import Timeline, first_recording, shown_label


def textgrid(timelines: Sequence[Timeline]) -> str:
    """The text of the file; only the first recording has a place in it."""
    tiers = first_recording(timelines)
    end_s = _end_s(tiers)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0 ",
        f"xmax = {_number(end_s)} ",
        "tiers? <exists> ",
        f"size = {len(tiers)} ",
        "item []: ",
    ]
    for number, tier in enumerate(tiers, 1):
        lines += _tier(tier, number, end_s)
    return "\n".join(lines) + "\n"


def _tier(timeline: Timeline, number: int, end_s: float) -> list[str]:
    intervals = _intervals(timeline, end_s)
    lines = [
        f"    item [{number}]:",
        '        class = "IntervalTier" ',
        f'        name = "{timeline.voice or "emotion"}" ',
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
    return lines


def _end_s(timelines: Sequence[Timeline]) -> float:
    """The end that all tiers share."""
    ends = [round(max([each.duration_s, *(segment.end_s for segment in each.segments)]), 6) for each in timelines]
    return max(1e-6, *ends)


def _intervals(timeline: Timeline, end_s: float) -> list[tuple[float, float, str]]:
    """Intervals (start, end, text) in seconds that tile the stream up to ``end_s`` without a gap."""
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
    if end_s > at:
        intervals.append((at, end_s, ""))
    return intervals


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return text.replace('"', '""')
