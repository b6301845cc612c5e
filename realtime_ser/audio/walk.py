"""Folders and all folders in them, each once, through links too. What cannot be listed is reported."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from realtime_ser.text import printable

Files = list["os.DirEntry[str]"]


def walk(tops: Iterable[str], failed: Callable[[OSError], object], *, hidden: bool = True) -> Iterator[tuple[str, Files]]:
    """(folder, what it holds beside folders) of each of ``tops`` and of every folder in them, in no order that users know.

    A folder that several names lead to comes once: under the name without a link on the way, if it has one. So a link to a
    folder above ends nowhere.

    Parameters
    ----------
    tops : "" is the current folder, and the names then have no folder before them
    failed : called for each folder that cannot be listed
    hidden : also folders whose name begins with a dot
    """
    folders, links = deque[str](), deque[str]()
    for top in tops:
        (links if os.path.islink(top.rstrip(os.sep)) else folders).append(top)  # noqa: PTH114 (a text)
    seen: set[object] = set()
    while folders or links:
        place = folders.popleft() if folders else links.popleft()
        try:
            key = _identity(place or os.curdir)
            if key in seen:
                continue
            seen.add(key)
            with os.scandir(place or os.curdir) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            failed(error)
            continue
        files = []
        for entry in entries:
            if not _is_folder(entry):
                files.append(entry)
            elif hidden or not entry.name.startswith("."):
                # The entry's own path would begin with "./" in the current folder.
                (links if entry.is_symlink() else folders).append(os.path.join(place, entry.name))  # noqa: PTH118
        yield place, files


def is_recording(entry: os.DirEntry[str]) -> bool:
    """Whether it is a regular file, or a link that leads nowhere: the run then says which one."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))  # noqa: PTH110
    except OSError:  # a link to itself, or into a folder that may not be searched
        return True


def unread_note(errors: list[OSError]) -> str | None:
    """One line about folders that could not be listed; None when there were none."""
    if not errors:
        return None
    first = errors[0]
    more = "" if len(errors) == 1 else f" nor {len(errors) - 1} more"
    folder = printable(str(first.filename))
    return f"cannot list the folder {folder} ({first.strerror or first}){more}; the recordings in it are left out"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _identity(folder: str) -> object:
    status = os.stat(folder)  # noqa: PTH116 (a text, and many of them)
    if not status.st_ino:  # some file systems on Windows do not number their folders
        return os.path.normcase(os.path.realpath(folder))
    return status.st_dev, status.st_ino
