"""The formats of ``-o FILE``, by the file's suffix or by name. To add one: write its renderer, and add its row here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from realtime_ser.errors import ConfigError

if TYPE_CHECKING:
    from realtime_ser.sinks.base import Sink
    from realtime_ser.sinks.segments import Renderer

Target: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes
    ----------
    name, suffix : what ``--format`` and the end of a file's name say; the case of letters does not count
    title : for messages
    open : (path) -> a sink that writes the file when it is closed, whole or not at all; raises SinkError
    many : whether one file holds several recordings
    check : raises ConfigError when a library that it needs is missing
    """

    name: str
    suffix: str
    title: str
    open: Callable[[Target], Sink]
    many: bool = False
    check: Callable[[], None] = lambda: None


def format_of(path: Target, name: str | None = None) -> Format:
    """The format of a name, or else of the file's suffix.

    Raises
    ------
    ConfigError : there is none; the message lists those that exist
    """
    if name is not None:
        for known in FORMATS:
            if name.casefold() in (known.name, known.suffix[1:].casefold()):
                return known
        raise ConfigError(f"--format {name} is not known; choose from {', '.join(known.name for known in FORMATS)}")
    suffix = Path(path).suffix
    for known in FORMATS:
        if known.suffix.casefold() == suffix.casefold():
            return known
    suffixes = " ".join(known.suffix for known in FORMATS)
    raise ConfigError(f"-o {os.fspath(path)}: the name must end in one of {suffixes}, or --format NAME say what to write")


def _segments(path: Target, name: str, render: Renderer) -> Sink:
    from realtime_ser.sinks.segments import SegmentsSink

    return SegmentsSink(path, name, render)


def _rttm(path: Target) -> Sink:
    from realtime_ser.sinks.rttm import rttm

    return _segments(path, "rttm", rttm)


def _webvtt(path: Target) -> Sink:
    from realtime_ser.sinks.webvtt import webvtt

    return _segments(path, "vtt", webvtt)


def _srt(path: Target) -> Sink:
    from realtime_ser.sinks.srt import srt

    return _segments(path, "srt", srt)


def _textgrid(path: Target) -> Sink:
    from realtime_ser.sinks.textgrid import textgrid

    return _segments(path, "textgrid", textgrid)


def _elan(path: Target) -> Sink:
    from realtime_ser.sinks.elan import elan

    return _segments(path, "elan", elan)


def _audacity(path: Target) -> Sink:
    from realtime_ser.sinks.audacity import audacity

    return _segments(path, "audacity", audacity)


def _csv(path: Target) -> Sink:
    from realtime_ser.sinks.csv_file import CsvSink

    return CsvSink(path, whole=True)


def _jsonl(path: Target) -> Sink:
    from realtime_ser.sinks.jsonl import JsonlSink

    return JsonlSink(path, whole=True)


def _parquet(path: Target) -> Sink:
    from realtime_ser.sinks.parquet import ParquetSink

    return ParquetSink(path)


def _check_parquet() -> None:
    from realtime_ser.sinks.parquet import check_pyarrow

    check_pyarrow()


FORMATS = (
    Format("rttm", ".rttm", "RTTM", _rttm, many=True),
    Format("vtt", ".vtt", "WebVTT", _webvtt),
    Format("srt", ".srt", "SRT", _srt),
    Format("textgrid", ".TextGrid", "Praat TextGrid", _textgrid),
    Format("elan", ".eaf", "ELAN", _elan),
    Format("audacity", ".txt", "Audacity labels", _audacity),
    Format("csv", ".csv", "CSV", _csv, many=True),
    Format("jsonl", ".jsonl", "JSON Lines", _jsonl, many=True),
    Format("parquet", ".parquet", "Parquet", _parquet, many=True, check=_check_parquet),
)
