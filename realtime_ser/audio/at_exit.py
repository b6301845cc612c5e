"""Closes sources that are still open when the program ends.

A generator over a source that is still bound when the program ends is closed only while the interpreter takes itself apart: no
thread can start or be waited for then, and a callback of PortAudio aborts the process. So an ``atexit`` function closes before
that whatever has threads.
"""

from __future__ import annotations

import atexit
import threading
from typing import Protocol
from weakref import WeakSet


class Endable(Protocol):
    """A source with threads."""

    def stop(self) -> None:
        """Make whoever reads it leave soon; returns at once."""
        ...

    def end(self) -> None:
        """Close it after ``stop()``. Starts no thread and takes a few seconds at most."""
        ...


_open: WeakSet[Endable] = WeakSet()
_registering = threading.Lock()
_registered = False


def end_at_exit(opened: Endable) -> None:
    """End ``opened`` with the program, unless ``forget`` comes first.

    Call it after a library below has registered its own clean-up: exit functions run in reverse order.
    """
    global _registered
    with _registering:
        _open.add(opened)
        if not _registered:
            atexit.register(_end_all)
            _registered = True


def forget(opened: Endable) -> None:
    """Remove a source that is closed."""
    with _registering:
        _open.discard(opened)


def _end_all() -> None:
    with _registering:
        left = list(_open)
    for opened in left:
        opened.stop()
    for opened in left:
        opened.end()
