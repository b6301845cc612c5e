"""SRT (SubRip): segments as subtitles, for every player."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_ser.sinks.segments import Timeline, captions, shown_label


def srt(timelines: Sequence[Timeline]) -> str:
    """The text of the file; only the first recording has a place in it."""
    return "".join(
        f"{index}\n{_time(start)} --> {_time(end)}\n{voice and f'{voice}: '}{_text(segment.label)}\n\n"
        for index, (start, end, segment, voice) in enumerate(captions(timelines), 1)
    )


def _time(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def _text(label: str) -> str:
    # The format has no escapes: players take <i> and {\an8} for markup, and an arrow for times.
    return shown_label(label).replace("-->", "->").replace("<", "‹").replace(">", "›").replace("{", "(").replace("}", ")")
