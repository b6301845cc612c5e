"""Refuses a run that would write over what it reads, or two outputs into one file. Compares before anything is opened."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from realtime_ser.errors import ConfigError

# Any number of outputs may go where nothing is kept.
_BOTTOMLESS = (os.devnull, "/dev/full")

Place = str | os.PathLike[str] | int
"""A path, or a descriptor that is open already (standard input or output)."""


def check_files(inputs: Iterable[tuple[str, Place]], outputs: Iterable[tuple[str, Place]]) -> None:
    """Check that no output is an input, and that no two outputs are one file, under whatever names.

    Files are compared by the system's identity: through symbolic links, hard links and descriptors. Files that do not exist yet
    are compared by folder and name.

    Parameters
    ----------
    inputs : (what it is, where) of everything that is read: ("recording", "talk.flac")
    outputs : (how the user named it, where) of everything that will be written: ("--jsonl", "out.jsonl")

    Raises
    ------
    ConfigError : two of them are one file
    """
    written: dict[object, tuple[str, Place]] = {}
    for option, place in outputs:
        key = _identity(place)
        if key is None:
            continue
        if key in written:
            other, named = written[key]
            both = f"{_said(other, named)} and {_said(option, place)}"
            raise ConfigError(f"{both} are one file; give each output a file of its own")
        written[key] = option, place
    if not written:
        return
    for what, place in inputs:
        key = _identity(place)
        if key is not None and key in written:
            option, named = written[key]
            source = f"{what} on standard input" if isinstance(place, int) else f"{what} {os.fspath(place)}"
            raise ConfigError(f"{_said(option, named)} would overwrite the {source}; write to another file")


def same_file(one: Place, other: Place) -> bool:
    """Whether two places are one file, pipe or terminal; false for /dev/null, where nothing meets."""
    key = _identity(one)
    return key is not None and key == _identity(other)


def standard_output() -> int | None:
    """The descriptor of standard output; None in a notebook, or when it is closed."""
    try:
        return sys.stdout.fileno()
    except (AttributeError, ValueError, OSError):
        return None


def _identity(place: Place) -> object:
    """What is equal for two names of one file; None where nothing can be overwritten."""
    try:
        status = os.fstat(place) if isinstance(place, int) else Path(place).stat()
    except (OSError, ValueError):
        return None if isinstance(place, int) else _future(place)
    if stat.S_ISCHR(status.st_mode) and _is_bottomless(status):
        return None
    if not status.st_ino and not isinstance(place, int):  # some file systems on Windows do not number their files
        return os.path.normcase(os.path.realpath(place))
    return status.st_dev, status.st_ino


def _future(path: str | os.PathLike[str]) -> object:
    """Of a file that is not there yet: where a dangling link leads, by folder and name."""
    try:
        real = Path(os.path.realpath(path))
        status = real.parent.stat()
    except (OSError, ValueError):
        return None  # it cannot be created either, and opening it reports why
    name = real.name.casefold() if sys.platform in ("win32", "darwin") else real.name
    return status.st_dev, status.st_ino, name


def _is_bottomless(status: os.stat_result) -> bool:
    for path in _BOTTOMLESS:
        try:
            if Path(path).stat().st_rdev == status.st_rdev:
                return True
        except OSError:
            continue
    return False


def _said(option: str, place: Place) -> str:
    return option if isinstance(place, int) else f"{option} {os.fspath(place)}"
