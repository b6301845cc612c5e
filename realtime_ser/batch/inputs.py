"""Which recordings a command line names: files, folders, patterns, lists of files, standard input."""

from __future__ import annotations

import codecs
import glob
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import MappingProxyType

from realtime_ser.audio.ffmpeg import find_ffmpeg
from realtime_ser.audio.folder import find_files
from realtime_ser.audio.walk import unread_note
from realtime_ser.batch.patterns import matches
from realtime_ser.errors import ConfigError
from realtime_ser.text import printable

STDIN = "-"
_LONGEST = 200  # bytes; file systems take 255


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording to classify.

    Attributes
    ----------
    path : as in its row; "-" is standard input
    place : where it lies within what was named, without suffix, unlike every other's: for outputs in a folder
    size : bytes, 0 where unknown
    mtime_ns : when it was written last, by the system's clock; 0 where unknown
    """

    path: str
    place: str
    size: int
    mtime_ns: int = 0


def find_recordings(
    names: Sequence[str],
    note: Callable[[str], None] = lambda _: None,
    fault: Callable[[str], None] = lambda _: None,
    places: Mapping[str, str] = MappingProxyType({}),
) -> list[Recording]:
    """The recordings that ``names`` stand for, in the order given, none twice.

    Parameters
    ----------
    names : files (also ones that do not exist: their rows will say so); folders, for the audio files in them; patterns with
        ``*``, ``?`` or ``[...]`` (``**`` is any depth) that the shell has not replaced; ``@FILE``, a list with a name a line,
        or with zero bytes between them as ``find -print0`` writes it, and ``@-``, such a list on standard input; ``-``, a
        recording on standard input
    note : called with a line about files of a folder that cannot be read here
    fault : called with a line about folders that cannot be listed: recordings are missing then
    places : path -> place, of recordings that an interrupted run has finished; no other recording gets such a place

    Raises
    ------
    ConfigError : an empty name, a pattern or folder without any audio file, a list or folder that cannot be read, no name
    """
    found: dict[str, PurePath] = {}
    unread: list[OSError] = []
    for name in names:
        for path, place in _named(name, note, unread):
            found.setdefault(path, place)
    if (missing := unread_note(unread)) is not None:
        fault(missing)
    if not found:
        raise ConfigError("no recording named; give files, folders, patterns such as 'calls/*.wav', @list.txt or -")
    taken = {place.casefold() for place in places.values()}
    return [
        Recording(path, places[path] if path in places else _free(place, taken), *_size(path)) for path, place in found.items()
    ]


def _named(name: str, note: Callable[[str], None], unread: list[OSError]) -> Iterator[tuple[str, PurePath]]:
    """(path, place with suffix) of each recording that a name stands for."""
    if name in ("", "@"):  # as a path "" would be the current folder
        raise ConfigError(f"'{name}' names no file; give files, folders, patterns such as 'calls/*.wav', @list.txt or -")
    if name == STDIN:
        yield STDIN, PurePath("stdin")
    elif name.startswith("@"):
        for line in _lines(name[1:]):
            yield from _plain(line, note, unread)
    elif glob.has_magic(name) and not os.path.lexists(name):
        found = matches(name, unread.append)
        if not found:
            raise ConfigError(f"nothing matches the pattern {printable(name)}; {unread_note(unread) or 'check the path'}")
        fixed = PurePath(*_before_magic(PurePath(name)))
        for match in found:
            if not Path(match).is_dir():
                yield match, _within(match, fixed)
    else:
        yield from _plain(name, note, unread)


def _plain(name: str, note: Callable[[str], None], unread: list[OSError]) -> Iterator[tuple[str, PurePath]]:
    path = Path(name)
    if path.is_dir():
        found = find_files([path], with_ffmpeg=find_ffmpeg() is not None)
        unread += found.unread
        if (left_out := found.note()) is not None:
            note(left_out)
        for file in found.files:
            yield str(file), _within(str(file), path)
    else:
        yield name, PurePath(path.name or "recording")


def _lines(name: str) -> list[str]:
    try:
        data = _as_bytes(sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the list {printable(name)}: {reason}; it holds a file name a line") from error
    parts = data.split(b"\0") if b"\0" in data else [line.rstrip(b"\r") for line in data.split(b"\n")]
    names = [os.fsdecode(part) for part in parts if part.strip()]
    if not names:
        raise ConfigError(f"the list {printable(name)} names no file; it holds a file name a line")
    return names


def _as_bytes(data: bytes) -> bytes:
    """A list's names as the system writes them, also from a program of Windows; raises ValueError where that cannot be."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return os.fsencode(data.decode("utf-16"))
    pieces = data.split(b"\0")
    # A line break between zero bytes, where an editor puts none: it adds one behind the last.
    if not {b"\n", b"\r"}.isdisjoint(pieces[:-1]) or (len(pieces) > 2 and max(map(len, pieces)) == 1):
        raise ValueError("it is UTF-16 without a mark at its start, write it as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def _before_magic(path: PurePath) -> Iterator[str]:
    for part in path.parts[:-1]:
        if glob.has_magic(part):
            return
        yield part


def _within(path: str, folder: PurePath) -> PurePath:
    try:
        return PurePath(path).relative_to(folder)
    except ValueError:
        return PurePath(PurePath(path).name)


def _free(place: PurePath, taken: set[str]) -> str:
    """``place`` without suffix, as any system takes it; with it, and then a number, where another recording has that."""
    parts = [_fit(part) for part in place.parts if part not in ("..", ".", place.anchor)] or ["recording"]
    folder, name = PurePath(*parts[:-1]), parts[-1]
    free, number = folder / (PurePath(name).stem or name), 1
    while str(free).casefold() in taken:
        free = folder / (name if number == 1 else f"{name}-{number}")
        number += 1
    taken.add(str(free).casefold())
    return str(free)


def _fit(name: str) -> str:
    """A name of a file or folder without control characters, short enough for a number and a suffix behind it."""
    return printable(name).encode("utf-8")[:_LONGEST].decode("utf-8", "ignore")


def _size(path: str) -> tuple[int, int]:
    """A recording's bytes, and when it was written; of a file, as a pipe changes with every reader."""
    try:
        status = Path(path).stat() if path != STDIN else None
    except (OSError, ValueError):
        status = None
    return (status.st_size, status.st_mtime_ns) if status is not None and stat.S_ISREG(status.st_mode) else (0, 0)
