"""ELAN's annotation format (EAF 3.0): a time-aligned tier "emotion", or one for each channel that is a stream of its own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import PurePath

from realtime_ser.sinks.segments import Timeline, first_recording, milliseconds, shown_label

_MIME = {".wav": "audio/x-wav", ".mp3": "audio/mpeg", ".flac": "audio/flac", ".ogg": "audio/ogg", ".mp4": "video/mp4"}
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


def elan(timelines: Sequence[Timeline]) -> str:
    """The text of the file; only the first recording has a place in it."""
    slots: list[str] = []
    tiers = [_tier(timeline, slots) for timeline in first_recording(timelines)]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ANNOTATION_DOCUMENT AUTHOR="realtime-ser" DATE="{escape(timelines[0].started_at)}" FORMAT="3.0" VERSION="3.0" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">\n'
        '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">\n'
        f"{_media(timelines[0].source)}"
        f'        <PROPERTY NAME="lastUsedAnnotationId">{len(slots) // 2}</PROPERTY>\n'
        "    </HEADER>\n"
        f"    <TIME_ORDER>\n{''.join(slots)}    </TIME_ORDER>\n"
        f"{''.join(tiers)}"
        '    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="emotion" TIME_ALIGNABLE="true"/>\n'
        "</ANNOTATION_DOCUMENT>\n"
    )


def _tier(timeline: Timeline, slots: list[str]) -> str:
    """A tier; its times are appended to ``slots``, two an annotation."""
    annotations = []
    for start, end, segment in milliseconds(timeline):
        index = len(slots) // 2 + 1
        first, second = f"ts{2 * index - 1}", f"ts{2 * index}"
        slots.append(f'        <TIME_SLOT TIME_SLOT_ID="{first}" TIME_VALUE="{start}"/>\n')
        slots.append(f'        <TIME_SLOT TIME_SLOT_ID="{second}" TIME_VALUE="{end}"/>\n')
        annotations.append(
            "        <ANNOTATION>\n"
            f'            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a{index}" TIME_SLOT_REF1="{first}" TIME_SLOT_REF2="{second}">\n'
            f"                <ANNOTATION_VALUE>{escape(shown_label(segment.label))}</ANNOTATION_VALUE>\n"
            "            </ALIGNABLE_ANNOTATION>\n"
            "        </ANNOTATION>\n"
        )
    name = timeline.voice or "emotion"
    return f'    <TIER LINGUISTIC_TYPE_REF="emotion" TIER_ID="{name}">\n{"".join(annotations)}    </TIER>\n'


def _media(source: str) -> str:
    """The recording, by its name alone: ELAN looks for it beside the file. A microphone has none."""
    path = PurePath(source)
    if not path.suffix:
        return ""
    url = "./" + "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in path.name.encode("utf-8", "replace"))
    mime = _MIME.get(path.suffix.lower(), "unknown")
    return f'        <MEDIA_DESCRIPTOR MEDIA_URL="{url}" MIME_TYPE="{mime}" RELATIVE_MEDIA_URL="{url}"/>\n'
