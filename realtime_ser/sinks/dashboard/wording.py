"""The dashboard's sentences, as long as there is room."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len

from realtime_ser.records import Session
from realtime_ser.sinks.dashboard.layout import fit
from realtime_ser.sinks.text import greeting, headline
from realtime_ser.text import printable

# What makes the headline of a shipped card fit 80 columns, in turn, with both of its figures.
_HEADLINE = ((" once the voice is known$", " voice known"), (r"(people never met) \(\w+\)", r"\1"))
# What makes the greeting fit, in turn: where the audio goes is kept the longest, the name is also at the top.
_GREETING = (
    (r"^(listening|reading) .*?(?=; audio stays)", r"\1"),
    (r", none of it is stored or sent", ", not stored, not sent"),
    (r", none of it is sent", ", not sent"),
    ("stays on this machine", "stays here"),
    (r"^(listening|reading); ", ""),
    ("^audio stays here, (?=recorded)", ""),
    (r"recorded in .*[/\\]", "recorded in "),
)


def greeting_in(room: int, session: Session, recording: str | None, sent_to: Sequence[str]) -> str:
    """``greeting`` in at most ``room`` cells."""
    return _shorter(greeting(session, recording, sent_to), room, _GREETING)


def model_in(room: int, session: Session) -> str:
    """Name and honest score of the model in at most ``room`` cells."""
    score = headline(session.card)
    return _shorter(f"model {printable(session.model)}" + (f": {score}" if score else ""), room, _HEADLINE)


def _shorter(text: str, room: int, steps: Sequence[tuple[str, str]]) -> str:
    for long, short in steps:
        if cell_len(text) > room:
            text = re.sub(long, short, text)
    return fit(text, room)
