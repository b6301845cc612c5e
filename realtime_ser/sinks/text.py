"""Numbers and values made fit to be written, and the sentences that several outputs share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from realtime_ser.records import Notice, Session, Summary
from realtime_ser.text import printable, valid

# What stands for no emotion in ``Summary.seconds_by_label`` and ``Segment.label``, as people read it.
STATES = {"unsure": "not sure", "no_speech": "nobody speaks"}


def number(value: float | None, digits: int) -> float | None:
    """The value rounded; None for None, NaN and infinity, which JSON cannot hold."""
    if value is None or not math.isfinite(value):
        return None
    # Adding zero turns -0.0 into 0.0.
    return round(float(value), digits) + 0.0


def plain(value: Any) -> Any:
    """Any nesting of mappings and sequences as what JSON can hold; what it cannot becomes None or its text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return valid(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {valid(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return plain(value.item())
    return valid(str(value))


def clock(seconds: float) -> str:
    """``m:ss``, or ``h:mm:ss`` from an hour on."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def stream_name(session: Session) -> str:
    """The source, and its channel where that is a stream of its own."""
    name = printable(session.source)
    return name if session.channel is None else f"{name}, channel {session.channel}"


def greeting(session: Session, recording: str | None = None, sent_to: Sequence[str] = ()) -> str:
    """One line with the source and where the audio goes.

    Parameters
    ----------
    recording : the file the audio is written to, None when it is not kept
    sent_to : the outputs that send labels to other programs
    """
    source = stream_name(session)
    labels = f"; labels go to {printable(', '.join(sent_to))}" if sent_to else ""
    if session.duration_s is not None:
        return f"reading {source} ({clock(session.duration_s)}); audio stays on this machine{labels}"
    if recording is not None:
        kept = f"recorded in {printable(recording)}, none of it is sent"
        return f"listening to {source}; audio stays on this machine, {kept}{labels}"
    return f"listening to {source}; audio stays on this machine, none of it is stored or sent{labels}"


def notice_line(notice: Notice) -> str:
    """When it happened and what, on one line."""
    channel = "" if notice.channel is None else f"channel {notice.channel}  "
    return f"{notice.at_s:9.2f} s  {channel}! {printable(notice.message)}"


def closing(session: Session | None, summary: Summary) -> list[str]:
    """The end of a stream in a few short lines for people."""
    health, rate = summary.health, max(1, summary.sample_rate)
    captured = f"{health.captured / rate:.1f} s captured, {health.windows} windows"
    name = f"{stream_name(session)}: " if session is not None else ""
    dropped = f"{health.dropped / rate:.2f} s lost" if health.dropped else "nothing lost"
    measured = {key: number(summary.latency_ms.get(key), 1) for key in ("p50", "p99")}
    lines = [f"{name}{captured}, {dropped}"]
    # Emotions first, the longest in front; then what was none.
    ranked = sorted(summary.seconds_by_label.items(), key=lambda item: (item[0] in STATES, -item[1]))
    shares = [f"{STATES.get(label, printable(label))} {seconds:.1f} s" for label, seconds in ranked if seconds >= 0.05]
    lines.append("  " + (", ".join(shares) if shares else "no emotion was recognised"))
    if measured["p50"] is not None:
        lines.append(f"  latency p50 {measured['p50']} ms, p99 {measured['p99']} ms")
    if health.xruns:
        lines.append(f"  {health.xruns} overflow reports from the audio system")
    return lines


def percent(value: float) -> str:
    """A share as whole percent."""
    return f"{100 * min(1.0, max(0.0, value)):.0f} %" if math.isfinite(value) else "- %"


def headline(card: Mapping[str, Any]) -> str:
    """The model's honest score in a few words, from whatever its card holds; empty when it holds none."""
    given = card.get("headline")
    if isinstance(given, str) and given.strip():
        return printable(given.strip())
    scores = card.get("scores")
    if not isinstance(scores, Mapping):
        return ""
    value, protocol = scores.get("uar"), scores.get("protocol")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    text = f"{100 * value if value <= 1 else value:.1f} % UAR"
    return f"{text}, {printable(str(protocol))}" if protocol else text
