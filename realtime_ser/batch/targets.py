"""Where a run over recordings writes: ``-o`` and ``--format``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime_ser.batch.inputs import Recording
from realtime_ser.batch.judge import Judged
from realtime_ser.batch.replacing import replacing
from realtime_ser.batch.result import columns
from realtime_ser.batch.tables import WRITERS, parquet_library
from realtime_ser.errors import ConfigError
from realtime_ser.records import Session
from realtime_ser.sinks.files import sink_error
from realtime_ser.text import printable

# Formats of one row a recording.
ROWS = tuple(WRITERS)

Answers = Iterable[tuple[Recording, Judged]]


@dataclass(frozen=True, slots=True)
class Target:
    """One output.

    Attributes
    ----------
    path : a file, or a folder that gets a file for each recording
    form : name of the format
    folder : whether it is one
    """

    path: Path
    form: str
    folder: bool

    @property
    def journal(self) -> Path:
        """Where an interrupted run keeps what is done."""
        return self.path / ".classify.journal" if self.folder else self.path.with_name(f"{self.path.name}.journal")


def find_targets(outputs: Sequence[str], form: str | None) -> list[Target]:
    """What ``-o`` and ``--format`` mean.

    Parameters
    ----------
    outputs : file names, or folders: what exists as one or ends with a slash
    form : name of a format, for all of them; None: each file's suffix says it

    Raises
    ------
    ConfigError : an unknown format or suffix; a folder without a format; a format that lacks its library
    """
    found = []
    for output in outputs:
        path = Path(output)
        folder = output.endswith(("/", os.sep)) or path.is_dir()
        chosen = form if form is not None or folder else path.suffix.removeprefix(".").lower()
        if chosen is None:
            raise ConfigError(f"-o {printable(output)} is a folder: say with --format what to write there ({_known()})")
        if chosen not in WRITERS:
            asked = f"--format {printable(chosen)}" if form is not None else f"-o {printable(output)}"
            raise ConfigError(f"{asked} is no known format; choose one of {_known()}")
        found.append(Target(path, chosen, folder))
    if any(target.form == "parquet" for target in found):
        parquet_library()
    return found


def write_target(target: Target, answers: Answers, session: Session) -> None:
    """Write an output of all answers, whole or not at all.

    Parameters
    ----------
    target : a file
    answers : in the order of the rows
    session : of the model, for labels and rate

    Raises
    ------
    SinkError
    """
    with replacing(target.path) as file:
        WRITERS[target.form](file, (judged.row for _, judged in answers), columns(session.labels))


def write_into_folder(target: Target, recording: Recording, judged: Judged, session: Session) -> None:
    """Write one recording's file into a folder, whole or not at all.

    Raises
    ------
    SinkError
    """
    path = target.path / f"{recording.place}.{target.form}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise sink_error(str(path.parent), error) from error
    write_target(Target(path, target.form, folder=False), [(recording, judged)], session)


def check_writable(target: Target) -> None:
    """Say before the run, and not after hours, that nothing can be written there; raises SinkError."""
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


def _known() -> str:
    return ", ".join(ROWS)
