"""WebVTT: segments as captions for the audio and video elements of a browser; channels that are kept apart are its voices."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_ser.sinks.segments import Timeline, captions, shown_label


def webvtt(timelines: Sequence[Timeline]) -> str:
    """The text of the file; only the first recording has a place in it."""
    parts = [f"WEBVTT\n\nNOTE {_escaped(timelines[0].source)}\n"]
    parts += [
        f"\n{index}\n{_time(start)} --> {_time(end)}\n{_voiced(_escaped(shown_label(segment.label)), voice)}\n"
        for index, (start, end, segment, voice) in enumerate(captions(timelines), 1)
    ]
    return "".join(parts)


def _voiced(text: str, voice: str) -> str:
    return f"<v {voice}>{text}</v>" if voice else text


def _time(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
