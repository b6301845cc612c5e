"""Audacity's label track: a line of start, end and label each, between tabs, times in seconds."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_ser.sinks.segments import Timeline, first_recording, shown_label


def audacity(timelines: Sequence[Timeline]) -> str:
    """The text of the file; only the first recording has a place in it. The labels of channels kept apart begin with theirs."""
    found = [(part, each.voice) for each in first_recording(timelines) for part in each.segments]
    found.sort(key=lambda item: item[0].start)
    return "".join(
        f"{part.start_s:.6f}\t{part.end_s:.6f}\t{voice and f'{voice}: '}{shown_label(part.label)}\n" for part, voice in found
    )
