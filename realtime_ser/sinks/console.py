"""Plain lines, where no dashboard can be drawn."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from realtime_ser.errors import SinkError
from realtime_ser.records import Estimate, Notice, Record, Session, Summary
from realtime_ser.sinks.file_lines import silence_stdout
from realtime_ser.sinks.files import sink_error
from realtime_ser.sinks.text import clock, closing, greeting, notice_line
from realtime_ser.text import for_screen, one_line, printable

_BAR = 20


class PlainSink:
    """A line when the label or state changes, and otherwise about one a second of wall time; notices and the summary in full.

    ASCII bars and no colour codes, so it reads in any log. Where the channels of a source are streams of their own, a column
    names the one that a line is of.

    Parameters
    ----------
    stream : where the lines go
    recording : the file that ``--record`` writes, for the greeting; None when the audio is not kept
    sent_to : the outputs that send labels to other programs, for the greeting too
    about : a line after the first greeting; empty: none
    shown : gets the message of each notice that was printed, on one line
    every_s : least wall time between lines that bring no change, in seconds
    monotonic : the clock for that
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        recording: str | None = None,
        sent_to: Sequence[str] = (),
        about: str = "",
        shown: set[str] | None = None,
        every_s: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = "plain lines"
        self._stream = stream
        self._recording = recording
        self._sent_to = sent_to
        self._about = about
        self._noticed = set[str]() if shown is None else shown
        self._every_s = every_s
        self._monotonic = monotonic
        # By channel; None where there is one stream.
        self._sessions: dict[int | None, Session] = {}
        self._shown: dict[int | None, tuple[tuple[str, str | None], float]] = {}
        self._width = 12
        self._closed = False
        self._terminal = stream.isatty()  # asked now: one that hung up is none

    def write(self, record: Record) -> None:
        """Print the record if it is news.

        Raises
        ------
        SinkError : the stream cannot be written, or its reader is gone
        """
        if isinstance(record, Estimate):
            self._estimate(record)
        elif isinstance(record, Notice):
            self._print(notice_line(record))
            self._noticed.add(one_line(record.message))
        elif isinstance(record, Session):
            self._sessions[record.channel] = record
            self._shown.pop(record.channel, None)
            self._width = max([7, *(len(printable(label)) for label in record.labels)])
            self._print(greeting(record, self._recording, self._sent_to))
            if self._about:
                self._print(printable(self._about))
                self._about = ""
        elif isinstance(record, Summary):
            for line in closing(self._sessions.get(record.channel), record):
                self._print(line)

    def close(self) -> None:
        """Nothing waits to be written; the stream belongs to the caller."""
        self._closed = True

    def _estimate(self, estimate: Estimate) -> None:
        now = self._monotonic()
        key = (estimate.state, estimate.label)
        shown, shown_at = self._shown.get(estimate.channel, (None, 0.0))
        if key == shown and now - shown_at < self._every_s:
            return
        self._shown[estimate.channel] = key, now
        when = f"{estimate.end_s:9.2f} s"
        session = self._sessions.get(estimate.channel)
        if session is not None and session.duration_s:
            when += f" of {clock(session.duration_s)}"
        if estimate.channel is not None:
            when += f"  channel {estimate.channel}"
        if estimate.state == "no_speech":
            self._print(f"{when}  (nobody speaks)")
            return
        text = "not sure" if estimate.state == "unsure" else printable(estimate.label or "")
        share = min(1.0, max(0.0, estimate.confidence if estimate.confidence == estimate.confidence else 0.0))
        bar = "#" * round(share * _BAR)
        self._print(f"{when}  {text:<{self._width}} {100 * share:3.0f} %  [{bar:<{_BAR}}]")

    def _print(self, line: str) -> None:
        if self._closed:
            return
        line = for_screen(line, self._stream)
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._closed = True
            self._fail(error)

    def _fail(self, error: OSError | ValueError) -> None:
        if isinstance(error, OSError):
            # Windows reports EINVAL where others report EPIPE.
            gone = error.errno == errno.EPIPE or (sys.platform == "win32" and error.errno == errno.EINVAL)
            hung_up = self._terminal and error.errno == errno.EIO
            if not gone and not hung_up:
                raise sink_error("plain lines", error) from error
            if self._stream is sys.stdout:
                silence_stdout()
            what = "the terminal of the plain lines is gone" if hung_up else "the reader of the plain lines closed them"
            raise SinkError(what, closed_by_reader=True) from error
        raise SinkError(f"cannot write plain lines: {error}") from error
