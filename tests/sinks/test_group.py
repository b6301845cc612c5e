"""Whatever one sink raises, the others get every record and are closed, and the fault is said."""

from __future__ import annotations

import pytest

from realtime_ser.errors import SinkError
from realtime_ser.records import Notice, Record, Session, Summary
from realtime_ser.sinks.group import SinkGroup


class Kept:
    """Keeps what it gets, and raises when it is told to."""

    def __init__(self, name: str, *, on_write: BaseException | None = None, on_close: BaseException | None = None) -> None:
        self.name = name
        self.records: list[Record] = []
        self.closed = 0
        self._on_write, self._on_close = on_write, on_close

    def write(self, record: Record) -> None:
        if self._on_write is not None:
            raise self._on_write
        self.records.append(record)

    def close(self) -> None:
        self.closed += 1
        if self._on_close is not None:
            raise self._on_close


FAULTS = [
    SinkError("cannot write it: the disk is full"),
    ValueError("not a number\nin two lines"),
    RuntimeError(""),
    OSError(28, "No space left on device"),
    MemoryError(),
    RecursionError("too deep"),
    AssertionError("of a library"),
    SystemExit(1),
    GeneratorExit(),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_fault_while_writing_ends_one_sink(fault, stream):
    first, bad, last = Kept("first"), Kept("bad one", on_write=fault, on_close=fault), Kept("last")
    group = SinkGroup([first, bad, last])
    records = stream(8)
    for record in records:
        group.write(record)
    group.close()
    for sink in (first, last):
        notices = [record for record in sink.records if isinstance(record, Notice) and record.kind == "sink_failed"]
        assert len(notices) == 1
        assert len(sink.records) == len(records) + 1
        assert sink.records[-1] is records[-1]
        assert sink.closed == 1
    assert bad.closed == 1
    (failure,) = group.failures
    assert isinstance(failure, SinkError)
    assert notices[0].message == str(failure)
    assert "\n" not in str(failure)
    if not isinstance(fault, SinkError):
        assert "bad one" in str(failure)
        assert failure.__cause__ is fault
    if not isinstance(fault, SinkError | OSError):
        assert type(fault).__name__ in str(failure)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_fault_while_closing_leaves_the_others_closed(fault):
    sinks = [Kept("first"), Kept("bad one", on_close=fault), Kept("worse", on_close=ValueError("x")), Kept("last")]
    group = SinkGroup(sinks)
    group.close()
    assert [sink.closed for sink in sinks] == [1, 1, 1, 1]
    assert len(group.failures) == 2
    group.close()
    assert [sink.closed for sink in sinks] == [1, 1, 1, 1]


def test_a_second_ctrl_c_while_closing_closes_the_others_first():
    sinks = [Kept("first"), Kept("slow", on_close=KeyboardInterrupt()), Kept("last")]
    group = SinkGroup(sinks)
    with pytest.raises(KeyboardInterrupt):
        group.close()
    assert [sink.closed for sink in sinks] == [1, 1, 1]


class EndFails(Kept):
    """Fails at the summary, and has news then."""

    def write(self, record: Record) -> None:
        if isinstance(record, Summary):
            raise ValueError("the end")

    def news(self) -> list[Notice]:
        told, self.closed = self.closed, 0
        return [Notice("sink_lost", "gone")] if told else []


def test_no_notice_follows_a_summary_and_the_next_stream_has_it(stream):
    kept = Kept("kept")
    group = SinkGroup([EndFails("bad one"), kept])
    records = stream(8)
    for record in records:
        group.write(record)
    assert kept.records[-1] is records[-1]
    assert not [record for record in kept.records if isinstance(record, Notice) and record.kind.startswith("sink_")]
    assert len(group.failures) == 1
    for record in records[:2]:
        group.write(record)
    news = kept.records[len(records) :]
    assert isinstance(news[0], Session)
    assert {record.kind for record in news if isinstance(record, Notice)} == {"sink_failed", "sink_lost"}


def test_when_all_have_failed_nobody_is_left():
    group = SinkGroup([Kept("a", on_write=ValueError("x")), Kept("b", on_write=KeyError("y"))])
    assert not group.exhausted
    group.write(Notice("faults", "a test"))
    assert group.exhausted
    assert [type(failure.__cause__) for failure in group.failures] == [ValueError, KeyError]
