"""The records of a stream as JSON: one mapping for the file, the socket and every other output that speaks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from realtime_ser.records import Block, Estimate, Health, Notice, Record, Segment, Session, Summary
from realtime_ser.sinks.text import number, plain
from realtime_ser.text import valid

_Written: TypeAlias = Estimate | Segment | Notice | Session | Summary
PROTOCOL = 1
"""Version of the objects. Fields may be added to a version; none is renamed or dropped."""


def to_json(record: Record) -> dict[str, Any] | None:
    """A record as an object of one JSON line.

    Parameters
    ----------
    record : any record of a stream

    Returns
    -------
    dict whose "type" is session, window, segment, event or summary, made of what ``json.dumps(..., allow_nan=False)`` takes:
    text is valid Unicode, and what is unknown or not a finite number is None. None for ``Block`` and ``Health``, which have no
    line. "channel" is there where the channels of a source are streams of their own.
    """
    if isinstance(record, Block | Health):
        return None
    entry = _object(record)
    if record.channel is not None:
        entry["channel"] = int(record.channel)
    return entry


def _object(record: _Written) -> dict[str, Any]:
    if isinstance(record, Estimate):
        return _window(record)
    if isinstance(record, Segment):
        return {
            "type": "segment",
            "start_s": number(record.start_s, 4),
            "end_s": number(record.end_s, 4),
            "label": valid(record.label),
            "confidence": number(record.confidence, 4),
        }
    if isinstance(record, Notice):
        return {
            "type": "event",
            "kind": valid(record.kind),
            "message": valid(record.message),
            "at_s": number(record.at_s, 4),
        }
    if isinstance(record, Session):
        return _session(record)
    return _summary(record)


def _session(record: Session) -> dict[str, Any]:
    return {
        "type": "session",
        "protocol": PROTOCOL,
        "version": valid(record.version),
        "model": valid(record.model),
        "labels": [valid(label) for label in record.labels],
        "sample_rate": record.sample_rate,
        "window_s": number(record.window_s, 4),
        "hop_s": number(record.hop_s, 4),
        "source": valid(record.source),
        "started_at": valid(record.started_at),
        "config": plain(record.config),
    }


def _window(record: Estimate) -> dict[str, Any]:
    return {
        "type": "window",
        "start_s": number(record.start_s, 4),
        "end_s": number(record.end_s, 4),
        "state": record.state,
        "label": None if record.label is None else valid(record.label),
        "confidence": number(record.confidence, 4),
        "leading": None if record.leading is None else valid(record.leading),
        "leading_confidence": number(record.leading_confidence, 4),
        "probs": _by_label(record.labels, record.probs),
        "smoothed": _by_label(record.labels, record.smoothed),
        "speech_ratio": number(record.speech_ratio, 4),
        "latency_ms": None if record.latency_s is None else number(record.latency_s * 1000.0, 2),
        "lost_samples": int(record.lost_samples),
        "level_dbfs": number(record.level_dbfs, 2),
    }


def _summary(record: Summary) -> dict[str, Any]:
    health = record.health
    return {
        "type": "summary",
        "captured_samples": int(health.captured),
        "classified_samples": int(health.classified),
        "gated_samples": int(health.gated),
        "dropped_samples": int(health.dropped),
        "pending_samples": int(health.pending),
        "windows": int(health.windows),
        "xruns": int(health.xruns),
        "latency_ms": {key: number(record.latency_ms.get(key), 2) for key in ("p50", "p95", "p99", "max")},
        "seconds_by_label": {valid(label): number(value, 3) for label, value in record.seconds_by_label.items()},
    }


def _by_label(labels: Sequence[str], values: Sequence[float]) -> dict[str, float | None]:
    # Values are empty when nobody speaks, and then so is the mapping.
    return {valid(label): number(float(value), 4) for label, value in zip(labels, values, strict=False)}
