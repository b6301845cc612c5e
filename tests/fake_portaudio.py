"""A ``sounddevice`` that needs no sound system: written into a folder, it is what ``import sounddevice`` finds there."""

from __future__ import annotations

from pathlib import Path

_MODULE = """
import itertools, threading, time, types
import numpy as np

class PortAudioError(Exception): pass
class CallbackAbort(Exception): pass
_DEVICE = {"name": NAME, "hostapi": 0, "max_input_channels": 1, "max_output_channels": 0, "default_samplerate": 16000.0}
_DEVICE["index"] = 0

def get_portaudio_version(): return 1, NAME

def query_hostapis(index=None):
    return {"name": NAME, "devices": [0], "default_input_device": 0} if index is not None else (query_hostapis(0),)
def query_devices(device=None, kind=None):
    return [_DEVICE] if device is None and kind is None else _DEVICE
def check_input_settings(**options): pass
def _initialize(): pass
def _terminate(): pass
def _exit_handler(): pass

class InputStream:
    def __init__(self, *, samplerate, blocksize, channels, callback, finished_callback=None, **options):
        self.active, self._options = False, (samplerate, blocksize, channels, callback)
        self._thread = threading.Thread(target=self._run, daemon=True)
    def start(self):
        self.active = True
        self._thread.start()
    def _run(self):
        rate, count, channels, callback = self._options
        rng = np.random.default_rng(0)
        status = types.SimpleNamespace(input_overflow=False)
        for block in itertools.count():
            if not self.active: return
            time.sleep(count / rate)
            when = (np.arange(count) + block * count) / rate
            voice = sum(np.sin(2 * np.pi * 130 * k * when) / k for k in range(1, 20))
            voice *= 0.6 + 0.4 * np.sin(2 * np.pi * 4 * when)
            frames = (0.2 * voice[:, None] + rng.normal(0, 1e-3, (count, channels))).astype(np.float32)
            callback(frames, count, types.SimpleNamespace(currentTime=0.0, inputBufferAdcTime=0.0), status)
    def abort(self, ignore_errors=True): self.active = False
    def close(self, ignore_errors=True): self.active = False
    stop = abort
"""


def write_fake_portaudio(folder: Path, name: str = "Microphone") -> None:
    """Put the module into ``folder``, with one input device called ``name`` (and a host API of that name)."""
    (folder / "sounddevice.py").write_text(f"NAME = {name!a}\n{_MODULE}")
