"""The microphone, through PortAudio. The only module that imports sounddevice.

A device that vanishes is announced, waited for, and picked up again under its name; the time it was away becomes a gap on the
timeline.
"""

from __future__ import annotations

import atexit
import contextlib
import time
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any

from realtime_ser.audio.capture import Capture, Daemon
from realtime_ser.audio.devices import Device, find_device, install_hint, list_devices
from realtime_ser.audio.downmix import downmix
from realtime_ser.audio.ring import Chunk, Wakeup
from realtime_ser.audio.source import printable
from realtime_ser.config import CaptureConfig
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, Notice

_POLL_S = 0.1
# An audio server may need seconds to wake its hardware; until then, silence of the line is no fault.
_FIRST_DATA_S = 5.0
_TEARDOWN_S = 2.0
# A jump of the capture clock below this is jitter, above it what an overflow lost.
_JITTER_S = 0.005
# A device that was suspended for a moment reports no overflow. Both clocks must tell of such a pause: the capture clock alone
# jumps when an audio server moves the stream, and the arrival alone when it delivers late.
_PAUSE_S = 0.1


def portaudio() -> Any:
    """The ``sounddevice`` module, which loads and starts the PortAudio library.

    Raises
    ------
    SourceError : the library is not there or does not start; the message says what to install on this platform
    """
    try:
        import sounddevice
    except (OSError, ImportError) as error:
        raise SourceError(f"the PortAudio library is missing, so no microphone can be read; {install_hint()}") from error
    except Exception as error:  # PortAudioError lives in the module that failed to import
        raise SourceError(f"PortAudio does not start: {_reason(error)}; see that the audio server runs") from error
    return sounddevice


