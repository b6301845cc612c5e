"""Ctrl-Z: the drawing thread gives the terminal back before the process stops, and takes it again when it goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType

_STOP: int | None = getattr(signal, "SIGTSTP", None)  # does not exist on Windows
_POLL_S = 0.05
_BACKGROUND_S = 0.25


class Suspension:
    """What SIGTSTP does, in two steps, because only the drawing thread touches the terminal.

    The first SIGTSTP sets ``wanted``; the drawing thread leaves the screen and calls ``stop``, which sends another. That one,
    or a second of the user's, stops the process as SIGTSTP does by default. The handler runs on the main thread and takes no
    lock, since it may have interrupted the owner of one.

    Attributes
    ----------
    wanted : the process is to stop
    """

    def __init__(self) -> None:
        self.wanted = False
        self._installed = False

    def install(self) -> None:
        """Handle the signal; harmless where it does not exist, is ignored or handled by another, and on other threads."""
        if _STOP is None or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(_STOP) == signal.SIG_DFL:
            signal.signal(_STOP, self._handle)
            self._installed = True

    def remove(self) -> None:
        """Leave the signal to its default again."""
        if _STOP is not None and self._installed and threading.current_thread() is threading.main_thread():
            signal.signal(_STOP, signal.SIG_DFL)
            self._installed = False

    def stop(self, ended: threading.Event, terminal: int | None) -> None:
        """Stop the process now; returns when it goes on and has the terminal, or once ``ended`` is set.

        Parameters
        ----------
        terminal : descriptor; None if unknown
        """
        if _STOP is not None:
            os.kill(os.getpid(), _STOP)
        while self.wanted and not ended.wait(_POLL_S):
            pass
        # After `bg` it goes on without the terminal, where the shell is now.
        while not _in_foreground(terminal) and not ended.wait(_BACKGROUND_S):
            pass

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (a signal handler's signature)
        if not self.wanted:
            self.wanted = True
            return
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)  # returns when the process goes on
        signal.signal(number, self._handle)
        self.wanted = False


def _in_foreground(terminal: int | None) -> bool:
    """Whether this process has the terminal; true where nobody knows."""
    if sys.platform != "win32" and terminal is not None:
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(terminal) == os.getpgrp()
    return True
