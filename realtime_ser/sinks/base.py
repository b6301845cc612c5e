"""What every output has in common."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from realtime_ser.records import Notice, Record


class Sink(Protocol):
    """An output of the stream.

    For one stream a sink sees a ``Session``, then any mix of ``Block`` (every block, before its estimates), ``Estimate``,
    ``Segment``, ``Health`` and ``Notice``, then a ``Summary``. Several streams may follow one another.

    Attributes
    ----------
    name : what it is and where it goes, for messages: ``"jsonl out.jsonl"``
    """

    name: str

    def write(self, record: Record) -> None:
        """Take one record; the kinds a sink has no use for are ignored.

        Raises
        ------
        SinkError : the output cannot be written; the sink is of no further use, but must still be closed
        """
        ...

    def close(self) -> None:
        """Finish the output. Calling it twice does no harm.

        Raises
        ------
        SinkError : what was still to be written could not be
        """
        ...


@runtime_checkable
class SinkWithNews(Sink, Protocol):
    """A sink with something to say while it works: its peer went away, or came back."""

    def news(self) -> list[Notice]:
        """Notices since the last call, for the other outputs. Called from the stream's thread, after every record."""
        ...
