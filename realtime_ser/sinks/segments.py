"""What the formats of annotation programs share: the segments of each stream, gathered and written when the run ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from realtime_ser.errors import ConfigError
from realtime_ser.records import Estimate, Record, Segment, Session, Summary
from realtime_ser.sinks.base import Sink
from realtime_ser.sinks.files import WholeFile
from realtime_ser.text import one_line, printable


@dataclass(slots=True)
class Timeline:
    """The segments of one stream.

    Attributes
    ----------
    source : name of the file or device, for the user; printable
    channel : of the source, from 1, where its channels are streams of their own, which follow one another
    segments : in order of time; they do not overlap, and where nobody speaks there is none
    duration_s : length of the stream, at least to the end of the last segment
    started_at : ISO 8601, or empty
    """

    source: str
    segments: list[Segment] = field(default_factory=list)
    duration_s: float = 0.0
    started_at: str = ""
    channel: int | None = None

    @property
    def voice(self) -> str:
        """The name of the channel; empty where there is one stream."""
        return "" if self.channel is None else f"channel {self.channel}"

    @property
    def stem(self) -> str:
        """The source's name without folder and suffix."""
        return stem_of(self.source)


Renderer = Callable[[Sequence[Timeline]], str]
"""One or more streams as the text of a file."""


class SegmentsSink:
    """Gathers segments and writes them when it is closed: whole or not at all. A run that never began writes nothing.

    Memory grows with the number of segments: about 200 bytes for each, one every few seconds of speech.

    Parameters
    ----------
    path : the file, readable by its owner alone
    kind : name of the format, for messages
    render : makes the text

    Raises
    ------
    SinkError : nothing can be written there
    """

    def __init__(self, path: str | os.PathLike[str], kind: str, render: Renderer) -> None:
        self.name = f"{kind} {printable(os.fspath(path))}"
        self._file = WholeFile(path)
        self._render = render
        self._timelines: list[Timeline] = []
        self._latest: dict[int | None, Timeline] = {}  # by channel
        self._closed = False

    def write(self, record: Record) -> None:
        """Keep a segment, and how long its stream is."""
        if isinstance(record, Session):
            timeline = Timeline(printable(record.source), started_at=record.started_at, channel=record.channel)
            self._timelines.append(timeline)
            self._latest[record.channel] = timeline
        elif isinstance(record, Segment | Estimate | Summary) and record.channel in self._latest:
            timeline = self._latest[record.channel]
            if isinstance(record, Segment):
                timeline.segments.append(record)
            end_s = record.health.captured / max(1, record.sample_rate) if isinstance(record, Summary) else record.end_s
            timeline.duration_s = max(timeline.duration_s, end_s)

    def close(self) -> None:
        """Write the file.

        Raises
        ------
        SinkError : full disk
        """
        if self._closed:
            return
        self._closed = True
        if self._timelines:
            self._file.save(self._render(self._timelines).encode("utf-8", "replace"))
        else:
            self._file.discard()


class FolderSink:
    """A file for each stream, in one folder, named after the recording. Where two have one name, the second gets "-2".

    Parameters
    ----------
    folder : made if it is not there
    names : source -> name of its file, see ``names_in``; a stream of another source gets a name when it begins. Sources that
        differ only in characters that cannot be shown take theirs in order
    suffix : of the files
    make : (path) -> the sink of one file

    Raises
    ------
    ConfigError : the folder cannot be made
    """

    def __init__(
        self, folder: str | os.PathLike[str], names: Mapping[str, str], suffix: str, make: Callable[[Path], Sink]
    ) -> None:
        self.name = f"files in {printable(os.fspath(folder))}"
        self._folder = Path(folder)
        # A stream's source is printable, so two recordings may have one.
        self._left: dict[str, list[str]] = {}
        for source, name in names.items():
            self._left.setdefault(printable(source), []).append(name)
        self._taken = {name.casefold() for name in names.values()}
        self._suffix = suffix
        self._make = make
        self._sink: Sink | None = None
        self._open: set[int | None] = set()  # channels of the stream under way
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make the folder {os.fspath(folder)}: {error.strerror or error}; name another") from error

    def write(self, record: Record) -> None:
        """Begin a file at each session; it is written at its summary.

        Raises
        ------
        SinkError : full disk, or a folder that may not be written
        """
        if isinstance(record, Session) and record.channel in (None, 1):
            self.close()
            left = self._left.get(printable(record.source))
            name = left.pop(0) if left else _free_name(record.source, self._suffix, self._taken)
            self._sink = self._make(self._folder / name)
        if self._sink is not None:
            self._sink.write(record)
        if isinstance(record, Session):
            self._open.add(record.channel)
        elif isinstance(record, Summary):
            self._open.discard(record.channel)
            if not self._open:
                self.close()

    def close(self) -> None:
        """Write the file under way.

        Raises
        ------
        SinkError : full disk
        """
        sink, self._sink = self._sink, None
        self._open.clear()
        if sink is not None:
            sink.close()


def names_in(sources: Iterable[str], suffix: str) -> dict[str, str]:
    """A file name for each source, all different also where the case of letters does not count: "talk.rttm", "talk-2.rttm"."""
    taken: set[str] = set()
    return {source: _free_name(source, suffix, taken) for source in dict.fromkeys(sources)}


def _free_name(source: str, suffix: str, taken: set[str]) -> str:
    """The name of a source's file, unlike all in ``taken`` (casefolded), which it joins."""
    stem = stem_of(source)
    name, count = f"{stem}{suffix}", 1
    while name.casefold() in taken:
        count += 1
        name = f"{stem}-{count}{suffix}"
    taken.add(name.casefold())
    return name


def stem_of(source: str) -> str:
    """The name of a file without folder and suffix, printable and short enough to be a file's name; never empty."""
    stem = printable(Path(source).stem)
    # Names may have 255 bytes; a number and a suffix follow.
    return stem.encode("utf-8")[:200].decode("utf-8", "ignore") or "stream"


def shown_label(label: str) -> str:
    """A label as one line that is never empty."""
    return one_line(label) or "?"


def first_recording(timelines: Sequence[Timeline]) -> list[Timeline]:
    """The first stream, and the other channels of the same source."""
    count = next((at for at, each in enumerate(timelines) if at and each.channel in (None, 1)), len(timelines))
    return list(timelines[:count])


def captions(timelines: Sequence[Timeline]) -> list[tuple[int, int, Segment, str]]:
    """Start and end in milliseconds, segment and voice of everything in the first recording, in order of time."""
    found = [(*span, each.voice) for each in first_recording(timelines) for span in milliseconds(each)]
    return sorted(found, key=lambda caption: caption[0])


def milliseconds(timeline: Timeline) -> list[tuple[int, int, Segment]]:
    """Start and end of each segment in whole milliseconds: each at least 1 ms long, in order and without overlap."""
    spans = []
    last = 0
    for segment in timeline.segments:
        start = max(last, round(segment.start_s * 1000))
        last = max(start + 1, round(segment.end_s * 1000))
        spans.append((start, last, segment))
    return spans
