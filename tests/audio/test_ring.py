"""The ring: against a plain model, and with a reader that is too slow for its producer."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_ser.audio.ring import Ring, Wakeup
from realtime_ser.errors import SourceError


def ramp(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.float32)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 40)),
        st.tuples(st.just("advance"), st.integers(0, 30)),
        st.tuples(st.just("read"), st.one_of(st.none(), st.integers(1, 25))),
    ),
    max_size=60,
)


@given(capacity=st.integers(1, 32), operations=OPERATIONS)
def test_ring_agrees_with_a_list(capacity, operations):
    ring = Ring(capacity, rate=1000)
    stored: list[tuple[int, float]] = []  # (timeline index, value), the newest ``capacity`` unread ones
    timeline = value = lost = delivered = 0
    for name, argument in operations:
        if name == "write":
            ring.write(ramp(value, argument), captured_at=float(timeline + argument))
            stored += [(timeline + k, float(value + k)) for k in range(argument)]
            timeline += argument
            value += argument
            lost += max(0, len(stored) - capacity)
            stored = stored[-capacity:]
        elif name == "advance":
            ring.advance(argument)
            timeline += argument
        else:
            chunk = ring.read(argument)
            if not stored:
                assert chunk is None
                continue
            run = 1
            while run < len(stored) and stored[run][0] == stored[run - 1][0] + 1 and run != argument:
                run += 1
            assert chunk.start == stored[0][0]
            np.testing.assert_array_equal(chunk.samples[:, 0], [held for _, held in stored[:run]])
            assert ring.overwritten == lost
            delivered += run
            del stored[:run]
    assert ring.available == len(stored)
    while (chunk := ring.read()) is not None:
        delivered += len(chunk.samples)
    assert delivered + ring.overwritten == value


def test_a_slow_reader_gets_every_sample_intact_or_counted():
    """A producer in bursts, and a reader that is too slow: content equals index, whatever was torn in between."""
    total, capacity = 4_000_000, 3_000
    ring = Ring(capacity, rate=16_000)

    def produce():
        generator = np.random.default_rng(1)
        written = 0
        while written < total:
            count = min(int(generator.integers(1, 2_500)), total - written)
            # float32 holds integers exactly up to 2**24
            ring.write(ramp(written, count))
            written += count
        ring.close()

    producer = threading.Thread(target=produce)
    producer.start()
    delivered = end = jumps = 0
    while not ring.ended:
        ring.wait(1.0)
        chunk = ring.read()
        if chunk is None:
            continue
        assert chunk.start >= end
        jumps += chunk.start > end
        np.testing.assert_array_equal(chunk.samples[:, 0], ramp(chunk.start, len(chunk.samples)))
        end = chunk.start + len(chunk.samples)
        delivered += len(chunk.samples)
    producer.join()
    assert delivered + ring.overwritten == total
    assert jumps > 0
    assert ring.overwritten > 0


def test_a_write_during_the_readers_copy_is_detected(monkeypatch):
    ring = Ring(100, rate=100)
    ring.write(ramp(0, 100))
    copy = ring._copy

    def slow_copy(start, end):
        samples = copy(start, end)
        if start == 0:
            samples[:30] = -1  # what a copy may hold that the producer ran into
            ring.write(ramp(100, 30))
        return samples

    monkeypatch.setattr(ring, "_copy", slow_copy)
    chunk = ring.read()
    assert chunk.start == 30
    np.testing.assert_array_equal(chunk.samples[:, 0], ramp(30, 70))
    assert ring.overwritten == 30
    assert ring.read().start == 100


def test_a_copy_lapped_as_a_whole_goes_on_with_what_is_newer(monkeypatch):
    ring = Ring(50, rate=100)
    ring.write(ramp(0, 50))
    copy = ring._copy

    def slow_copy(start, end):
        if start == 0:
            ring.write(ramp(50, 120))
        return copy(start, end)

    monkeypatch.setattr(ring, "_copy", slow_copy)
    chunk = ring.read()
    assert chunk.start == 120
    np.testing.assert_array_equal(chunk.samples[:, 0], ramp(120, 50))
    assert ring.overwritten == 120


def test_capture_times_are_those_of_the_last_sample_read():
    ring = Ring(1000, rate=100)
    ring.write(ramp(0, 100), captured_at=11.0)
    ring.write(ramp(100, 100), captured_at=12.5)
    assert ring.read(50).captured_at == pytest.approx(10.5)
    assert ring.read(50).captured_at == pytest.approx(11.0)
    assert ring.read(60).captured_at == pytest.approx(12.1)
    assert ring.read().captured_at == pytest.approx(12.5)


def test_capture_times_survive_more_writes_than_are_marked():
    ring = Ring(5000, rate=1000)
    for index in range(3000):
        ring.write(ramp(index, 1), captured_at=(index + 1) / 1000)
    assert ring.read(10).captured_at == pytest.approx(0.010)
    assert ring.read().captured_at == pytest.approx(3.0)


def test_xruns_come_with_the_next_read_and_only_once():
    ring = Ring(100, rate=100)
    ring.write(ramp(0, 10), xruns=1)
    ring.write(ramp(10, 10), xruns=2)
    assert ring.read().xruns == 3
    ring.write(ramp(20, 10))
    assert ring.read().xruns == 0


def test_channels_stay_apart():
    ring = Ring(4, 2, rate=100)
    frames = np.array([[1, -1], [2, -2], [3, -3]], dtype=np.float32)
    ring.write(frames)
    ring.read()
    ring.write(frames + 10)  # wraps
    np.testing.assert_array_equal(ring.read().samples, [[11, 9], [12, 8], [13, 7]])


def test_a_fault_reaches_the_reader_after_what_came_before_it():
    ring = Ring(100, rate=100)
    ring.write(ramp(0, 5))
    ring.fail(ZeroDivisionError("inside the callback"))
    assert len(ring.read().samples) == 5
    with pytest.raises(SourceError, match="ZeroDivisionError: inside the callback") as caught:
        ring.read()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_wait_wakes_on_data_at_once_and_times_out_without():
    ring = Ring(100, rate=100)
    assert ring.wait(0.01) is False
    threading.Timer(0.05, ring.write, [ramp(0, 1)]).start()
    started = time.monotonic()
    assert ring.wait(5.0) is True
    assert time.monotonic() - started < 2.0
    assert ring.wait(0) is True


def test_close_ends_the_ring_once_it_is_empty():
    ring = Ring(10, rate=10)
    ring.write(ramp(0, 3))
    ring.close()
    assert not ring.ended
    ring.read()
    assert ring.ended
    assert ring.wait(5.0) is True


def test_signals_do_not_pile_up():
    wakeup = Wakeup()
    for _ in range(5):
        wakeup.signal()
    assert wakeup.wait(0) is True
    assert wakeup.wait(0.01) is False


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="positive"):
        Ring(0, rate=100)
    with pytest.raises(ValueError, match="negative"):
        Ring(1, rate=100).advance(-1)
