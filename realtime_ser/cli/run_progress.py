"""The progress bar of a run over recordings."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from realtime_ser.sinks.progress import progress_bar

if TYPE_CHECKING:
    from rich.progress import TaskID

    from realtime_ser.batch.run import Progress as RunState


class RunProgress:
    """A bar on standard error for a run over recordings, with the time left by the bytes left.

    Parameters
    ----------
    quiet : draw nothing
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar = progress_bar(transient=True)
        self._task: TaskID | None = None

    def __enter__(self) -> RunProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:  # else rich would print an empty line
            with contextlib.suppress(OSError):
                self._bar.stop()

    def show(self, state: RunState) -> None:
        """Draw the progress."""
        if self._quiet:
            return
        with contextlib.suppress(OSError):
            text = f"{state.done} of {state.total}" + (f", {state.failed} with errors" if state.failed else "")
            if self._task is None:
                self._task = self._bar.add_task(text, total=max(1, state.total_bytes))
                self._bar.start()
            self._bar.update(self._task, completed=state.done_bytes, description=text)
