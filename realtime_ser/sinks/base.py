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
        """Take one record; a sink ignores kinds that it does not use.

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
    """A sink with notices of its own, such as a lost or restored connection."""

    def news(self) -> list[Notice]:
        """Notices since the last call, for the other outputs. Called from the stream's thread, after every record."""
        ...
