"""Source + engine + sinks, with sources and sinks that misbehave on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

import numpy as np
import pytest
import soundfile

import realtime_ser
from bundles import LABELS as TINY
from bundles import MakeBundle
from collector import Collector
from command import SAMPLE
from realtime_ser.audio.file import FileSource
from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, ModelError, SourceError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.pipeline.run import listen, run
from realtime_ser.records import Block, Estimate, Health, Notice, Segment, Session, Summary
from realtime_ser.sinks.group import SinkGroup

RATE = 16000


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_model("mlp")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return soundfile.read(SAMPLE, dtype="float32")[0]


class ScriptedSource:
    """Yields what the test says, raising what is an exception."""

    name = "script"
    rate = RATE
    duration_s = None
    channels = 1
    speed, waiting_s = 1.0, 0.0

    def __init__(self, items: list[Block | Notice | Exception]) -> None:
        self.items = items
        self.stopped = False

    def __enter__(self) -> ScriptedSource:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def stop(self) -> None:
        self.stopped = True

    def blocks(self) -> Iterator[Block | Notice]:
        for item in self.items:
            if self.stopped:
                return
            if isinstance(item, Exception):
                raise item
            yield item


def blocks_of(samples: np.ndarray, size: int = 1600, start: int = 0) -> list[Block]:
    return [Block(samples[i : i + size], RATE, start + i) for i in range(0, len(samples), size)]


def test_records_come_in_order(classifier: Classifier, speech: np.ndarray) -> None:
    collector = Collector()
    summary = run(ScriptedSource(blocks_of(speech)), Engine(classifier), SinkGroup([collector]), Config())
    assert isinstance(collector.records[0], Session)
    assert collector.records[-1] is summary
    assert isinstance(collector.records[1], Block)
    assert sum(len(block.samples) for block in collector.of(Block)) == len(speech)
    assert summary.health.captured == len(speech)
    assert len(collector.of(Estimate)) == summary.health.windows
    assert collector.of(Health)[-1] == summary.health
    heard = 0
    for record in collector.records:
        if isinstance(record, Block):
            heard = record.end
        if isinstance(record, Estimate):
            assert record.end <= heard, "an estimate of audio that was not heard yet"
    assert collector.of(Segment)


def test_a_failing_source_still_gets_its_summary(classifier: Classifier, speech: np.ndarray) -> None:
    collector = Collector()
    source = ScriptedSource([*blocks_of(speech[: 4 * RATE]), SourceError("cable pulled")])
    with pytest.raises(SourceError, match="cable pulled"):
        run(source, Engine(classifier), SinkGroup([collector]), Config())
    summary = collector.records[-1]
    assert isinstance(summary, Summary)
    assert summary.health.captured == 4 * RATE
    assert summary.health.pending == 0
    assert [notice.kind for notice in collector.of(Notice)] == ["source_failed"]


def test_a_failing_sink_ends_alone(classifier: Classifier, speech: np.ndarray) -> None:
    good, bad = Collector(), Collector(fail_at=20)
    group = SinkGroup([bad, good])
    summary = run(ScriptedSource(blocks_of(speech)), Engine(classifier), group, Config())
    assert summary.health.captured == len(speech)
    assert bad.closed == 1
    assert len(bad.records) == 20
    assert [(notice.kind, notice.message) for notice in good.of(Notice)] == [("sink_failed", "disk full")]
    assert [str(failure) for failure in group.failures] == ["disk full"]


def test_without_any_sink_left_the_run_ends(classifier: Classifier, speech: np.ndarray) -> None:
    source = ScriptedSource(blocks_of(speech))
    group = SinkGroup([Collector(fail_at=10, closed_by_reader=True)])
    summary = run(source, Engine(classifier), group, Config())
    assert source.stopped
    assert summary.health.captured < len(speech)


def test_device_notices_carry_stream_time(classifier: Classifier, speech: np.ndarray) -> None:
    away = 3 * RATE
    items = [*blocks_of(speech[: 2 * RATE]), Notice("device_lost", "gone"), Notice("device_back", "here")]
    items += blocks_of(speech[2 * RATE : 6 * RATE], start=2 * RATE + away)
    records = list(listen(ScriptedSource(items), Engine(classifier)))
    notices = [record for record in records if isinstance(record, Notice)]
    assert [(notice.kind, notice.at_s) for notice in notices] == [("device_lost", 2.0), ("device_back", 2.0)]
    health = [record for record in records if isinstance(record, Health)][-1]
    # Beside the time away, what could not be classified before the gap is lost; here the gap falls on a window's end.
    assert away <= health.dropped < away + RATE
    assert health.captured == 6 * RATE + away == health.classified + health.gated + health.dropped + health.pending


def test_latency_counts_from_capture(classifier: Classifier, speech: np.ndarray) -> None:
    now = 1000.0
    blocks = [
        Block(block.samples, RATE, block.start, captured_at=now - 0.5 + block.end / RATE)
        for block in blocks_of(speech[: RATE * 3])
    ]
    estimates = [
        record
        for record in listen(ScriptedSource(blocks), Engine(classifier), clock=lambda: now + 3.0)
        if isinstance(record, Estimate)
    ]
    for estimate in estimates:
        captured = now - 0.5 + estimate.end / RATE
        assert estimate.latency_s == pytest.approx(now + 3.0 - captured, abs=1e-6)


@pytest.mark.slow
def test_stream_of_a_file_an_array_and_an_engine_agree(speech: np.ndarray) -> None:
    from_file = list(realtime_ser.stream(SAMPLE))
    from_array = list(realtime_ser.stream(speech, sample_rate=RATE))
    engine = realtime_ser.Engine(realtime_ser.load_model("mlp"))
    from_engine = engine.push(speech) + engine.flush()
    assert len(from_file) > 80
    for one, two, three in zip(from_file, from_array, from_engine, strict=True):
        assert (one.end, one.state, one.label) == (two.end, two.state, two.label) == (three.end, three.state, three.label)
        assert one.probs == two.probs == three.probs


def test_stream_wants_one_source() -> None:
    with pytest.raises(SourceError, match="either"):
        next(realtime_ser.stream())
    with pytest.raises(SourceError, match="either"):
        next(realtime_ser.stream(SAMPLE, mic=True))


def test_leaving_the_loop_closes_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    original = FileSource.__exit__

    def closing(self: FileSource, *arguments: object) -> None:
        closed.append(self.name)
        original(self, *arguments)

    monkeypatch.setattr(FileSource, "__exit__", closing)
    estimates = realtime_ser.stream(SAMPLE)
    next(estimates)
    estimates.close()
    assert closed == [str(SAMPLE)]


class Breaking(Classifier):
    """A model that fails at its n-th window, as a damaged network or a full memory makes it."""

    def __init__(self, model: Classifier, at: int, error: Exception) -> None:
        self.__dict__.update(model.__dict__)
        self._left, self._error = at, error

    def predict(self, features: np.ndarray) -> np.ndarray:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return super().predict(features)

    def outputs(self, features: np.ndarray) -> np.ndarray:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return super().outputs(features)


@pytest.mark.parametrize(("error", "kind"), [(ModelError, "model_failed"), (MemoryError, "failed")])
def test_a_model_that_fails_in_mid_stream_writes_what_came_and_the_summary(
    classifier: Classifier, speech: np.ndarray, error: type[Exception], kind: str
) -> None:
    collector = Collector()
    with pytest.raises(error, match="no more"):
        run(
            ScriptedSource(blocks_of(speech)),
            Engine(Breaking(classifier, 7, error("no more"))),
            SinkGroup([collector]),
            Config(),
        )
    assert len([estimate for estimate in collector.of(Estimate) if estimate.probs]) == 7
    assert [notice.kind for notice in collector.of(Notice)] == [kind]
    assert isinstance(collector.records[-1], Summary)


def test_a_source_that_fails_with_any_exception_writes_the_summary(classifier: Classifier, speech: np.ndarray) -> None:
    collector = Collector()
    source = ScriptedSource([*blocks_of(speech[: 4 * RATE]), OSError("stale file handle")])
    with pytest.raises(OSError, match="stale"):
        run(source, Engine(classifier), SinkGroup([collector]), Config())
    assert [notice.kind for notice in collector.of(Notice)] == ["failed"]
    assert collector.records[-1].health.captured == 4 * RATE


def test_stream_takes_the_configs_model(make_bundle: MakeBundle, speech: np.ndarray) -> None:
    tiny = str(make_bundle("flatstats"))
    (first, *_) = realtime_ser.stream(speech[: 3 * RATE], config=Config(model=tiny))
    assert first.labels == TINY
    (first, *_) = realtime_ser.stream(speech[: 3 * RATE], model="mlp", config=Config(model=tiny))
    assert first.labels != TINY
    (first, *_) = realtime_ser.stream(speech[: 3 * RATE], model=None)
    assert first.labels == load_model(Config().model).labels


def test_stream_as_fast_as_possible_has_a_name_and_nonsense_is_said(speech: np.ndarray) -> None:
    assert len(list(realtime_ser.stream(speech[: 3 * RATE], speed="max"))) > 4
    with pytest.raises(ConfigError, match="'fast'"):
        next(realtime_ser.stream(speech, speed="fast"))


def test_the_leading_label_is_told_beside_the_one_that_stands(speech: np.ndarray) -> None:
    estimates = list(realtime_ser.stream(speech))
    other = 0
    for estimate in estimates:
        if not estimate.smoothed:
            assert (estimate.leading, estimate.leading_confidence) == (None, 0.0)
            continue
        shares = dict(zip(estimate.labels, estimate.smoothed, strict=True))
        assert estimate.leading_confidence == max(shares.values()) == shares[estimate.leading]
        if estimate.label is not None:
            assert estimate.confidence == shares[estimate.label]
            other += estimate.leading != estimate.label
    assert other > 0, "the demo has windows in which another label leads"
