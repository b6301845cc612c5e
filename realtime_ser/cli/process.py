"""What belongs to the process and not to a command: threads of numpy, signals, standard streams, one-line messages."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from realtime_ser.text import for_screen, one_line

if TYPE_CHECKING:
    from realtime_ser.audio.source import Source

_LONGEST_MESSAGE = 600
_HANG_UP: int | None = getattr(signal, "SIGHUP", None)  # does not exist on Windows


def use_one_thread() -> None:
    """Keep numpy's matrix library from starting a thread per core; numpy must not have been imported yet.

    The products of a hop are too small to share: measured on two cores, the second thread spun for a third of the time, made
    nothing faster, and took the core that the audio callback needs. A user's own setting is kept.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


class Interrupt:
    """What a signal does: the first stops the source and everything is flushed, a second wish to end ends at once.

    SIGHUP is no wish: the shell and the kernel each send one when a terminal is closed.

    Attributes
    ----------
    happened : a signal came
    hung_up : SIGHUP was among them
    """

    def __init__(self) -> None:
        self.happened = self.hung_up = False
        self._wished = False
        self._source: Source | None = None
        self._ends = False

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (a signal handler's signature)
        first, self.happened = not self.happened, True
        again = False
        if number == _HANG_UP:
            self.hung_up = True
        else:
            again, self._wished = self._wished, True
        if again or (first and self._ends):
            raise KeyboardInterrupt
        # A later one may come in the midst of ``stop``, which must not run within itself.
        if first and self._source is not None:
            self._source.stop()

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """While inside, the first signal ends at once, too: a pipe that is opened to be written waits for its reader.

        Raises
        ------
        KeyboardInterrupt : there was a signal before
        """
        self._ends = True
        try:
            if self.happened:
                raise KeyboardInterrupt
            yield
        finally:
            self._ends = False

    @contextlib.contextmanager
    def stopping(self, source: Source) -> Iterator[None]:
        """While inside, a signal stops this source."""
        self._source = source
        try:
            if self.happened:
                source.stop()
            yield
        finally:
            self._source = None


@contextlib.contextmanager
def signals() -> Iterator[Interrupt]:
    """While inside, SIGINT, SIGTERM and SIGHUP (on Windows SIGBREAK) mean ``Interrupt``.

    After a SIGHUP, further ones are ignored until the process ends.
    """
    interrupt = Interrupt()
    # A command run from another thread gets no signals at all.
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    previous = {}
    if threading.current_thread() is threading.main_thread():
        # Under nohup SIGHUP is ignored, and must stay so.
        numbers = [number for number in numbers if number != _HANG_UP or signal.getsignal(number) != signal.SIG_IGN]
        previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield interrupt
    finally:
        for number, handler in previous.items():
            # The second SIGHUP of a closed terminal may come as late as here, and would change the exit code.
            signal.signal(number, signal.SIG_IGN if number == _HANG_UP and interrupt.hung_up else handler)


@contextlib.contextmanager
def native_stderr_silenced() -> Iterator[None]:
    """PortAudio's host APIs and the MP3 decoder print to file descriptor 2, across the dashboard and between our one-line
    messages; we say what matters ourselves.
    """
    stream = sys.stderr
    try:
        kept = os.dup(2)
    except OSError:  # started without a standard error
        yield
        return
    if _descriptor(stream) == 2:  # else it leads elsewhere already, as in a notebook
        sys.stderr = os.fdopen(os.dup(kept), "w", buffering=1, errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        if sys.stderr is not stream:
            sys.stderr.close()
            sys.stderr = stream
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def complain(message: str) -> None:
    """Say a fault on standard error, in one line of bounded length; a terminal gets it broken at spaces."""
    with contextlib.suppress(OSError, ValueError):
        # Bounded, because it may quote what somebody's file holds.
        print(for_screen(f"realtime-ser: {one_line(message, _LONGEST_MESSAGE)}", sys.stderr), file=sys.stderr)
