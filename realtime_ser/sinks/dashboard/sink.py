"""The terminal dashboard: a thread that draws the latest values, so that a slow terminal never slows the engine.

Two threads meet in a ``Cell``: ``write`` (the engine's thread) leaves values there, the drawing thread takes them at its own
pace. Only the drawing thread touches the terminal, also to enter and leave the alternate screen (at Ctrl-Z, too) and to print
the end.
"""

from __future__ import annotations

import atexit
import errno
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from realtime_ser.config import DashboardConfig
from realtime_ser.errors import SinkError
from realtime_ser.records import Notice, Record
from realtime_ser.sinks.dashboard.channels import view_channels
from realtime_ser.sinks.dashboard.state import Cells
from realtime_ser.sinks.dashboard.suspend import Suspension
from realtime_ser.sinks.files import sink_error
from realtime_ser.sinks.text import closing, notice_line
from realtime_ser.text import one_line

# How long the end of a run waits for a blocked terminal.
_PATIENCE_S = 2.0


class DashboardSink:
    """Bars, level, timeline and counters, drawn 1 to 60 times a second in the alternate screen.

    Parameters
    ----------
    config : pace and length of the timeline
    console : where to draw; standard output by default
    recording : the file that ``--record`` writes, for the greeting; None when the audio is not kept
    sent_to : the outputs that send labels to other programs, for the greeting too
    monotonic : clock in seconds
    """

    def __init__(
        self,
        config: DashboardConfig,
        console: Console | None = None,
        *,
        recording: str | None = None,
        sent_to: Sequence[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = "dashboard"
        self._console = console if console is not None else Console(highlight=False, markup=False, emoji=False)
        self._cells = Cells(config.timeline_s, monotonic, recording, sent_to)
        self._period_s = 1.0 / config.frames_per_s
        self._stop = threading.Event()
        self._fault: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._suspension = Suspension()

    def write(self, record: Record) -> None:
        """Keep the record for the next picture; never waits for the terminal.

        Raises
        ------
        SinkError : the terminal is gone
        """
        if self._fault is not None and not self._closed:
            raise self._explain(self._fault)
        self._cells.put(record)
        if self._thread is None and not self._closed:
            # Here and not at construction: nothing is drawn over the messages of a start that fails.
            self._thread = threading.Thread(target=self._run, name="dashboard", daemon=True)
            atexit.register(self.close)
            if self._console.is_terminal:
                self._suspension.install()
            self._thread.start()

    def close(self) -> None:
        """Restore the terminal and print each stream's summary; waits two seconds at most."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        self._suspension.remove()
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)
            atexit.unregister(self.close)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                with self._live() as live:
                    while not (self._suspension.wanted or self._stop.wait(self._period_s)):
                        live.refresh()
                if not self._stop.is_set():
                    self._suspension.stop(self._stop, self._descriptor())
            for line in self._end():
                self._console.print(Text(line), soft_wrap=not self._console.is_terminal)
        except (Exception, SystemExit) as fault:  # rich ends a broken pipe with SystemExit
            self._fault = fault

    def _live(self) -> Live:
        # Without a terminal of its own (a recording console) there is no screen to switch.
        return Live(
            self,
            console=self._console,
            screen=self._console.is_terminal,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
            vertical_overflow="crop",
        )

    def _descriptor(self) -> int | None:
        try:
            return self._console.file.fileno()
        except (OSError, ValueError):  # no file of the system's
            return None

    def _end(self) -> Iterator[str]:
        """What stays on the terminal: each stream's summary, after what happened meanwhile."""
        said: set[Notice] = set()
        for session, summary, notices in self._cells.finished():
            for notice in notices:
                if notice not in said:  # one that concerns all channels is kept with each
                    yield notice_line(notice)
                said.add(notice)
            yield from closing(session, summary)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One picture of the size the terminal has now."""
        plain = bool(console.no_color) or console.color_system is None
        yield view_channels(
            self._cells.take(), options.size.width, options.size.height, ascii_only=options.ascii_only, colourless=plain
        )

    @staticmethod
    def _explain(fault: BaseException) -> SinkError:
        if isinstance(fault, SystemExit) or (isinstance(fault, OSError) and fault.errno in (errno.EPIPE, errno.EIO)):
            return SinkError("the terminal of the dashboard is gone", closed_by_reader=True)
        if isinstance(fault, OSError):
            return sink_error("the dashboard", fault)
        reason = one_line(fault) or type(fault).__name__
        return SinkError(f"the dashboard failed: {reason}; use --no-dashboard and report this")
