"""The microphone, through PortAudio.

A device that vanishes is announced, waited for, and picked up again under its name; the time it was away becomes a gap on the
timeline.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Generator, Iterator
from types import TracebackType

import numpy as np

from realtime_ser.audio.at_exit import end_at_exit, forget
from realtime_ser.audio.capture_time import CaptureTime
from realtime_ser.audio.downmix import CHOOSE_CHANNEL, Downmix
from realtime_ser.audio.input_stream import Capture, Daemon
from realtime_ser.audio.opener import Opener
from realtime_ser.audio.portaudio import portaudio, reason
from realtime_ser.audio.ring import Chunk, Wakeup
from realtime_ser.config import CaptureConfig
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, Notice
from realtime_ser.text import printable

_POLL_S = 0.1
# An audio server may need seconds to wake its hardware; until then, silence of the line is no fault.
_FIRST_DATA_S = 5.0
_TEARDOWN_S = 2.0
_ANSWER_S = 1.0
# At the end of the program: time for the thread that reads to leave by itself.
_READER_S = 1.0
_NOTHING = np.zeros(0, np.float32)
# A wait of ``_POLL_S`` that takes this long was no wait.
_ASLEEP_S = 1.0
# A stream that ends after this much without audio has lost it: even a slow audio server delivers more often.
_QUIET_S = 0.5


class MicSource:
    """A source over an input device, at its own rate, mixed down to mono.

    Parameters
    ----------
    device : index, a unique part of the name, or None for ``config.device`` and then the system's default
    config : block and ring length, and how patient to be with a device that vanishes
    channel : the only channel to read, from 1; None: ``config.channel``, and then all of them, mixed
    ends_after_s : end ``blocks()`` this many seconds of the clock after the first block; None: when stopped. Stream time stands
        still while a device is away, so a limit of stream time alone does not end a run.

    Re-listing devices restarts PortAudio as a whole: another ``MicSource`` in the same process loses its device for a moment
    and picks it up again.
    """

    channels: int = 1
    speed: float = 1.0
    waiting_s: float = 0.0

    def __init__(
        self,
        device: int | str | None = None,
        config: CaptureConfig | None = None,
        *,
        channel: int | None = None,
        ends_after_s: float | None = None,
    ) -> None:
        self._config = config if config is not None else CaptureConfig()
        wanted = device if device is not None else self._config.device
        self._channel = channel if channel is not None else self._config.channel
        self._ends_after_s = ends_after_s
        self._ends_at: float | None = None
        self._opener = Opener(wanted, self._config, self._channel)
        self.name = printable(str(wanted)) if wanted is not None else "microphone"
        self.rate = 0
        self.duration_s: float | None = None
        self._capture: Capture | None = None
        self._discarded: Capture | None = None
        self._reopening: Daemon[Capture] | None = None
        self._failure = ""  # of the last try to open the device again
        self._stopped = False
        self._closing = threading.RLock()
        self._left = threading.Event()
        self._reader: threading.Thread | None = None
        self._wakeup = Wakeup()
        self._time = CaptureTime(1)
        self._mixer = Downmix(1)

    def __enter__(self) -> MicSource:
        """Find and open the device; ``blocks()`` starts reading it.

        Raises
        ------
        SourceError : no PortAudio, no input device, or one that cannot be opened
        ConfigError : no such device, an ambiguous name, or a channel that the device does not have
        """
        device, self._capture = self._opener.open()
        end_at_exit(self)
        self.name, self.rate = device.name, self._capture.rate
        self._stopped = False
        self._left.clear()
        self._time, self._ends_at = CaptureTime(self.rate), None
        self._mixer = Downmix(self.rate, channel=self._channel, name=f"microphone {self.name}", advice=CHOOSE_CHANNEL)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()
        self._close()
        self._left.set()

    def end(self) -> None:
        """Close from another thread than the reader's, once that has left or had the time to. For ``at_exit``."""
        reader = self._reader
        if reader is not None and reader is not threading.current_thread() and reader.is_alive():
            self._left.wait(_READER_S)
        self._close()

    def _close(self) -> None:
        with self._closing:
            forget(self)
            captures = [capture for capture in (self._capture, self._discarded) if capture is not None]
            reopening, self._reopening = self._reopening, None
            self._capture = self._discarded = None
            hung = False
            for capture in captures:
                hung = not capture.discard() or hung
            if reopening is not None:
                if not reopening.wait(_TEARDOWN_S):
                    hung = True
                else:
                    with contextlib.suppress(Exception):  # it failed to open: nothing to close
                        hung = not reopening.result().discard() or hung
            if hung:
                # PortAudio waits for a dead server; its clean-up at exit would wait with it.
                atexit.unregister(portaudio()._exit_handler)

    def stop(self) -> None:
        """End ``blocks()`` after what was captured until now."""
        self._stopped = True
        self._wakeup.signal()
        capture = self._capture
        if capture is not None:
            capture.ring.close()

    def blocks(self) -> Iterator[Block | Notice]:
        """Yield the microphone's audio, and notices of ``device_lost``, ``device_back`` and ``paused``.

        Raises
        ------
        SourceError : not open, a fault in the callback, or a device that did not return within ``retry_for_s``
        """
        capture = self._capture
        if capture is None:
            raise SourceError(f"{self.name} is not open; read it inside a with statement")
        self._start(capture)
        while True:
            cause = yield from self._read(capture)
            if self._stopped:
                return
            lost_at, self._failure = time.monotonic(), ""
            retry_for_s = self._config.retry_for_s
            gone = f"microphone {self.name} is gone ({cause})"
            patience = f"; waiting up to {retry_for_s:g} s for its return" if retry_for_s else ""
            yield Notice("device_lost", f"{gone}{patience}", self._time.end, self.rate)
            self._discard(capture)
            returned = self._wait_for_return(lost_at) if retry_for_s else None
            if returned is None:
                yield from self._lost_at_the_end()
                if self._over():
                    return
                if not retry_for_s:
                    raise SourceError(f"{gone}; plug it in and start again")
                raise SourceError(
                    f"microphone {self.name} did not return within {retry_for_s:g} s: {self._failure}; "
                    "see that it is plugged in and that no other program holds it, and start again"
                )
            capture = self._capture = returned
            self._time.restart()
            now = time.monotonic()
            away_s = self._time.quiet_s(now) if self._time.begun else now - lost_at
            message = f"microphone {self.name} is back after {away_s:.1f} s"
            yield Notice("device_back", message, self._time.index_at(now), self.rate)

    def _lost_at_the_end(self) -> Iterator[Block]:
        """A gap up to now, as an empty block: no audio follows that would show it."""
        if self._time.begun:
            yield Block(_NOTHING, self.rate, self._time.index_at(time.monotonic()))

    def _start(self, capture: Capture) -> None:
        sd = portaudio()
        try:
            capture.start()
        except sd.PortAudioError as error:
            raise SourceError(f"microphone {self.name} does not start: {reason(error)}; try `realtime-ser doctor`") from error

    def _read(self, capture: Capture) -> Generator[Block | Notice, None, str]:
        """Yield blocks until stopped or lost; the generator's value is how it was lost."""
        received_at = heard_at = time.monotonic()
        patience = max(_FIRST_DATA_S, self._config.stall_s)
        while True:
            stopped = self._over()
            self._reader = threading.current_thread()
            began = time.monotonic()
            capture.ring.wait(_POLL_S)
            if (away_s := time.monotonic() - began) > _ASLEEP_S:
                # This program was stopped (Ctrl-Z), and not the device: wait for audio as long as ever.
                received_at += away_s
                message = f"this program was stopped for {away_s:.1f} s; what did not wait in the sound system is dropped"
                yield Notice("paused", message, self._time.end, self.rate)
            while (chunk := capture.ring.read()) is not None:
                block = self._block(chunk)
                if (notice := self._mixer.take_notice()) is not None:
                    yield notice
                yield block
                received_at = heard_at = time.monotonic()
                patience = self._config.stall_s
                if stopped:
                    break
            if stopped:
                if time.monotonic() - heard_at > _QUIET_S:
                    yield from self._lost_at_the_end()
                return ""
            if not capture.active and not capture.ring.available and not self._stopped:
                return "its stream ended"
            if time.monotonic() - received_at > patience:
                return f"no audio received for {patience:g} s"

    def _block(self, chunk: Chunk) -> Block:
        now = time.monotonic()
        start = self._time.place(chunk, now)
        if self._ends_at is None and self._ends_after_s is not None:
            self._ends_at = now + self._ends_after_s
        return Block(self._mixer.push(chunk.samples), self.rate, start, chunk.captured_at, chunk.xruns)

    def _over(self) -> bool:
        """True when stopped, or when the time is up."""
        if not self._stopped and self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.stop()
        return self._stopped

    def _wait_for_return(self, lost_at: float) -> Capture | None:
        """A capture from the same device that delivers data; None when stopped, or when the patience is at its end."""
        deadline = lost_at + self._config.retry_for_s
        while True:
            capture = self._try_again(deadline)
            if capture is not None:
                return capture
            now = time.monotonic()
            if self._sleep(min(pause_s(now - lost_at), deadline - now)) or time.monotonic() >= deadline:
                return None

    def _try_again(self, deadline: float) -> Capture | None:
        discarded, began = self._discarded, time.monotonic()
        assert discarded is not None
        attempt = self._reopening = Daemon(lambda: self._opener.reopen(discarded))
        while not attempt.wait(_POLL_S):
            if time.monotonic() - began > _ANSWER_S:
                self._failure = "the audio system does not answer"
            if self._over() or time.monotonic() >= deadline:
                return None  # still under way, perhaps for ever: __exit__ deals with it
        self._reopening = None
        try:
            capture = attempt.result()
        except Exception as error:  # absent, busy or half up: all the same, try later
            self._failure = reason(error)
            return None
        limit = min(deadline, time.monotonic() + max(_FIRST_DATA_S, self._config.stall_s))
        while not self._over() and time.monotonic() < limit and not capture.ring.ended:
            if capture.ring.wait(_POLL_S) and capture.ring.available:
                return capture
        self._failure = "it opens and delivers nothing"
        self._discard(capture)
        return None

    def _discard(self, capture: Capture) -> None:
        self._capture = None
        self._discarded = capture
        capture.discard()

    def _sleep(self, seconds: float) -> bool:
        """Sleep, or not: true as soon as stopped."""
        until = time.monotonic() + seconds
        while not self._over() and (left := until - time.monotonic()) > 0:
            self._wakeup.wait(left)
        return self._stopped


def pause_s(away_s: float) -> float:
    """How long to wait before the next try to open a device that has been away for ``away_s`` seconds.

    A try restarts PortAudio, which probes every device and takes 20 ms of CPU time. Short pauses find a device as soon as it
    returns; nobody waits at the screen for one that has long been away, so the pauses grow with the absence.
    """
    return min(max(0.2, 0.02 * away_s), 1.0)
