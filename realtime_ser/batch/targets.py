"""Where a run over recordings writes: ``-o`` and ``--format``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from realtime_ser.batch.inputs import STDIN, Recording
from realtime_ser.batch.judge import Judged
from realtime_ser.batch.result import columns
from realtime_ser.batch.tables import WRITERS
from realtime_ser.errors import ConfigError
from realtime_ser.records import Health, Record, Segment, Session, Summary
from realtime_ser.sinks.files import sink_error
from realtime_ser.sinks.formats import Format, format_of
from realtime_ser.text import printable

Answers = Iterable[tuple[Recording, Judged]]


@dataclass(frozen=True, slots=True)
class Target:
    """One output.

    Attributes
    ----------
    path : a file, or a folder that gets a file for each recording
    form : CSV, JSON Lines and Parquet hold a row a recording, any other format its segments
    folder : whether ``path`` is one
    """

    path: Path
    form: Format
    folder: bool

    @property
    def of_rows(self) -> bool:
        """Whether it holds a row a recording, and not its segments."""
        return self.form.name in WRITERS

    def place(self, recording: Recording) -> Path:
        """A recording's file in the folder."""
        return self.path / f"{recording.place}{self.form.suffix}"


def journal_of(targets: Iterable[Target]) -> Path | None:
    """Where a run keeps what is done: beside its first output that is a file or folder; None where all are pipes or devices."""
    for target in targets:
        if target.folder:
            return target.path / ".classify.journal"
        if target.path.is_file() or not target.path.exists():
            return target.path.with_name(f"{target.path.name}.journal")
    return None


def find_targets(outputs: Sequence[str], form: str | None) -> list[Target]:
    """What ``-o`` and ``--format`` mean.

    Parameters
    ----------
    outputs : file names, or folders: what exists as one or ends with a slash
    form : name of a format, for all of them; None: by each file's suffix

    Raises
    ------
    ConfigError : an unknown format or suffix; a folder without a format; a format that lacks its library
    """
    found = []
    for output in outputs:
        folder = output.endswith(("/", os.sep)) or Path(output).is_dir()
        if folder and form is None:
            raise ConfigError(f"-o {printable(output)} is a folder: say with --format what to write there, e.g. rttm")
        known = format_of(output, form)
        known.check()
        found.append(Target(Path(output), known, folder))
    return found


def check_targets(targets: Iterable[Target], recordings: Sequence[Recording]) -> None:
    """Say before the run, and not after hours, that an output cannot be written.

    Raises
    ------
    ConfigError : several recordings into one file of a format that holds one
    SinkError : no such folder, no permission
    """
    for target in targets:
        if not target.folder and len(recordings) > 1 and not target.form.many:
            raise ConfigError(
                f"-o {target.path}: a {target.form.title} file holds one recording and there are {len(recordings)}; name a"
                f" folder: -o FOLDER/ --format {target.form.name}"
            )
        place = target.path if target.folder else target.path.parent
        try:
            if target.folder:
                place.mkdir(parents=True, exist_ok=True)
            elif target.path.is_dir():
                raise IsADirectoryError(21, "Is a directory")
            if not place.is_dir():
                raise FileNotFoundError(2, "No such file or directory")
            if not os.access(place, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise sink_error(str(target.path), error) from error


def written_files(targets: Sequence[Target], recordings: Sequence[Recording]) -> list[tuple[str, Path]]:
    """("-o", path) of every file that a run over the recordings writes, its journal included."""
    journal = journal_of(targets)
    written = [] if journal is None else [("the journal of -o", journal)]
    for target in targets:
        if target.folder:
            written += [("-o", target.place(recording)) for recording in recordings]
        else:
            written.append(("-o", target.path))
    return written


def write_target(target: Target, answers: Answers, session: Session, *, split: bool = False) -> None:
    """Write an output of all answers, whole or not at all.

    Parameters
    ----------
    target : a file
    answers : in the order of the rows
    session : of the model, for labels and rate
    split : a row has its channel

    Raises
    ------
    SinkError
    """
    if target.of_rows:
        rows = (each.row for _, judged in answers for each in judged.channels)
        WRITERS[target.form.name](target.path, rows, columns(session.labels, split=split))
        return
    sink = target.form.open(target.path)
    for recording, judged in answers:
        for record in _segments(recording, judged, session):
            sink.write(record)
    sink.close()


def write_into_folder(target: Target, recording: Recording, judged: Judged, session: Session, *, split: bool = False) -> None:
    """Write one recording's file into a folder, whole or not at all.

    Raises
    ------
    SinkError
    """
    path = target.place(recording)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise sink_error(str(path.parent), error) from error
    write_target(Target(path, target.form, folder=False), [(recording, judged)], session, split=split)


def _segments(recording: Recording, judged: Judged, session: Session) -> Iterator[Record]:
    """The records that a format of segments is made from."""
    rate = session.sample_rate
    name = recording.place if recording.path == STDIN else recording.path
    apart = len(judged.channels) > 1
    for number, each in enumerate(judged.channels, 1):
        channel = number if apart else None
        duration_s = each.captured / rate
        yield replace(session, source=name, source_rate=each.source_rate, duration_s=duration_s, channel=channel)
        for start, end, label, confidence in each.segments:
            yield Segment(start, end, rate, label, confidence, channel)
        yield Summary(Health(captured=each.captured), rate, {}, {}, channel)
