"""A paced source keeps a clock's time and loses nothing that its reader comes for."""

import threading
import time

import numpy as np
import pytest

from realtime_ser.audio.array import ArraySource
from realtime_ser.audio.realtime import PacedSource
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, Notice

RATE = 8_000


class Scripted:
    """A source that yields what it is told to, exceptions included."""

    name, rate, duration_s, channels, speed, waiting_s = "scripted", RATE, None, 1, 1.0, 0.0

    def __init__(self, *items):
        self.items = items
        self.opened = self.closed = self.stopped = 0

    def blocks(self):
        for item in self.items:
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self):
        self.stopped += 1

    def __enter__(self):
        self.opened += 1
        return self

    def __exit__(self, *_):
        self.closed += 1


def ramp(start, count):
    return np.arange(start, start + count, dtype=np.float32)


def alive():
    return [thread for thread in threading.enumerate() if thread.name == "paced-source"]


@pytest.mark.parametrize(("speed", "expected_s"), [(1.0, 0.6), (3.0, 0.2)])
def test_the_pace_is_the_clocks(speed, expected_s):
    samples = ramp(0, round(0.6 * RATE))
    started = time.monotonic()
    with PacedSource(ArraySource(samples, RATE), speed) as source:
        arrivals = [(time.monotonic(), block) for block in source.blocks()]
    assert expected_s <= time.monotonic() - started < expected_s + 0.4
    np.testing.assert_array_equal(np.concatenate([block.samples for _, block in arrivals]), samples)
    assert source.overwritten == 0
    assert [block.start for _, block in arrivals] == list(np.cumsum([0, *(len(b.samples) for _, b in arrivals)])[:-1])
    for now, block in arrivals:
        assert block.captured_at <= now
    times = [block.captured_at for _, block in arrivals]
    span = (arrivals[-1][1].end - arrivals[0][1].end) / RATE / speed
    assert times[-1] - times[0] == pytest.approx(span, abs=1e-6)


def test_a_slow_reader_loses_the_oldest_and_sees_the_gap():
    samples = ramp(0, RATE)
    end = delivered = lost = 0
    with PacedSource(ArraySource(samples, RATE), 1.0, ring_s=0.1) as source:
        for block in source.blocks():
            np.testing.assert_array_equal(block.samples, ramp(block.start, len(block.samples)))
            lost += block.start - end
            end = block.end
            delivered += len(block.samples)
            time.sleep(0.25)
    assert lost == source.overwritten > 0
    assert delivered + lost == end == RATE


def test_at_a_high_speed_a_short_pause_of_the_reader_loses_nothing():
    samples = np.zeros(60 * RATE, np.float32)
    with PacedSource(ArraySource(samples, RATE), 200.0, ring_s=10.0) as source:
        blocks = source.blocks()
        total = len(next(blocks).samples)
        time.sleep(0.25)  # 50 s of the recording
        total += sum(len(block.samples) for block in blocks)
        assert source.overwritten == 0
    assert total == len(samples)


def test_the_ring_of_a_high_speed_is_bounded():
    with PacedSource(Scripted(Block(np.zeros(RATE, np.float32), RATE, 0)), 1e6) as source:
        assert sum(len(block.samples) for block in source.blocks()) == RATE


def test_gaps_xruns_and_notices_of_the_source_pass_through():
    notice = Notice("device_lost", "gone", 100, RATE)
    scripted = Scripted(
        Block(ramp(0, 100), RATE, 0),
        notice,
        Block(ramp(500, 100), RATE, 500, xruns=2),
        Notice("device_back", "back", 600, RATE),
    )
    with PacedSource(scripted, 10.0) as source:
        items = list(source.blocks())
    assert [item.kind if isinstance(item, Notice) else (item.start, item.end) for item in items] == [
        (0, 100),
        "device_lost",
        (500, 600),
        "device_back",
    ]
    # A reader that comes late hears of them with the first audio that it reads.
    assert sum(item.xruns for item in items if isinstance(item, Block)) == 2


@pytest.mark.parametrize("fault", [SourceError("the disk is gone"), RuntimeError("a bug"), MemoryError()])
def test_a_fault_in_the_thread_reaches_the_reader_after_the_audio(fault):
    with PacedSource(Scripted(Block(ramp(0, 100), RATE, 0), fault), 10.0) as source:
        stream = source.blocks()
        assert next(stream).end == 100
        with pytest.raises(SourceError, match=str(fault) or "MemoryError"):
            next(stream)
    assert alive() == []


def test_stop_ends_promptly_and_delivers_what_was_due():
    scripted = ArraySource(ramp(0, 100 * RATE), RATE)
    with PacedSource(scripted) as source:
        timer = threading.Timer(0.25, source.stop)
        timer.start()
        started = time.monotonic()
        blocks = list(source.blocks())
        assert time.monotonic() - started < 1.0
        timer.join()
    assert 0.15 * RATE <= blocks[-1].end <= 0.5 * RATE
    assert alive() == []


def test_leaving_early_joins_the_thread_and_closes_the_source():
    scripted = Scripted(*(Block(ramp(k * 800, 800), RATE, k * 800) for k in range(100)))
    with PacedSource(scripted) as source:
        next(source.blocks())
        assert len(alive()) == 1
    assert alive() == []
    assert (scripted.opened, scripted.closed, scripted.stopped) == (1, 1, 1)


@pytest.mark.slow
def test_a_source_that_stalls_is_not_paid_back_in_a_flood():
    class Stalling(Scripted):
        def blocks(self):
            yield Block(ramp(0, 800), RATE, 0)
            time.sleep(0.9)
            yield Block(ramp(800, 800), RATE, 800)

    with PacedSource(Stalling()) as source:
        blocks = list(source.blocks())
    assert blocks[-1].captured_at - blocks[0].captured_at > 0.8


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused(speed):
    with pytest.raises(SourceError, match="speed"):
        PacedSource(Scripted(), speed)


def test_a_ring_shorter_than_a_block_is_refused():
    with pytest.raises(SourceError, match="cannot hold"):
        PacedSource(Scripted(), block_ms=200, ring_s=0.1)
