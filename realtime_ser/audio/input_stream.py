"""One opened microphone stream: a PortAudio callback on one side, a ring on the other.

At once run: PortAudio's thread (the callback; may not block), the reader (may wait), and short-lived daemon threads for calls
that can hang when a device or an audio server has died under them.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from realtime_ser.audio.ring import Ring
from realtime_ser.errors import SourceError
from realtime_ser.records import FloatArray

T = TypeVar("T")

# A buffer older than this when it arrives carries a timestamp that cannot be true.
_OLDEST_S = 10.0
_CLOSE_S = 1.0


class Daemon(Generic[T]):
    """A call in a daemon thread: its result or exception is there when ``wait`` returns True; a hang blocks no other thread.

    Parameters
    ----------
    call : what the thread does
    parked : the thread waits for ``begin``. No thread can start while the interpreter ends, but one that waits can go on.

    Raises
    ------
    SourceError : the program is ending
    """

    def __init__(self, call: Callable[[], T], *, parked: bool = False) -> None:
        self._call = call
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._begun, self._done = threading.Event(), threading.Event()
        if not parked:
            self._begun.set()
        try:
            threading.Thread(target=self._run, name="portaudio-call", daemon=True).start()
        except RuntimeError as error:
            raise SourceError("no device can be opened while the program ends") from error

    def begin(self) -> None:
        """Let a parked call begin; again is nothing."""
        self._begun.set()

    def _run(self) -> None:
        self._begun.wait()
        try:
            self._result.append(self._call())
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def wait(self, timeout: float | None) -> bool:
        """Wait up to ``timeout`` seconds (None: for ever); true when the call has ended."""
        return self._done.wait(timeout)

    def result(self) -> T:
        """What the call returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]


def capture_time(now: float, current: float, adc: float, frames: int, rate: float) -> float:
    """When the last sample of a callback's buffer was captured, on the clock of ``now``.

    Parameters
    ----------
    now : ``time.monotonic()`` seconds inside the callback
    current, adc : PortAudio's ``currentTime`` and ``inputBufferAdcTime`` (of the first sample), seconds on the stream's clock
    frames, rate : the buffer's length in samples, and Hz

    Returns
    -------
    seconds, at most ``now``; ``now`` itself when the backend gives no time (0) or one that cannot be
    """
    age = current - adc
    if not (adc > 0 and math.isfinite(adc) and 0 <= age <= _OLDEST_S):
        return now
    return min(now, now - age + frames / rate)


class Capture:
    """A running input stream.

    Parameters
    ----------
    portaudio : the ``sounddevice`` module
    device : PortAudio's index
    rate : Hz
    channels : how many to open
    block_s : seconds per callback
    ring_s : seconds the ring holds

    Raises
    ------
    portaudio.PortAudioError : the device cannot be opened like this
    SourceError : the program is ending
    """

    def __init__(self, portaudio: Any, device: int, rate: int, channels: int, block_s: float, ring_s: float) -> None:
        self.rate = rate
        self.ring = Ring(max(1, round(rate * ring_s)), channels, rate=rate)
        self._abort: type[Exception] = portaudio.CallbackAbort
        self._stream: Any = None
        # Before the stream: what is open can then be closed, whatever the interpreter is doing.
        self._closing = Daemon(self._close, parked=True)
        try:
            self._stream = portaudio.InputStream(
                device=device,
                samplerate=rate,
                channels=channels,
                dtype="float32",
                blocksize=max(1, round(rate * block_s)),
                latency="low",
                callback=self._callback,
                finished_callback=self.ring.close,
            )
        except BaseException:
            self._closing.begin()
            raise

    def start(self) -> None:
        """Let the callback run; raises PortAudioError."""
        self._stream.start()

    def _callback(self, frames: FloatArray, count: int, times: Any, status: Any) -> None:
        try:
            captured_at = capture_time(time.monotonic(), times.currentTime, times.inputBufferAdcTime, count, self.rate)
            self.ring.write(frames, captured_at, int(status.input_overflow))
        except BaseException as fault:
            self.ring.fail(fault)
            raise self._abort from fault

    @property
    def active(self) -> bool:
        """False when PortAudio has given the stream up."""
        if self.ring.closed:
            return False
        try:
            return bool(self._stream.active)
        except Exception:  # PortAudioError, or a library pulled from under us: gone either way
            return False

    def discard(self) -> bool:
        """Stop and close at once; false when PortAudio did not come back from it in a second."""
        self._closing.begin()
        return self._closing.wait(_CLOSE_S)

    def wait_closed(self) -> None:
        """Wait, for ever if need be, for what ``discard`` began."""
        self._closing.wait(None)

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)
