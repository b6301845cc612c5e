"""WebVTT: segments as captions for the audio and video elements of a browser."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_ser.sinks.segments import Timeline, milliseconds, shown_label


def webvtt(timelines: Sequence[Timeline]) -> str:
    """The text of the file; only the first stream has a place in it."""
    parts = [f"WEBVTT\n\nNOTE {_escaped(timelines[0].source)}\n"]
    parts += [
        f"\n{index}\n{_time(start)} --> {_time(end)}\n{_escaped(shown_label(segment.label))}\n"
        for index, (start, end, segment) in enumerate(milliseconds(timelines[0]), 1)
    ]
    return "".join(parts)


def _time(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
