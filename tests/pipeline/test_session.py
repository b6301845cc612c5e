"""A stream as an object: the order of what comes out, the account at its end, and faults in the middle."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from command import SAMPLE
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ModelError, SourceError
from realtime_ser.model.classifier import load_model
from realtime_ser.pipeline.session import StreamSession
from realtime_ser.records import Block, Estimate, Health, Notice, Record, Segment, Session, Summary
from stub_model import StubClassifier

RATE = 4000
CONFIG = Config(gate=GateConfig(enabled=False))


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def session(model: StubClassifier | None = None, **options: object) -> StreamSession:
    return StreamSession(Engine(model or StubClassifier(), CONFIG), **options)  # type: ignore[arg-type]


def comparable(records: list[Record]) -> list[object]:
    """Records without what a clock decides."""
    plain: list[object] = []
    for record in records:
        if isinstance(record, Estimate):
            plain.append((record.start, record.end, record.state, record.label, record.probs, record.smoothed))
        elif isinstance(record, Session):
            plain.append(replace(record, started_at=""))
        elif isinstance(record, Summary):
            plain.append((record.health, dict(record.seconds_by_label)))
        else:
            plain.append(record)
    return plain


def whole(stream: StreamSession, samples: np.ndarray, size: int, rate: int = RATE) -> list[Record]:
    records: list[Record] = [stream.start(CONFIG, source="test", source_rate=rate)]
    for start in range(0, len(samples), size):
        records += stream.push(Block(samples[start : start + size], rate, start))
    return records + stream.close()


class Failing(StubClassifier):
    """Answers ``good`` times."""

    def __init__(self, good: int, error: Exception) -> None:
        super().__init__()
        self._left, self._error = good, error

    def predict(self, features: np.ndarray) -> np.ndarray:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return super().predict(features)


def test_records_come_in_the_order_of_the_stream() -> None:
    """However much is pushed at once: a segment stands behind the window that ended it, before the next one."""
    records = whole(session(), noise(30), 30 * RATE)
    assert isinstance(records[0], Session)
    assert isinstance(records[-1], Summary)
    assert sum(isinstance(record, Segment) for record in records) > 3
    reached = 0
    for record in records[1:-1]:
        assert isinstance(record, Estimate | Segment)
        if isinstance(record, Estimate):
            assert record.end > reached
            reached = record.end
        elif record.end != reached:  # a change of label: the window that brought it, and no later one, precedes
            assert record.end == reached - records[records.index(record) - 1].hop  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [1, 333, RATE])
def test_the_size_of_the_pieces_changes_nothing(size: int) -> None:
    samples = noise(4)
    assert comparable(whole(session(), samples, size)) == comparable(whole(session(), samples, len(samples)))


def test_bare_samples_follow_one_another_at_the_sources_rate() -> None:
    stream, records = session(), []
    stream.start(CONFIG, source="client", source_rate=8000)
    for part in np.split(np.repeat(noise(4), 2), 10):
        records += stream.push(part)
    summary = (records + stream.close())[-1]
    assert isinstance(summary, Summary)
    assert summary.health.captured == 4 * RATE


def test_a_gap_is_dropped_counted_and_never_spanned() -> None:
    stream = session()
    records: list[Record] = [stream.start(CONFIG, source="client", source_rate=8000)]
    samples = np.repeat(noise(2), 2)
    records += stream.push(Block(samples, 8000, 0))
    before = stream.gap(8000)
    records += before
    records += stream.push(Block(samples, 8000, 3 * 8000))
    stream.gap(4000)  # also at the end, where no block follows
    last = stream.close()[-1]
    assert any(isinstance(record, Segment) for record in before), "a gap ends the segment at once"
    assert isinstance(last, Summary)
    health = last.health
    assert health.captured == round(5.5 * RATE) == health.classified + health.dropped + health.pending
    assert 1.5 * RATE <= health.dropped < 1.7 * RATE
    for record in records:
        if isinstance(record, Estimate):
            assert record.end <= 2 * RATE or record.start >= 3 * RATE
    with pytest.raises(SourceError, match="gap"):
        session().gap(-1)


def test_latency_counts_from_capture_on_the_clock_handed_in() -> None:
    stream = session(clock=lambda: 107.0)
    estimates = [
        record
        for record in stream.push(Block(noise(3), RATE, 0, captured_at=103.0)) + stream.close()
        if isinstance(record, Estimate)
    ]
    assert estimates
    for estimate in estimates:
        assert estimate.latency_s == pytest.approx(4.0 + 3 - estimate.end_s)


def test_what_waits_with_the_caller_makes_it_skip() -> None:
    stream = session(max_lag_s=1.0, clock=lambda: 100.0)
    assert [type(record) for record in stream.push(Block(noise(0.1), RATE, 0, captured_at=100.0), waiting_s=2.0)] == [Notice]
    assert stream.push(Block(noise(0.5), RATE, 400, captured_at=100.0))
    assert stream.engine.health.dropped >= 400


def test_a_notice_without_a_time_gets_the_streams_and_zero_is_a_time() -> None:
    stream = session()
    stream.push(Block(noise(1), RATE, 0))
    (unset,) = stream.push(Notice("device_back", "here"))
    (zero,) = stream.push(Notice("faults", "two faults", 0, RATE))
    assert (unset.at, unset.sample_rate) == (RATE, RATE)  # type: ignore[union-attr]
    assert (zero.at, zero.sample_rate) == (0, RATE)  # type: ignore[union-attr]


def test_health_comes_if_wanted() -> None:
    records = whole(session(health=True), noise(3), 1000)
    healths = [record for record in records if isinstance(record, Health)]
    assert healths[-1] == records[-1].health  # type: ignore[union-attr]
    for health in healths:
        assert health.captured == health.classified + health.gated + health.dropped + health.pending
    assert not any(isinstance(record, Health) for record in whole(session(), noise(3), 1000))


@pytest.mark.parametrize(
    ("error_type", "kind", "message"),
    [(ModelError, "model_failed", "weights are gone"), (KeyError, "failed", "KeyError: 'weights are gone'")],
)
@pytest.mark.parametrize("eager", [True, False])
def test_a_fault_in_mid_stream_loses_nothing_of_what_came_before(
    error_type: type[Exception], kind: str, message: str, eager: bool
) -> None:
    error = error_type("weights are gone")
    stream, records = session(Failing(5, error)), []
    records.append(stream.start(CONFIG, source="test"))
    block = Block(noise(10), RATE, 0)
    with pytest.raises(error_type):
        records.extend(stream.push(block) if eager else stream.records(block))
    records += stream.close()
    assert sum(isinstance(record, Estimate) for record in records) == 5
    notice, summary = records[-2:]
    assert isinstance(notice, Notice)
    assert (notice.kind, notice.message) == (kind, message)
    assert isinstance(summary, Summary)
    health = summary.health
    assert health.windows == 5
    assert health.captured == 10 * RATE == health.classified + health.gated + health.dropped + health.pending
    assert stream.fault is error


def test_a_model_that_fails_in_the_last_hop_is_said_too() -> None:
    good = sum(isinstance(record, Estimate) for record in whole(session(), noise(2.1), RATE))
    stream = session(Failing(good - 1, ModelError("no more")))
    stream.push(Block(noise(2.1), RATE, 0))
    *_, notice, summary = stream.close()
    assert isinstance(notice, Notice)
    assert isinstance(summary, Summary)
    assert summary.health.pending > 0


def test_a_source_that_fails_is_classified_to_its_end() -> None:
    stream = session()
    stream.push(Block(noise(1.05), RATE, 0))
    records = stream.close(SourceError("cable pulled"))
    assert [type(record) for record in records] == [Estimate, Segment, Notice, Summary]
    assert records[2].kind == "source_failed"  # type: ignore[union-attr]
    assert records[3].health.pending == 0  # type: ignore[union-attr]


def test_closing_early_and_twice() -> None:
    stream = session()
    (summary,) = stream.close()
    assert isinstance(summary, Summary)
    assert summary.health == Health()
    assert stream.close() == []
    with pytest.raises(SourceError, match="closed"):
        stream.push(noise(1))


@pytest.mark.slow
def test_several_at_once_over_one_model_are_as_one_after_the_other() -> None:
    model = load_model("mlp")
    samples, rate = soundfile.read(SAMPLE, dtype="float32")

    def hear(shift: int, into: dict[int, list[object]]) -> None:
        stream = StreamSession(Engine(model, Config()))
        into[shift] = comparable(whole(stream, samples[shift : shift + 8 * rate], 1600, rate))

    shifts = [0, 16000, 48000, 90001]
    alone: dict[int, list[object]] = {}
    together: dict[int, list[object]] = {}
    for shift in shifts:
        hear(shift, alone)
    threads = [threading.Thread(target=hear, args=(shift, together)) for shift in shifts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
    assert alone[0] != alone[48000]
