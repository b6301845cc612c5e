"""What every source of audio looks like to the pipeline, and the check of its rate that all share."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, TypeVar

from realtime_ser.errors import SourceError
from realtime_ser.records import Block, Notice

_Self = TypeVar("_Self", bound="Source")

MIN_RATE, MAX_RATE = 1_000, 768_000


class Source(Protocol):
    """Something that yields audio. Use it in a ``with`` statement; the attributes are valid inside it.

    Attributes
    ----------
    name : name for the user (device name or file path), printable
    rate : sample rate of its blocks in Hz
    duration_s : length in seconds, or None when nobody can know (a microphone)
    channels : 1; of a source that was made to keep its channels apart, how many there are
    speed : seconds of audio a second of the clock for a live or paced source; 1 for all others
    waiting_s : seconds of the clock's worth of audio that it could hand over at once beyond the last block; 0 for one that
        hands over all that it has in one block
    """

    @property
    def name(self) -> str: ...

    @property
    def rate(self) -> int: ...

    @property
    def duration_s(self) -> float | None: ...

    @property
    def channels(self) -> int: ...

    @property
    def speed(self) -> float: ...

    @property
    def waiting_s(self) -> float: ...

    def blocks(self) -> Iterator[Block | Notice]:
        """Yield mono blocks in time order, with a ``Notice`` between them when the device goes or returns.

        The blocks of a source that keeps its channels apart have samples (n, channels).

        A block whose ``start`` lies beyond the previous block's end follows a loss. Ends at the end of the audio, or soon
        after ``stop()``, having delivered what was captured until then.

        Raises
        ------
        SourceError : the audio cannot be read, or not any further
        """
        ...

    def stop(self) -> None:
        """End ``blocks()`` soon. Any thread and any signal handler may call it, any number of times."""
        ...

    def __enter__(self: _Self) -> _Self:
        """Open the device or file; raises SourceError when that fails."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Close it; idempotent."""
        ...


def check_rate(rate: float, of: str) -> int:
    """``rate`` as an integer number of Hz, 1,000 to 768,000.

    Parameters
    ----------
    rate : sample rate in Hz
    of : what has that rate, for the message

    Raises
    ------
    SourceError : no whole number, or outside the range
    """
    try:
        whole = int(rate)
        if isinstance(rate, bool) or whole != rate:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise SourceError(f"{of}: the sample rate must be a whole number of Hz, got {rate!r}") from None
    if not MIN_RATE <= whole <= MAX_RATE:
        raise SourceError(f"{of}: a sample rate of {whole} Hz is outside {MIN_RATE} to {MAX_RATE} Hz; convert the audio first")
    return whole