class MicSource:
    """A source over an input device, at its own rate, mixed down to mono.

    Parameters
    ----------
    device : index, a unique part of the name, or None for ``config.device`` and then the system's default
    config : block and ring length, and how patient to be with a device that vanishes

    Re-listing devices restarts PortAudio as a whole: another ``MicSource`` in the same process loses its device for a moment
    and picks it up again.
    """

    def __init__(self, device: int | str | None = None, config: CaptureConfig | None = None) -> None:
        self._config = config if config is not None else CaptureConfig()
        self._wanted = device if device is not None else self._config.device
        self.name = printable(str(self._wanted)) if self._wanted is not None else "microphone"
        self.rate = 0
        self.duration_s: float | None = None
        self._device: Device | None = None
        self._channels = 1
        self._capture: Capture | None = None
        self._discarded: Capture | None = None
        self._reopening: Daemon[Capture] | None = None
        self._stopped = False
        self._wakeup = Wakeup()
        # The timeline: ring positions of the present capture, plus what was lost before it.
        self._offset = 0
        self._end = 0
        self._ring_end = 0
        self._captured_at: float | None = None
        self._read_at = 0.0

    def __enter__(self) -> MicSource:
        """Find and open the device; it is heard from ``blocks()`` on.

        Raises
        ------
        SourceError : no PortAudio, no input device, or one that cannot be opened
        ConfigError : no such device, or an ambiguous name
        """
        portaudio()
        self._device = find_device(self._wanted, list_devices(probe_rates=False))
        self.name = self._device.name
        self._capture = self._open_any_rate(self._device)
        self.rate, self._channels = self._capture.rate, self._capture.ring.channels
        self._stopped = False
        self._offset = self._end = self._ring_end = 0
        self._captured_at = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()
        capture, self._capture = self._capture, None
        hung = capture is not None and not capture.discard()
        if self._reopening is not None:
            if not self._reopening.wait(_TEARDOWN_S):
                hung = True
            else:
                with contextlib.suppress(Exception):  # it failed to open: nothing to close
                    hung = not self._reopening.result().discard() or hung
            self._reopening = None
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
        """Yield what the microphone hears, and notices of ``device_lost`` and ``device_back``.

        Raises
        ------
        SourceError : not open, a fault in the callback, or a device that did not return within ``retry_for_s``
        """
        capture = self._capture
        if capture is None:
            raise SourceError(f"{self.name} is not open; read it inside a with statement")
        self._start(capture)
        while True:
            reason = yield from self._hear(capture)
            if self._stopped:
                return
            lost_at = time.monotonic()
            patience = f"waiting up to {self._config.retry_for_s:g} s for its return"
            yield Notice("device_lost", f"microphone {self.name} is gone ({reason}); {patience}", self._end, self.rate)
            self._discard(capture)
            returned = self._wait_for_return(lost_at)
            if returned is None:
                return
            capture = self._capture = returned
            away = time.monotonic() - (self._captured_at or lost_at)
            back_at = self._end + round(away * self.rate)
            yield Notice("device_back", f"microphone {self.name} is back after {away:.1f} s", back_at, self.rate)

    def _start(self, capture: Capture) -> None:
        sd = portaudio()
        try:
            capture.start()
        except sd.PortAudioError as error:
            raise SourceError(f"microphone {self.name} does not start: {_reason(error)}; try `realtime-ser doctor`") from error

    def _hear(self, capture: Capture) -> Generator[Block, None, str]:
        """Yield blocks until stopped or lost; the generator's value says how it was lost."""
        heard_at, patience = time.monotonic(), max(_FIRST_DATA_S, self._config.stall_s)
        while True:
            stopped = self._stopped
            capture.ring.wait(_POLL_S)
            while (chunk := capture.ring.read()) is not None:
                yield self._block(chunk)
                heard_at, patience = time.monotonic(), self._config.stall_s
                if stopped:
                    break
            if stopped:
                return ""
            if not capture.active and not capture.ring.available and not self._stopped:
                return "its stream ended"
            if time.monotonic() - heard_at > patience:
                return f"nothing heard for {patience:g} s"

    def _block(self, chunk: Chunk) -> Block:
        count = len(chunk.samples)
        start = chunk.start + self._offset
        now = time.monotonic()
        quiet_s, self._read_at = now - self._read_at - count / self.rate, now
        if self._captured_at is not None and chunk.captured_at is not None:
            # What the ring lost is in chunk.start already; what the system lost shows on the capture clock.
            known = chunk.start + count - self._ring_end
            lost_s = chunk.captured_at - self._captured_at - known / self.rate
            paused = min(lost_s, quiet_s) > _PAUSE_S
            if self._ring_end == 0 or paused or (chunk.xruns and lost_s > _JITTER_S):
                lost = max(0, round(lost_s * self.rate))
                self._offset += lost
                start += lost
        self._ring_end = chunk.start + count
        self._end = start + count
        self._captured_at = chunk.captured_at
        return Block(downmix(chunk.samples), self.rate, start, chunk.captured_at, chunk.xruns)

    def _wait_for_return(self, lost_at: float) -> Capture | None:
        """A capture from the same device that delivers data, or None when stopped."""
        deadline = lost_at + self._config.retry_for_s
        while True:
            capture = self._try_again(deadline)
            if capture is not None:
                self._offset, self._ring_end = self._end, 0
                return capture
            now = time.monotonic()
            if self._sleep(min(pause_s(now - lost_at), deadline - now)):
                return None
            if time.monotonic() >= deadline:
                raise SourceError(
                    f"microphone {self.name} did not return within {self._config.retry_for_s:g} s; plug it in and start again"
                )

    def _try_again(self, deadline: float) -> Capture | None:
        if self._reopening is None:
            self._reopening = Daemon(self._reopen)
        while not self._reopening.wait(_POLL_S):
            if self._stopped or time.monotonic() >= deadline:
                return None  # still under way, perhaps for ever: __exit__ deals with it
        attempt, self._reopening = self._reopening, None
        try:
            capture = attempt.result()
        except Exception:  # absent, busy or half up: all the same, try later
            return None
        limit = min(deadline, time.monotonic() + max(_FIRST_DATA_S, self._config.stall_s))
        while not self._stopped and time.monotonic() < limit and not capture.ring.ended:
            if capture.ring.wait(_POLL_S) and capture.ring.available:
                return capture
        self._discard(capture)
        return None

    def _discard(self, capture: Capture) -> None:
        self._capture = None
        self._discarded = capture
        capture.discard()

    def _reopen(self) -> Capture:
        sd = portaudio()
        assert self._device is not None
        assert self._discarded is not None
        self._discarded.wait_closed()  # PortAudio must not be restarted under a call that hangs in it
        sd._terminate()
        sd._initialize()
        wanted = (self._device.name, self._device.host_api)
        for device in list_devices(probe_rates=False):
            if (device.name, device.host_api) == wanted:
                capture = self._open(device, self.rate, min(self._channels, device.channels))
                capture.start()
                return capture
        raise SourceError(f"microphone {self.name} is not there")

    def _open_any_rate(self, device: Device) -> Capture:
        sd = portaudio()
        first: Exception | None = None
        for rate in dict.fromkeys((device.rate, 48_000, 44_100, 16_000)):
            for channels in dict.fromkeys((device.capture_channels, 1)):
                try:
                    return self._open(device, rate, channels)
                except (sd.PortAudioError, ValueError) as error:
                    first = first or error
        assert first is not None
        raise SourceError(
            f"microphone {self.name} cannot be opened: {_reason(first)}; see that no other program holds it"
        ) from first

    def _open(self, device: Device, rate: int, channels: int) -> Capture:
        return Capture(portaudio(), device.index, rate, channels, self._config.block_ms / 1000, self._config.ring_s)

    def _sleep(self, seconds: float) -> bool:
        """Sleep, or not: true as soon as stopped."""
        until = time.monotonic() + seconds
        while not self._stopped and (left := until - time.monotonic()) > 0:
            self._wakeup.wait(left)
        return self._stopped


def pause_s(away_s: float) -> float:
    """How long to wait before the next try to open a device that has been away for ``away_s`` seconds.

    A try restarts PortAudio, which probes every device and takes 20 ms of CPU time. Short pauses hear a device at once when it
    returns; nobody waits at the screen for one that has long been away, so the pauses grow with the absence.
    """
    return min(max(0.2, 0.02 * away_s), 1.0)


def _reason(error: BaseException) -> str:
    return printable(" ".join(str(error).split()))
