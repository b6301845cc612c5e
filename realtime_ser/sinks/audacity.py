"""Audacity's label track: a line of start, end and label each, between tabs, times in seconds."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_ser.sinks.segments import Timeline, shown_label


def audacity(timelines: Sequence[Timeline]) -> str:
    """The text of the file; only the first stream has a place in it."""
    return "".join(f"{part.start_s:.6f}\t{part.end_s:.6f}\t{shown_label(part.label)}\n" for part in timelines[0].segments)
