"""The microphone's tests run on a fake PortAudio."""

import pytest
from microphone_stub import FakePortAudio

from realtime_ser.audio import devices, opener
from realtime_ser.audio import microphone as mic


@pytest.fixture
def portaudio(monkeypatch):
    fake = FakePortAudio()
    for module in (mic, opener, devices):
        monkeypatch.setattr(module, "portaudio", lambda: fake)
    yield fake
    for stream in fake.streams:
        stream.active = False
        if stream.thread.ident:
            stream.thread.join()
