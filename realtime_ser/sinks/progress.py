"""A progress bar for long recordings when no dashboard runs."""

from __future__ import annotations

import contextlib

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from realtime_ser.records import Block, Record, Session, Summary
from realtime_ser.text import printable


def progress_bar(console: Console | None = None, *, transient: bool = False) -> Progress:
    """A bar with its share and the time left, not yet started; ``console`` None: standard error, so that standard output
    stays clean; ``transient``: it disappears when it stops.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console or Console(stderr=True),
        refresh_per_second=5,
        transient=transient,
    )


class ProgressSink:
    """Follows each long recording with a bar.

    Parameters
    ----------
    shortest_s : recordings shorter than this are over before a bar is read, and get none
    console : where to draw; None: standard error
    """

    def __init__(self, *, shortest_s: float = 20.0, console: Console | None = None) -> None:
        self.name = "progress bar"
        self._shortest_s = shortest_s
        self._progress = progress_bar(console)
        self._task: TaskID | None = None

    def write(self, record: Record) -> None:
        """Follow the blocks of a long recording. A terminal that went away ends the bar, not the run."""
        with contextlib.suppress(OSError):
            if isinstance(record, Session):
                # The channels of a source that are streams of their own share its blocks, and one bar.
                if record.channel in (None, 1) and record.duration_s is not None and record.duration_s >= self._shortest_s:
                    self._progress.start()
                    self._task = self._progress.add_task(printable(record.source)[-40:], total=record.duration_s)
            elif self._task is not None and isinstance(record, Block):
                self._progress.update(self._task, completed=record.end / record.rate)
            elif self._task is not None and isinstance(record, Summary):
                self._progress.stop_task(self._task)
                self._task = None

    def close(self) -> None:
        """Take the bar down."""
        with contextlib.suppress(OSError):
            self._progress.stop()
