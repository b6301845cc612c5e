"""Another source's audio at the pace of a clock, through the same ring as a microphone's."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType

from realtime_ser.audio.at_exit import end_at_exit, forget
from realtime_ser.audio.ring import Ring, Wakeup
from realtime_ser.audio.source import Source
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, FloatArray, Notice

# A producer later than this gives up catching up and sets its clock anew: a machine that slept is no reason for a flood.
_CATCH_UP_S = 0.5
# Stands in for "until woken" where a wait takes a number.
_POLL_S = 0.5
_MOST_SAMPLES = 1 << 24  # 64 MiB
_PAUSE_S = 3.0  # of the clock: longer than what the engine tolerates before it skips (stream.max_lag_s)
# At the end of the program: time for the thread that reads the source to leave.
_TEARDOWN_S = 2.0


class PacedSource:
    """A source that delivers another one's blocks at ``speed`` times real time, measured by ``time.monotonic()``.

    Parameters
    ----------
    source : what to pace; opened and closed by this one
    speed : above 0; 2 is twice real time; kept as an attribute
    block_ms : milliseconds of audio handed over at a time, as PortAudio would
    ring_s : seconds of audio that wait for a late reader before the oldest is overwritten; where ``speed`` would make less than
        three seconds of the clock of them, so much

    One thread runs from ``blocks()`` until its end or ``__exit__``: it reads the source, waits for each piece's moment and
    writes it to the ring; it alone touches the source meanwhile. Blocks carry ``captured_at``, the moment at which a
    microphone would have captured their last sample. ``blocks()`` may be called once per ``with``.

    Raises
    ------
    SourceError : a speed, block or ring that makes no sense
    """

    def __init__(self, source: Source, speed: float = 1.0, *, block_ms: float = 20.0, ring_s: float = 10.0) -> None:
        if not (speed > 0 and math.isfinite(speed)):
            raise SourceError(f"{source.name}: the speed must be a number above 0, got {speed}")
        if not (block_ms > 0 and ring_s * 1000 >= block_ms):
            raise SourceError(f"{source.name}: a ring of {ring_s} s cannot hold blocks of {block_ms} ms")
        self.name = source.name
        self.rate = source.rate
        self.duration_s = source.duration_s
        self._source = source
        self.channels = source.channels
        self.speed: float = speed
        self.waiting_s: float = 0.0
        self._block_s = block_ms / 1000
        self._ring_s = ring_s
        self._ring: Ring | None = None
        self._notices: deque[tuple[int, Notice]] = deque()  # (timeline index, notice)
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._wake_producer = Wakeup()

    @property
    def overwritten(self) -> int:
        """Samples that the reader of ``blocks`` came too late for."""
        return self._ring.overwritten if self._ring is not None else 0

    def __enter__(self) -> PacedSource:
        """Open the wrapped source; raises what it raises."""
        self._source.__enter__()
        self.name, self.rate, self.duration_s = self._source.name, self._source.rate, self._source.duration_s
        self.channels = self._source.channels
        self._stopped = False
        self._ring = Ring(max(1, round(self.rate * self._held_s())), self.channels, rate=self.rate)
        self._thread = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()
        forget(self)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._source.__exit__(kind, error, traceback)

    def end(self) -> None:
        """Stop the thread and wait for it, but not for ever. For ``at_exit``: later, a join would never return."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_TEARDOWN_S)

    def blocks(self) -> Iterator[Block | Notice]:
        """Yield blocks as they become due, and the wrapped source's notices between them.

        Raises
        ------
        SourceError : not open, or whatever went wrong in the thread, after what came before it
        """
        ring = self._ring
        if ring is None:
            raise SourceError(f"{self.name} is not open; read it inside a with statement")
        if self._thread is None:
            self._thread = threading.Thread(target=self._produce, args=(ring,), name="paced-source", daemon=True)
            end_at_exit(self)
            self._thread.start()
        delivered = 0
        while True:
            yield from self._notices_until(delivered)
            ring.wait(_POLL_S)
            finished = ring.ended
            chunk = ring.read()
            if chunk is not None:
                yield from self._notices_until(chunk.start)
                delivered = chunk.start + len(chunk.samples)
                samples = chunk.samples if self.channels > 1 else chunk.samples[:, 0]
                yield Block(samples, self.rate, chunk.start, chunk.captured_at, chunk.xruns)
            elif finished:
                yield from self._notices_until(math.inf)
                return

    def stop(self) -> None:
        """Stop the thread; ``blocks()`` ends once it has delivered what was due until now."""
        self._stopped = True
        self._source.stop()
        self._wake_producer.signal()

    def _held_s(self) -> float:
        """Seconds of audio in the ring: at a high speed more, so that a reader's short pause overwrites nothing."""
        held_s = min(min(self._ring_s, _PAUSE_S) * self.speed, _MOST_SAMPLES / (self.rate * self.channels))
        held_s = max(self._ring_s, held_s)
        # One block more than the recording, so that all of it fits.
        return held_s if self.duration_s is None else max(self._ring_s, min(held_s, self.duration_s + self._block_s))

    def _notices_until(self, index: float) -> Iterator[Notice]:
        while self._notices and self._notices[0][0] <= index:
            yield self._notices.popleft()[1]

    def _produce(self, ring: Ring) -> None:
        try:
            self._pace(ring)
        except BaseException as fault:  # of any kind: pass it on to the reader
            ring.fail(fault)
        finally:
            ring.close()

    def _pace(self, ring: Ring) -> None:
        piece = max(1, round(self.rate * self._block_s))
        origin = time.monotonic()
        written = 0  # on the timeline
        for item in self._source.blocks():
            if isinstance(item, Notice):
                self._notices.append((written, item))
                continue
            if item.start > written:
                ring.advance(item.start - written)
                written = item.start
            xruns = item.xruns
            for offset in range(0, len(item.samples), piece):
                samples: FloatArray = item.samples[offset : offset + piece]
                due = origin + (written + len(samples)) / self.rate / self.speed
                late = time.monotonic() - due
                if late > _CATCH_UP_S:
                    origin, due = origin + late, due + late
                if not self._sleep_until(due):
                    return
                ring.write(samples, due, xruns)
                written += len(samples)
                xruns = 0

    def _sleep_until(self, due: float) -> bool:
        """True at ``due``; false at once when stopped."""
        while not self._stopped:
            left = due - time.monotonic()
            if left <= 0:
                return True
            self._wake_producer.wait(left)
        return False
