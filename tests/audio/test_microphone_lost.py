"""A microphone that vanishes, falls silent or comes back changed, against a fake PortAudio."""

import threading
import time

import pytest
from microphone_stub import RATE, config, delivering, take

from realtime_ser.audio import microphone as mic
from realtime_ser.audio.microphone import MicSource
from realtime_ser.audio.ring import Ring
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, Notice


@pytest.mark.slow
def test_a_device_that_vanishes_and_returns_leaves_a_gap_of_its_absence(portaudio):
    with MicSource("desk", config()) as source:
        stream = source.blocks()
        before = take(stream, 5)
        names = portaudio.unplug()
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
    with delivering(3, stall_s=0.2) as stream:
        portaudio.delivers = False
        started = time.monotonic()
        while not isinstance(item := next(stream), Notice):
            pass
        assert 0.15 < time.monotonic() - started < 1.0
        assert "no audio received for 0.2 s" in item.message


def test_a_device_that_stays_away_ends_the_run(portaudio):
    with delivering(3, retry_for_s=0.5) as stream:
        portaudio.unplug()
        started = time.monotonic()
        with pytest.raises(SourceError, match=r"did not return within 0\.5 s") as caught:
            list(stream)
        assert time.monotonic() - started < 1.5
        assert caught.value.exit_code == 1


@pytest.mark.slow
def test_the_last_reason_why_it_does_not_open_again_is_said(portaudio, monkeypatch):
    def refuse(**options):
        raise portaudio.PortAudioError("Device unavailable\n[PaErrorCode -9985]")

    with delivering(3, retry_for_s=0.6) as stream:
        names = portaudio.unplug()
        next(item for item in stream if isinstance(item, Notice))
        # Absent at first, then there but held by somebody else.
        monkeypatch.setattr(portaudio, "InputStream", refuse)
        threading.Timer(0.2, portaudio.__setattr__, ["names", names]).start()
        with pytest.raises(SourceError, match=r"within 0\.6 s: Device unavailable \[PaErrorCode -9985\]; see that"):
            list(stream)


@pytest.mark.slow
def test_absent_and_silent_devices_are_told_apart(portaudio):
    with delivering(2, retry_for_s=0.4) as stream:
        portaudio.unplug()
        with pytest.raises(SourceError, match="it is not connected"):
            list(stream)
    portaudio.names = ["Desk"]
    with delivering(2, retry_for_s=0.4) as stream:
        portaudio.delivers = False
        with pytest.raises(SourceError, match="it opens and delivers nothing"):
            list(stream)


def test_no_patience_means_no_second_try(portaudio):
    with delivering(2, retry_for_s=0.0) as stream:
        portaudio.streams[0].vanish()
        started = time.monotonic()
        with pytest.raises(SourceError, match=r"is gone \(its stream ended\); plug it in"):
            list(stream)
    assert time.monotonic() - started < 0.5
    assert portaudio.restarts == 0


@pytest.mark.slow
@pytest.mark.parametrize("back", [False, True])
def test_the_time_runs_while_the_device_is_away(portaudio, back):
    with delivering(2, retry_for_s=60.0, ends_after_s=1.0) as stream:
        names = portaudio.unplug()
        if back:
            threading.Timer(0.3, portaudio.__setattr__, ["names", names]).start()
        started = time.monotonic()
        rest = list(stream)
    assert 0.7 < time.monotonic() - started < 1.5
    assert ("device_back" in [item.kind for item in rest if isinstance(item, Notice)]) == back


def test_a_device_that_comes_back_without_the_channel(portaudio):
    portaudio.channels = 2
    with delivering(2, retry_for_s=0.4, channel=2) as stream:
        portaudio.channels = 1
        portaudio.streams[0].vanish()
        with pytest.raises(SourceError, match="came back without channel 2"):
            list(stream)


@pytest.mark.parametrize("end", ["stopped", "time is up", "retry over", "no retry"])
def test_an_absence_that_the_run_does_not_outlast_is_a_gap(portaudio, end):
    patience = {"retry over": 0.5, "no retry": 0.0}.get(end, 5.0)
    items = []
    with MicSource(None, config(retry_for_s=patience), ends_after_s=0.6 if end == "time is up" else None) as source:
        stream = source.blocks()
        items += take(stream, 5)
        portaudio.unplug()
        if end == "stopped":
            threading.Timer(0.5, source.stop).start()
        try:
            items += stream
        except SourceError:
            assert "retry" in end
        ended_at = time.monotonic()
    *_, before, gap = blocks = [item for item in items if isinstance(item, Block)]
    assert all(len(block.samples) for block in blocks[:-1])
    assert len(gap.samples) == 0
    assert gap.start / RATE == pytest.approx(before.end / RATE + ended_at - before.captured_at, abs=0.1)
    assert gap.start - before.end > (0 if end == "no retry" else 0.4 * RATE)


def test_a_microphone_that_falls_silent_just_before_the_end_is_a_gap_too(portaudio):
    with delivering(3, stall_s=30.0, ends_after_s=0.8) as stream:
        portaudio.delivers = False
        *_, gap = stream
    assert len(gap.samples) == 0
    assert gap.end > 0.7 * RATE


def test_a_stream_that_delivers_to_the_end_has_no_gap_there(portaudio):
    with delivering(3, ends_after_s=0.4) as stream:
        assert all(len(block.samples) for block in stream)


@pytest.mark.slow
def test_a_program_that_was_stopped_does_not_take_the_microphone_for_gone(portaudio, monkeypatch):
    with delivering(3, stall_s=0.5) as stream:
        ring, wait = Ring, Ring.wait

        def stopped(self, timeout):
            # As Ctrl-Z does, which stops all threads.
            monkeypatch.setattr(ring, "wait", wait)
            portaudio.delivers = False
            time.sleep(1.2)
            threading.Timer(0.2, portaudio.__setattr__, ["delivers", True]).start()
            return False

        monkeypatch.setattr(ring, "wait", stopped)
        items = []
        while not (items and isinstance(items[-1], Block) and items[-1].start > RATE):
            items.append(next(stream))
    (notice,) = [item for item in items if isinstance(item, Notice)]
    assert notice.kind == "paused"
    assert "stopped for 1.2 s" in notice.message


@pytest.mark.slow
def test_closing_a_dead_stream_may_hang_without_hanging_us(portaudio):
    portaudio.close_s = 30.0
    with delivering(3, retry_for_s=0.5) as stream:
        portaudio.streams[0].vanish()
        started = time.monotonic()
        with pytest.raises(SourceError, match="did not return"):
            list(stream)
    assert time.monotonic() - started < 6.0
    assert portaudio.restarts == 0, "PortAudio was restarted under a call that hangs in it"
