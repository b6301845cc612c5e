"""The background sink never slows the stream, never leaves out a segment or a notice, and says what it left out."""

from __future__ import annotations

import threading
import time

import pytest

from realtime_ser.errors import SinkError
from realtime_ser.records import Block, Estimate, Health, Notice, Record, Segment, Session, Summary
from realtime_ser.sinks.background import BackgroundSink
from realtime_ser.sinks.group import SinkGroup


class Gate:
    """A sink that takes records while it is open, and keeps them."""

    name = "slow output"

    def __init__(self, *, is_open: bool = True) -> None:
        self.records: list[Record] = []
        self.threads: set[int] = set()
        self.closed = 0
        self.gate = threading.Event()
        self.fault: BaseException | None = None
        if is_open:
            self.gate.set()

    def write(self, record: Record) -> None:
        self.gate.wait(20)
        self.threads.add(threading.get_ident())
        if self.fault is not None:
            raise self.fault
        self.records.append(record)

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed += 1


def test_everything_arrives_in_order_on_another_thread(stream):
    inner = Gate()
    sink = BackgroundSink(inner)
    records = stream()
    for record in records:
        sink.write(record)
    sink.close()
    sink.close()
    assert inner.records == [record for record in records if not isinstance(record, Block | Health)]
    assert inner.closed == 1
    assert len(inner.threads) == 1
    assert threading.get_ident() not in inner.threads
    assert sink.dropped == 0
    assert sink.news() == []


def test_windows_are_left_out_the_oldest_first_and_nothing_else_is(stream):
    inner = Gate(is_open=False)
    sink = BackgroundSink(inner, capacity=10)
    records = stream(200)
    sink.write(records[0])
    began = time.monotonic()
    for record in records[1:]:
        sink.write(record)
    assert time.monotonic() - began < 1.0, "a stream of 50 s waits for nobody"
    inner.gate.set()
    windows = [record for record in records if isinstance(record, Estimate)]
    with pytest.raises(
        SinkError, match=rf"slow output is too slow: {len(windows) - 10} of {len(windows)} windows were left out"
    ):
        sink.close()
    assert [record for record in inner.records if isinstance(record, Estimate)] == windows[-10:]
    for kind in (Session, Segment, Notice, Summary):
        expected = [record for record in records if isinstance(record, kind)]
        assert expected
        assert [record for record in inner.records if isinstance(record, kind)] == expected
    assert sink.dropped == len(windows) - 10
    (news,) = sink.news()
    assert news.kind == "sink_behind"
    assert "slow output" in news.message
    assert sink.news() == []


def test_closing_waits_a_bounded_time_and_says_what_is_missing(stream):
    inner = Gate(is_open=False)
    sink = BackgroundSink(inner, patience_s=0.2)
    for record in stream(8):
        sink.write(record)
    began = time.monotonic()
    with pytest.raises(SinkError, match=r"slow output is too slow: \d+ records were not written after 0\.2 s"):
        sink.close()
    assert 0.15 < time.monotonic() - began < 2.0
    inner.gate.set()
    for thread in threading.enumerate():
        if thread.name == "slow output":
            thread.join(5)
    assert inner.closed == 1, "it still ends when its peer answers"


@pytest.mark.parametrize("fault", [SinkError("the peer is gone"), ValueError("x\ny"), SystemExit(1), KeyboardInterrupt()])
def test_a_fault_on_the_thread_is_said_to_the_others(fault, stream):
    inner, other = Gate(), Gate()
    inner.fault = fault
    group = SinkGroup([BackgroundSink(inner), other])
    records = stream(64)
    for record in records:
        group.write(record)
        time.sleep(0.0005)
    group.close()
    (failure,) = group.failures
    assert ("the peer is gone" if isinstance(fault, SinkError) else type(fault).__name__) in str(failure)
    (notice,) = [record for record in other.records if isinstance(record, Notice) and record.kind == "sink_failed"]
    assert notice.message == str(failure)
    assert other.records[-1] is records[-1]
    assert inner.closed == 1


def test_a_fault_at_the_last_record_is_said_when_closing():
    inner = Gate(is_open=False)
    inner.fault = SinkError("the peer is gone")
    sink = BackgroundSink(inner)
    sink.write(Notice("faults", "a test"))
    inner.gate.set()
    with pytest.raises(SinkError, match="the peer is gone"):
        sink.close()
    assert inner.closed == 1


def test_never_written_it_is_closed_all_the_same():
    inner = Gate()
    BackgroundSink(inner).close()
    assert inner.closed == 1


class Announcing(Gate):
    """Has something to say once."""

    def __init__(self) -> None:
        super().__init__()
        self._news = [Notice("sink_lost", "the peer went away")]

    def news(self) -> list[Notice]:
        news, self._news = self._news, []
        return news


def test_news_of_the_peer_reach_the_other_outputs_with_their_time(stream):
    other = Gate()
    group = SinkGroup([BackgroundSink(Announcing()), other])
    window = next(record for record in stream(8) if isinstance(record, Estimate))
    group.write(window)
    group.close()
    assert [(note.kind, note.at, note.sample_rate) for note in other.records[1:]] == [("sink_lost", window.end, 16000)]
