"""The ring between the audio thread and the reader: one of the two places where threads meet.

One producer (a PortAudio callback or a pacing thread) and one consumer run at once. The producer never waits: it copies, moves
an index and wakes the reader with a lock used as a flag. The reader copies out and only afterwards looks whether the producer
came around meanwhile; what it touched is thrown away and counted. Both rely on CPython making a single attribute store or load
atomic and ordered.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from realtime_ser.errors import SourceError
from realtime_ser.records import FloatArray
from realtime_ser.text import one_line

_MARKS = 1024


class Wakeup:
    """A one-slot signal that any thread or signal handler may set without ever waiting.

    ``threading.Event`` is not it: its ``set`` takes a lock that the interrupted thread may hold.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def signal(self) -> None:
        """Wake the waiter, now or when it next waits."""
        if self._lock.locked():
            # Another thread may have signalled between the two lines, which is as good.
            with contextlib.suppress(RuntimeError):
                self._lock.release()

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds; true when signalled."""
        return self._lock.acquire(timeout=max(0.0, timeout))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What one read found.

    Attributes
    ----------
    samples : float32 (n, channels), a copy, consecutive
    start : index of ``samples[0]`` on the timeline, at the ring's rate
    captured_at : ``time.monotonic()`` seconds of the last sample, or None when the producer gave no times
    xruns : overflows that the producer reported since the previous read
    """

    samples: FloatArray
    start: int
    captured_at: float | None
    xruns: int


class Ring:
    """A preallocated buffer that overwrites its oldest samples when the reader is late.

    Parameters
    ----------
    capacity : samples per channel
    channels : at least 1
    rate : Hz, to compute the capture time of a sample inside a write
    """

    def __init__(self, capacity: int, channels: int = 1, *, rate: int) -> None:
        if capacity < 1 or channels < 1 or rate < 1:
            raise ValueError(f"capacity, channels and rate must be positive, got {capacity}, {channels}, {rate}")
        self.capacity, self.channels, self.rate = capacity, channels, rate
        self._buffer = np.zeros((capacity, channels), dtype=np.float32)
        # The producer's: positions count stored samples, gaps excluded.
        self._claimed = 0  # everything below claimed - capacity is being, or was, overwritten
        self._end = 0  # everything below is readable
        self._xruns = 0
        self._gaps: deque[tuple[int, int]] = deque()  # (position, samples lost before it)
        self._mark_end = np.zeros(_MARKS, dtype=np.int64)
        self._mark_time = np.zeros(_MARKS, dtype=np.float64)
        self._marks = 0
        self._fault: BaseException | None = None
        self._closed = False
        # The consumer's.
        self._read = 0
        self._gap_total = 0
        self._xruns_seen = 0
        self._overwritten = 0
        self._wakeup = Wakeup()

    # --- producer ---

    def write(self, frames: FloatArray, captured_at: float | None = None, xruns: int = 0) -> None:
        """Store samples; never waits.

        Parameters
        ----------
        frames : float32 (n, channels), or (n,) for one channel
        captured_at : ``time.monotonic()`` seconds of the last of them
        xruns : overflows that the audio system reported with them
        """
        if frames.ndim == 1:
            frames = frames[:, None]
        count = len(frames)
        end = self._end + count
        kept = min(count, self.capacity)
        at = (end - kept) % self.capacity
        head = min(kept, self.capacity - at)
        self._claimed = end  # before the copy, so that a concurrent reader can detect it
        self._buffer[at : at + head] = frames[count - kept : count - kept + head]
        if head < kept:
            self._buffer[: kept - head] = frames[count - kept + head :]
        if captured_at is not None and count:
            slot = self._marks % _MARKS
            self._mark_end[slot] = end
            self._mark_time[slot] = captured_at
            self._marks += 1
        self._xruns += xruns
        self._end = end
        self._wakeup.signal()

    def advance(self, count: int) -> None:
        """Declare ``count`` samples lost here: the timeline jumps, the buffer does not change."""
        if count < 0:
            raise ValueError(f"a gap cannot be negative, got {count}")
        if count:
            self._gaps.append((self._end, count))

    def fail(self, fault: BaseException) -> None:
        """Hand an exception to the reader, who gets it after what was stored before it."""
        self._fault = fault
        self._wakeup.signal()

    def close(self) -> None:
        """Say that nothing more will come. Any thread and any signal handler may call it."""
        self._closed = True
        self._wakeup.signal()

    # --- consumer ---

    @property
    def available(self) -> int:
        """Samples waiting to be read."""
        return min(self._end - self._read, self.capacity)

    @property
    def overwritten(self) -> int:
        """Samples that the reader came too late for, as known at its last read."""
        return self._overwritten

    @property
    def ended(self) -> bool:
        """True when the producer is done (closed or failed) and everything stored has been read."""
        return (self._closed or self._fault is not None) and self._end == self._read

    @property
    def closed(self) -> bool:
        """True once ``close`` was called; samples may still wait."""
        return self._closed

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for samples, a fault or the end; true when there is something."""
        deadline = time.monotonic() + timeout
        while not (self._end > self._read or self._closed or self._fault is not None):
            if not self._wakeup.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                return False
        return True

    def read(self, limit: int | None = None) -> Chunk | None:
        """Take the oldest waiting samples, up to a gap and at most ``limit`` of them; None when there are none.

        Raises
        ------
        SourceError : the producer failed, and everything before that has been read
        """
        fault = self._fault  # before the index: whatever precedes the fault is then visible
        end = self._end
        self._skip_to(min(max(self._read, self._claimed - self.capacity), end))
        if self._read >= end:
            if fault is not None:
                if isinstance(fault, SourceError):
                    raise fault
                reason = one_line(fault)
                raise SourceError(f"audio capture failed: {type(fault).__name__}: {reason}") from fault
            return None
        start = self._read
        self._pass_gaps(start)
        if self._gaps:
            end = min(end, self._gaps[0][0])
        if limit is not None:
            end = min(end, start + limit)
        samples = self._copy(start, end)
        torn = min(max(0, self._claimed - self.capacity - start), end - start)
        self._overwritten += torn
        self._read = end
        samples, start = samples[torn:], start + torn
        if not len(samples):
            return self.read(limit)
        xruns, self._xruns_seen = self._xruns - self._xruns_seen, self._xruns
        return Chunk(samples, start + self._gap_total, self._time_of(end), xruns)

    def _skip_to(self, position: int) -> None:
        self._overwritten += position - self._read
        self._read = position

    def _pass_gaps(self, position: int) -> None:
        while self._gaps and self._gaps[0][0] <= position:
            self._gap_total += self._gaps.popleft()[1]

    def _copy(self, start: int, end: int) -> FloatArray:
        count = end - start
        at = start % self.capacity
        head = min(count, self.capacity - at)
        samples = np.empty((count, self.channels), dtype=np.float32)
        samples[:head] = self._buffer[at : at + head]
        samples[head:] = self._buffer[: count - head]
        return samples

    def _time_of(self, end: int) -> float | None:
        """Capture time of the sample before position ``end``, counted back from the nearest write at or after it."""
        newest = self._marks - 1
        if newest < 0:
            return None
        best = newest
        # The slot about to be reused may be half written: leave it out.
        for mark in range(newest, max(-1, newest - _MARKS + 2), -1):
            if self._mark_end[mark % _MARKS] < end:
                break
            best = mark
        slot = best % _MARKS
        return float(self._mark_time[slot]) - (int(self._mark_end[slot]) - end) / self.rate
