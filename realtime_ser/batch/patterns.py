"""Patterns of file names: ``*``, ``?``, ``[...]``, and ``**`` for any depth, in which each folder counts once."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator

from realtime_ser.audio.walk import walk

_DEPTH = "**"


def matches(pattern: str, failed: Callable[[OSError], object]) -> list[str]:
    """What matches, sorted, nothing twice; folders too.

    ``glob`` alone would go round a link to a folder above forty times, and not say which folders it could not list.

    Parameters
    ----------
    pattern : relative to the current folder, or absolute
    failed : called for each folder below a ``**`` that cannot be listed
    """
    return sorted(dict.fromkeys(_matches(pattern if os.altsep is None else pattern.replace(os.altsep, os.sep), failed)))


def _matches(pattern: str, failed: Callable[[OSError], object]) -> Iterator[str]:
    parts = pattern.split(os.sep)  # noqa: PTH206 (a path would lose a "./")
    if _DEPTH not in parts:
        yield from glob.glob(pattern)  # noqa: PTH207 (a pattern may be absolute)
        return
    at = parts.index(_DEPTH)
    head = "".join(f"{part}{os.sep}" for part in parts[:at])
    tail = parts[at + 1 :]
    while tail[:1] == [_DEPTH]:
        del tail[0]
    rest = os.sep.join(tail) if tail else "*"  # noqa: PTH118
    bases = sorted(glob.glob(head)) if head else [""]  # noqa: PTH207
    for folder, _ in walk(bases, failed, hidden=False):
        inside = glob.escape(os.path.join(folder, "")) if folder else ""  # noqa: PTH118
        yield from _matches(inside + rest, failed)
