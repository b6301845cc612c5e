"""A fake PortAudio whose devices a test can pull out."""

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from realtime_ser.audio.microphone import MicSource
from realtime_ser.config import CaptureConfig

RATE = 8_000


class FakePortAudio:
    """Just enough of the sounddevice module, with devices that a test can pull out."""

    class PortAudioError(Exception):
        pass

    class CallbackAbort(Exception):  # noqa: N818
        pass

    def __init__(self):
        self.names = ["Desk \x1b[31mMic"]
        self.streams = []
        self.restarts = 0
        self.close_s = 0.0
        self.delivers = True
        self.channels = 1
        self.stereo = None

    def unplug(self):
        """Pull out every device, the newest stream's among them; their names, which plug them in again."""
        names, self.names = self.names, []
        self.streams[-1].vanish()
        return names

    def query_hostapis(self):
        return [{"name": "Fake"}]

    def query_devices(self, kind=None):
        infos = [
            {"name": name, "hostapi": 0, "max_input_channels": self.channels, "default_samplerate": RATE, "index": index}
            for index, name in enumerate(self.names)
        ]
        if kind is None:
            return infos
        if not infos:
            raise self.PortAudioError("no default")
        return infos[0]

    def _terminate(self):
        self.restarts += 1

    def _initialize(self):
        pass

    def _exit_handler(self):
        pass

    def InputStream(self, **options):  # noqa: N802
        stream = FakeStream(self, options)
        self.streams.append(stream)
        return stream


class FakeStream:
    def __init__(self, portaudio, options):
        self.portaudio, self.options = portaudio, options
        self.active = False
        self.fault = None
        self.overflow = False
        self.value = 0.0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.active = True
        self.thread.start()

    def run(self):
        count, channels = self.options["blocksize"], self.options["channels"]
        while self.active:
            time.sleep(count / RATE)
            if not (self.active and self.portaudio.delivers):
                continue
            now = time.monotonic()
            times = SimpleNamespace(currentTime=now, inputBufferAdcTime=now - count / RATE)
            frames = np.full((count, channels), self.value, dtype=np.float32)
            frames[:, 0] += 0.5
            if self.portaudio.stereo is not None:
                frames[:] = self.portaudio.stereo
            try:
                self.options["callback"](
                    frames if self.fault is None else self.fault, count, times, SimpleNamespace(input_overflow=self.overflow)
                )
            except self.portaudio.CallbackAbort:
                self.vanish()

    def vanish(self):
        self.active = False
        self.options["finished_callback"]()

    def abort(self, ignore_errors=True):
        time.sleep(self.portaudio.close_s)
        self.active = False

    def close(self, ignore_errors=True):
        self.active = False


def config(**changes):
    return CaptureConfig(**{"block_ms": 10.0, "ring_s": 2.0, "retry_for_s": 5.0, "stall_s": 0.3, **changes})


def take(stream, count):
    return [next(stream) for _ in range(count)]


@contextmanager
def delivering(count, *, ends_after_s=None, channel=None, **changes):
    """The blocks of a microphone with these changes to its settings, after the first ``count``."""
    with MicSource(None, config(**changes), ends_after_s=ends_after_s, channel=channel) as source:
        stream = source.blocks()
        take(stream, count)
        yield stream
