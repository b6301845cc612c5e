"""The microphone's own logic, against a fake PortAudio; the real one is in test_mic_server.py."""

import sys
import threading
import time

import numpy as np
import pytest
from microphone_stub import RATE, config, take

from realtime_ser.audio import microphone as mic
from realtime_ser.audio.input_stream import capture_time
from realtime_ser.audio.microphone import MicSource
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.records import Notice


def test_blocks_are_mono_timed_and_consecutive(portaudio):
    portaudio.channels = 2
    with MicSource(None, config()) as source:
        assert source.rate == RATE
        assert source.name == "Desk \N{REPLACEMENT CHARACTER}[31mMic"
        blocks = take(source.blocks(), 5)
    assert all(block.samples.ndim == 1 and np.all(block.samples == 0.25) for block in blocks)
    assert [block.start for block in blocks[1:]] == [block.end for block in blocks[:-1]]
    assert blocks[0].start == 0
    assert blocks[-1].captured_at == pytest.approx(time.monotonic(), abs=0.5)


@pytest.mark.slow
def test_the_time_runs_from_the_first_block(portaudio):
    portaudio.delivers = False
    with MicSource(None, config(), ends_after_s=0.5) as source:
        threading.Timer(1.0, portaudio.__setattr__, ["delivers", True]).start()
        blocks = list(source.blocks())
    assert (blocks[-1].end - blocks[0].start) / RATE == pytest.approx(0.5, abs=0.2)


def test_a_device_that_wakes_late_has_no_gap_before_its_first_block(portaudio, monkeypatch):
    monkeypatch.setattr(mic, "_FIRST_DATA_S", 0.2)
    portaudio.delivers = False
    with MicSource(None, config(retry_for_s=5.0)) as source:
        stream = source.blocks()
        assert next(stream).kind == "device_lost"
        threading.Timer(0.1, portaudio.__setattr__, ["delivers", True]).start()
        back, first = take(stream, 2)
    assert (back.kind, back.at, first.start) == ("device_back", 0, 0)


@pytest.mark.parametrize(("channel", "value"), [(1, 0.75), (2, 0.25), (None, 0.5)])
def test_one_channel_alone(portaudio, channel, value):
    portaudio.channels = 2
    with MicSource(None, config(), channel=channel) as source:
        portaudio.streams[0].value = 0.25
        blocks = take(source.blocks(), 3)
    assert all(np.all(block.samples == value) for block in blocks)


def test_the_setting_chooses_a_channel_and_the_argument_another(portaudio):
    portaudio.channels = 2
    for argument, value in ((None, 0.0), (1, 0.5)):
        with MicSource(None, config(channel=2), channel=argument) as source:
            assert np.all(next(source.blocks()).samples == value)


def test_a_channel_beyond_eight_is_opened(portaudio):
    """Of a virtual device with many channels only two are opened, but for a channel that is asked for."""
    portaudio.channels = 32
    with MicSource(None, config(), channel=10) as source:
        assert np.all(next(source.blocks()).samples == 0)
    assert portaudio.streams[-1].options["channels"] == 10


@pytest.mark.parametrize("channel", [0, 3, -1])
def test_a_channel_that_is_not_there(portaudio, channel):
    portaudio.channels = 2
    with pytest.raises(ConfigError, match=rf"channels 1 to 2 and no channel {channel};"), MicSource(channel=channel):
        pass
    assert not portaudio.streams


def test_a_fault_in_the_callback_is_a_source_error(portaudio):
    with MicSource(None, config()) as source:
        stream = source.blocks()
        take(stream, 2)
        portaudio.streams[0].fault = "no array"
        with pytest.raises(SourceError, match="audio capture failed"):
            list(stream)


def test_an_overflow_is_counted_and_what_it_lost_becomes_a_gap(portaudio):
    with MicSource(None, config(stall_s=2.0)) as source:
        stream = source.blocks()
        first = take(stream, 3)[0]
        portaudio.delivers = False
        time.sleep(0.3)
        portaudio.streams[0].overflow = portaudio.delivers = True
        gap = 0
        previous = first
        for block in stream:
            gap = max(gap, block.start - previous.end)
            previous = block
            if block.xruns:
                break
    assert block.xruns == 1
    assert gap / RATE == pytest.approx(0.3, abs=0.1)
    assert (block.end - first.end) / RATE == pytest.approx(block.captured_at - first.captured_at, abs=0.1)


@pytest.mark.parametrize("when", ["listening", "away"])
def test_stop_from_another_thread_ends_the_blocks(portaudio, when):
    with MicSource(None, config(retry_for_s=60.0)) as source:
        stream = source.blocks()
        take(stream, 2)
        if when == "away":
            portaudio.names = []
            portaudio.streams[0].vanish()
        threading.Timer(0.3, source.stop).start()
        started = time.monotonic()
        list(stream)
        assert time.monotonic() - started < 1.5


def test_no_device(portaudio):
    portaudio.names = []
    with pytest.raises(SourceError, match="no microphone found"), MicSource():
        pass


def test_a_device_that_cannot_be_opened(portaudio, monkeypatch):
    def refuse(**options):
        raise portaudio.PortAudioError("Device unavailable\n[PaErrorCode -9985]")

    monkeypatch.setattr(portaudio, "InputStream", refuse)
    with pytest.raises(SourceError, match=r"cannot be opened: Device unavailable \[PaErrorCode -9985\]"), MicSource():
        pass


def test_without_the_library_it_says_what_to_install(monkeypatch):
    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with pytest.raises(SourceError, match="PortAudio library is missing"), MicSource():
        pass


@pytest.mark.parametrize(
    ("current", "adc", "expected"),
    [
        (50.0, 49.9, 99.92),  # began 100 ms ago, lasted 20 ms
        (50.0, 50.0, 100.0),  # never in the future
        (50.0, 0.0, 100.0),  # the backend gives nothing
        (50.0, 51.0, 100.0),
        (1000.0, 10.0, 100.0),
        (50.0, float("nan"), 100.0),
        (float("inf"), 49.0, 100.0),
    ],
)
def test_capture_times_are_believed_only_when_they_can_be_true(current, adc, expected):
    assert capture_time(100.0, current, adc, 160, 8_000) == pytest.approx(expected)


@pytest.mark.slow
def test_channels_of_opposite_phase_are_not_silence(portaudio):
    portaudio.channels = 2
    portaudio.stereo = (0.5, -0.5)
    with MicSource(None, config()) as source:
        items = take(source.blocks(), 60)
    notices = [item.kind for item in items if isinstance(item, Notice)]
    assert notices == ["channels_cancel"]
    assert np.abs(items[-1].samples).max() == 0.5
