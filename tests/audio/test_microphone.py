"""The microphone's own logic, against a fake PortAudio; the real one is in test_mic_server.py."""

import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from realtime_ser.audio import devices, opener
from realtime_ser.audio import microphone as mic
from realtime_ser.audio.input_stream import capture_time
from realtime_ser.audio.microphone import MicSource
from realtime_ser.config import CaptureConfig
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.records import Notice

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


def config(**changes):
    return CaptureConfig(**{"block_ms": 10.0, "ring_s": 2.0, "retry_for_s": 5.0, "stall_s": 0.3, **changes})


def take(stream, count):
    return [next(stream) for _ in range(count)]


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


def test_a_device_that_vanishes_and_returns_leaves_a_gap_of_its_absence(portaudio):
    with MicSource("desk", config()) as source:
        stream = source.blocks()
        before = take(stream, 5)
        names, portaudio.names = portaudio.names, []
        portaudio.streams[0].vanish()
        lost_at = time.monotonic()
        rest = []
        while not isinstance(item := next(stream), Notice):
            rest.append(item)
        assert item.kind == "device_lost"
        assert "\x1b" not in item.message
        assert time.monotonic() - lost_at < 0.3
        threading.Timer(0.6, portaudio.__setattr__, ["names", ["another", *names]]).start()
        back = next(stream)
        away = time.monotonic() - lost_at
        assert (back.kind, back.sample_rate) == ("device_back", RATE)
        after = next(stream)
    last = (before + rest)[-1]
    assert 0.6 < away < 2.0
    assert portaudio.restarts >= 2
    assert portaudio.streams[-1].options["device"] == 1
    assert (after.start - last.end) / RATE == pytest.approx(after.captured_at - last.captured_at, abs=0.05)
    assert back.at_s == pytest.approx(after.end / RATE, abs=0.05)


@pytest.mark.parametrize(("away_s", "expected"), [(0, 0.2), (10, 0.2), (25, 0.5), (50, 1.0), (86_400, 1.0)])
def test_pauses_between_tries_grow_with_the_absence(away_s, expected):
    assert mic.pause_s(away_s) == pytest.approx(expected)


def test_a_device_that_falls_silent_has_vanished(portaudio):
    with MicSource(None, config(stall_s=0.2)) as source:
        stream = source.blocks()
        take(stream, 3)
        portaudio.delivers = False
        started = time.monotonic()
        while not isinstance(item := next(stream), Notice):
            pass
        assert 0.15 < time.monotonic() - started < 1.0
        assert "no audio received for 0.2 s" in item.message


def test_a_device_that_stays_away_ends_the_run(portaudio):
    with MicSource(None, config(retry_for_s=0.5)) as source:
        stream = source.blocks()
        take(stream, 3)
        portaudio.names = []
        portaudio.streams[0].vanish()
        started = time.monotonic()
        with pytest.raises(SourceError, match=r"did not return within 0\.5 s") as caught:
            list(stream)
        assert time.monotonic() - started < 1.5
        assert caught.value.exit_code == 1


def test_the_last_reason_why_it_does_not_open_again_is_said(portaudio, monkeypatch):
    def refuse(**options):
        raise portaudio.PortAudioError("Device unavailable\n[PaErrorCode -9985]")

    with MicSource(None, config(retry_for_s=0.6)) as source:
        stream = source.blocks()
        take(stream, 3)
        names, portaudio.names = portaudio.names, []
        portaudio.streams[0].vanish()
        next(item for item in stream if isinstance(item, Notice))
        # Absent at first, then there but held by somebody else.
        monkeypatch.setattr(portaudio, "InputStream", refuse)
        threading.Timer(0.2, portaudio.__setattr__, ["names", names]).start()
        with pytest.raises(SourceError, match=r"within 0\.6 s: Device unavailable \[PaErrorCode -9985\]; see that"):
            list(stream)


def test_absent_and_silent_devices_are_told_apart(portaudio):
    with MicSource(None, config(retry_for_s=0.4)) as source:
        stream = source.blocks()
        take(stream, 2)
        portaudio.names = []
        portaudio.streams[0].vanish()
        with pytest.raises(SourceError, match="it is not connected"):
            list(stream)
    portaudio.names = ["Desk"]
    with MicSource(None, config(retry_for_s=0.4)) as source:
        stream = source.blocks()
        take(stream, 2)
        portaudio.delivers = False
        with pytest.raises(SourceError, match="it opens and delivers nothing"):
            list(stream)


def test_no_patience_means_no_second_try(portaudio):
    with MicSource(None, config(retry_for_s=0.0)) as source:
        stream = source.blocks()
        take(stream, 2)
        portaudio.streams[0].vanish()
        started = time.monotonic()
        with pytest.raises(SourceError, match=r"is gone \(its stream ended\); plug it in"):
            list(stream)
    assert time.monotonic() - started < 0.5
    assert portaudio.restarts == 0


def test_the_time_runs_from_the_first_block(portaudio):
    portaudio.delivers = False
    with MicSource(None, config(), ends_after_s=0.5) as source:
        threading.Timer(1.0, portaudio.__setattr__, ["delivers", True]).start()
        blocks = list(source.blocks())
    assert (blocks[-1].end - blocks[0].start) / RATE == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("back", [False, True])
def test_the_time_runs_while_the_device_is_away(portaudio, back):
    with MicSource(None, config(retry_for_s=60.0), ends_after_s=1.0) as source:
        stream = source.blocks()
        take(stream, 2)
        names, portaudio.names = portaudio.names, []
        portaudio.streams[0].vanish()
        if back:
            threading.Timer(0.3, portaudio.__setattr__, ["names", names]).start()
        started = time.monotonic()
        rest = list(stream)
    assert 0.7 < time.monotonic() - started < 1.5
    assert ("device_back" in [item.kind for item in rest if isinstance(item, Notice)]) == back


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


def test_a_device_that_comes_back_without_the_channel(portaudio):
    portaudio.channels = 2
    with MicSource(None, config(retry_for_s=0.4), channel=2) as source:
        stream = source.blocks()
        take(stream, 2)
        portaudio.channels = 1
        portaudio.streams[0].vanish()
        with pytest.raises(SourceError, match="came back without channel 2"):
            list(stream)


def test_closing_a_dead_stream_may_hang_without_hanging_us(portaudio):
    portaudio.close_s = 30.0
    with MicSource(None, config(retry_for_s=0.5)) as source:
        stream = source.blocks()
        take(stream, 3)
        portaudio.streams[0].vanish()
        started = time.monotonic()
        with pytest.raises(SourceError, match="did not return"):
            list(stream)
    assert time.monotonic() - started < 6.0
    assert portaudio.restarts == 0, "PortAudio was restarted under a call that hangs in it"


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


def test_channels_of_opposite_phase_are_not_silence(portaudio):
    portaudio.channels = 2
    portaudio.stereo = (0.5, -0.5)
    with MicSource(None, config()) as source:
        items = take(source.blocks(), 60)
    notices = [item.kind for item in items if isinstance(item, Notice)]
    assert notices == ["channels_cancel"]
    assert np.abs(items[-1].samples).max() == 0.5
