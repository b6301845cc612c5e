"""RTTM: segments as the diarization world exchanges them, one SPEAKER line each, any number of recordings in a file.

Fields: type, recording, channel, start in s, duration in s, <NA>, <NA>, label, confidence, <NA>. The channel is 1
unless the channels of a recording are streams of their own. The format has no quoting: a blank in a name becomes "_".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from realtime_ser.sinks.segments import Timeline, milliseconds, shown_label

# What the field's readers (pandas behind pyannote) would take for a missing value, for a quotation or for a comment.
_MISSING = re.compile(r"#?N/?A|-?1\.#(IND|QNAN)|-?[Nn]a[Nn]|<NA>|n/a|NULL|null|None")
_NOT_IN_A_FIELD = re.compile(r"[\s\"#]+")


def rttm(timelines: Sequence[Timeline]) -> str:
    """The text of the file; recordings of the same name get a suffix "_2"."""
    lines = []
    taken: set[str] = set()
    name = ""
    for timeline in timelines:
        stem = _field(timeline.stem)
        if timeline.channel in (None, 1):
            name, count = stem, 1
            while name in taken:
                count += 1
                name = f"{stem}_{count}"
            taken.add(name)
        # In milliseconds: pyannote drops what is shorter.
        for start, end, segment in milliseconds(timeline):
            times = f"{start / 1000:.3f} {(end - start) / 1000:.3f}"
            confidence = min(1.0, max(0.0, segment.confidence))
            label = _field(shown_label(segment.label))
            lines.append(f"SPEAKER {name} {timeline.channel or 1} {times} <NA> <NA> {label} {confidence:.4f} <NA>\n")
    return "".join(lines)


def _field(text: str) -> str:
    field = _NOT_IN_A_FIELD.sub("_", text) or "_"
    # ";;" begins a comment.
    field = f"_{field}" if field.startswith(";") else field
    return f"{field}_" if _MISSING.fullmatch(field) else field
