"""Ring, engine and sinks through whatever may happen to a stream: nothing is lost in silence, and time is exact."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from realtime_ser.audio.ring import Ring
from realtime_ser.config import Config, GateConfig, SmoothingConfig, StreamConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.latency import LatencyHistogram
from realtime_ser.records import Block, Estimate, Record, Segment, Session, Summary
from realtime_ser.sinks.group import SinkGroup
from realtime_ser.sinks.jsonl import JsonlSink
from realtime_ser.sinks.recorder import RecorderSink
from stub_model import LABELS, StubClassifier

RATE = 4000
CAPACITY = 3000
RATES = st.sampled_from([RATE, RATE, 2000, 8000, 11025, 48000])
_NOISE = np.random.default_rng(11).uniform(-0.3, 0.3, 50_000).astype(np.float32)
CONFIG = Config(
    stream=StreamConfig(hop_s=0.1),
    gate=GateConfig(vad=False, min_speech_s=0.05, floor_span_s=1.0),
    smoothing=SmoothingConfig(time_constant_s=0.2, hold_s=0.0, forget_s=0.3),
)
# Building one costs more than everything that is done with it; reset must make it as new, which the test then shows.
_MODEL = StubClassifier(hop=50, window_s=0.5, min_window_s=0.2, keep=True)
_ENGINE = Engine(_MODEL, CONFIG)
# What the model gets is compared bit for bit with what was written; the filter before it has its own tests.
_ENGINE._high_pass.push = lambda samples: samples  # type: ignore[method-assign]


class Collector:
    name = "collector"

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, record: Record) -> None:
        self.records.append(record)

    def close(self) -> None:
        pass

    def of(self, kind: type) -> list:
        return [record for record in self.records if isinstance(record, kind)]


class Accounting(RuleBasedStateMachine):
    """A stream, and beside it a plain account of what was written, lost and heard, kept by this test alone."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="accounting-"))
        self.engine = _ENGINE
        self.stream = 0

    def teardown(self) -> None:
        try:
            self.end_stream()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    @initialize(rate=RATES)
    def begin(self, rate: int) -> None:
        self.begin_stream(rate)

    def begin_stream(self, rate: int) -> None:
        self.stream += 1
        self.collector = Collector()
        self.jsonl = self.folder / f"{self.stream}.jsonl"
        self.recorder = RecorderSink(self.folder / f"{self.stream}.wav")
        self.sinks = SinkGroup([JsonlSink(self.jsonl), self.recorder, self.collector])
        self.sinks.write(Session("0", "stub", LABELS, RATE, 0.5, 0.1, "test", "now"))
        self.engine.reset()
        _MODEL.seen.clear()
        self.rate = rate
        self.begin_ring(0)
        self.truth: dict[int, np.ndarray] = {}  # by start index, of what was written since the last change of rate
        self.heard, self.heard_rate = 0, rate  # source index just past the last sample delivered, at that sample's rate
        self.xruns = 0
        self.recorded = 0  # samples that the recording must hold
        self.rate_changes = 0
        self.lost: list[tuple[Fraction, Fraction]] = []  # stretches of time, in seconds, that nobody may classify
        self.flushed = True

    def begin_ring(self, offset: int) -> None:
        self.ring = Ring(CAPACITY, rate=self.rate)
        self.offset = offset  # of the ring's timeline in the source's
        self.written = 0  # on the ring's timeline
        self.stored = self.taken = 0

    # --- what the audio thread may do ---

    @rule(count=st.integers(0, 1500), loud=st.booleans(), xruns=st.sampled_from([0, 0, 0, 1]))
    def write(self, count: int, loud: bool, xruns: int) -> None:
        start = self.offset + self.written
        samples = np.resize(np.roll(_NOISE, -(start % len(_NOISE))), count) * np.float32(1 if loud else 1e-5)
        self.store(samples, xruns)

    @rule(count=st.integers(1, 200), value=st.sampled_from([np.nan, np.inf, -np.inf]), where=st.floats(0, 0.99))
    def write_bad(self, count: int, value: float, where: float) -> None:
        samples = _NOISE[:count].copy()
        samples[int(where * count)] = value
        self.store(samples, 0)

    def store(self, samples: np.ndarray, xruns: int) -> None:
        if len(samples):
            self.truth[self.offset + self.written] = samples
        self.ring.write(samples, None, xruns)
        self.written += len(samples)
        self.stored += len(samples)
        self.xruns += xruns

    @rule(count=st.integers(1, 3000))
    def gap(self, count: int) -> None:
        self.ring.advance(count)
        self.written += count

    @rule(pieces=st.integers(1, 8), loud=st.booleans())
    def write_and_read(self, pieces: int, loud: bool) -> None:
        """An ordinary stretch of a stream: the reader keeps up."""
        for _ in range(pieces):
            self.write(self.rate // 5, loud, 0)
            self.read(None)

    # --- what the reader may do ---

    @rule(limit=st.one_of(st.none(), st.integers(1, 900)))
    def read(self, limit: int | None) -> None:
        block = self.take(limit)
        if block is not None:
            self.hear(block, skip=False)

    @rule(limit=st.one_of(st.none(), st.integers(1, 900)))
    def skip(self, limit: int | None) -> None:
        block = self.take(limit)
        if block is not None:
            self.hear(block, skip=True)

    @rule()
    def flush(self) -> None:
        self.results(self.engine.flush())
        self.flushed = True

    @rule(rate=RATES, away=st.integers(0, 900))
    @precondition(lambda self: self.rate_changes < 3)
    def change_rate(self, rate: int, away: int) -> None:
        """A device returns with another rate: its clock goes on where the old one stood, to the sample."""
        while (block := self.take(None)) is not None:
            self.hear(block, skip=False)
        if rate == self.rate:
            return
        self.rate = rate
        self.rate_changes += 1
        self.truth.clear()
        self.begin_ring(self.heard_at(rate) + away)

    @rule(rate=RATES)
    def reset(self, rate: int) -> None:
        self.end_stream()
        self.begin_stream(rate)

    def heard_at(self, rate: int) -> int:
        """``heard`` in samples at ``rate``."""
        return round(Fraction(self.heard * rate, self.heard_rate))

    # --- how a pipeline does it ---

    def take(self, limit: int | None) -> Block | None:
        before = self.ring.overwritten
        chunk = self.ring.read(limit)
        self.taken += self.ring.overwritten - before
        if chunk is None:
            return None
        self.taken += len(chunk.samples)
        return Block(chunk.samples[:, 0], self.rate, chunk.start + self.offset, chunk.captured_at, chunk.xruns)

    def hear(self, block: Block, *, skip: bool) -> None:
        heard = self.heard_at(block.rate)
        assert block.start >= heard, "time ran backward"
        blocks = self.collector.of(Block)
        same_file = not blocks or blocks[-1].rate == block.rate
        self.recorded += block.end - (heard if same_file else block.start)
        if block.start > heard:
            self.lost.append((Fraction(heard, self.rate), Fraction(block.start, self.rate)))
        if skip or not np.isfinite(block.samples).all():
            self.lost.append((Fraction(block.start, self.rate), Fraction(block.end, self.rate)))
        self.heard, self.heard_rate = block.end, block.rate
        self.flushed = False
        self.sinks.write(block)
        if skip:
            self.engine.skip(block)
            self.results([])
        else:
            self.results(self.engine.push(block))

    def results(self, estimates: Iterable[Estimate]) -> None:
        for record in (*estimates, *self.engine.take_segments()):
            self.sinks.write(record)
        self.sinks.write(self.engine.health)

    def end_stream(self) -> None:
        self.ring.close()
        while (block := self.take(None)) is not None:
            self.hear(block, skip=False)
        assert self.ring.ended
        self.flush()
        self.check_sums()
        self.check_windows()
        health = self.engine.health
        self.sinks.write(Summary(health, RATE, LatencyHistogram().percentiles_ms(), {}))
        self.sinks.close()
        assert self.sinks.failures == []
        self.check_segments()
        self.check_jsonl()
        self.check_recording()

    # --- what must hold at every moment ---

    @invariant()
    @precondition(lambda self: self.stream > 0)
    def check_sums(self) -> None:
        health = self.engine.health
        assert health.captured == health.classified + health.gated + health.dropped + health.pending
        assert min(health.classified, health.gated, health.dropped, health.pending) >= 0
        # At one rate the time is exact to the sample; where rates meet, one more may be accounted for already.
        assert abs(health.captured - Fraction(self.heard * RATE, self.heard_rate)) <= Fraction(1, 2) + (self.rate_changes > 0)
        assert self.stored == self.taken + self.ring.available + max(0, self.stored - self.taken - CAPACITY)
        estimates = self.collector.of(Estimate)
        assert health.windows == len(estimates)
        assert health.classified == sum(e.hop for e in estimates if e.state != "no_speech")
        assert health.gated == sum(e.hop for e in estimates if e.state == "no_speech")
        if self.flushed:
            # What is pending then is a remainder too short to classify, and it is the last thing heard.
            assert health.pending < self.engine.min_window // 2 + 2

    @invariant()
    @precondition(lambda self: self.stream > 0)
    def check_windows(self) -> None:
        """The newest windows; the older ones were looked at before."""
        estimates = self.collector.of(Estimate)[-40:]
        for before, after in itertools.pairwise(estimates):
            assert after.end > before.end, "time ran backward"
            assert after.end - after.hop >= before.end, "two windows account for the same samples"
        slack = Fraction(1 + self.rate_changes, RATE) if self.rate != RATE or self.rate_changes else Fraction(0)
        for estimate in estimates:
            start, end = Fraction(estimate.start, RATE), Fraction(estimate.end, RATE)
            assert 0 <= start < end
            for first, past in self.lost[-60:]:
                assert end <= first + slack or start >= past - slack, "a window spans a gap"

    def check_segments(self) -> None:
        classified = [(e.end - e.hop, e.end) for e in self.collector.of(Estimate) if e.state != "no_speech"]
        segments = [(s.start, s.end) for s in self.collector.of(Segment)]
        for before, after in itertools.pairwise(segments):
            assert before[1] <= after[0], "segments overlap"
        assert _union(segments) == _union(classified), "segments do not tile the classified time"

    def check_jsonl(self) -> None:
        rows = [json.loads(line) for line in self.jsonl.read_text().splitlines()]
        assert [rows[0]["type"], rows[-1]["type"]] == ["session", "summary"]
        windows = [row for row in rows if row["type"] == "window"]
        summary = rows[-1]
        health = self.engine.health
        assert len(windows) == summary["windows"] == health.windows
        assert summary["captured_samples"] == health.captured
        assert summary["xruns"] <= self.xruns
        assert [row["end_s"] for row in windows] == sorted(row["end_s"] for row in windows)
        # Lost samples that came after the last window have no window to say so.
        assert sum(row["lost_samples"] for row in windows) <= summary["dropped_samples"]
        if self.rate == RATE and self.rate_changes == 0:
            self.check_features()

    def check_features(self) -> None:
        """What the model saw is, to the bit, what was written at the time that the window names."""
        classified = [e for e in self.collector.of(Estimate) if e.state != "no_speech"]
        assert len(classified) == len(_MODEL.seen)
        heard = np.zeros(self.heard, np.float32)
        for start, samples in self.truth.items():
            rest = heard[start : start + len(samples)]
            rest[:] = samples[: len(rest)]
        for estimate, seen in zip(classified, _MODEL.seen, strict=True):
            # A last, shorter hop may end between two frames; the window's frames then end, and begin, a little earlier.
            between = estimate.hop % _MODEL.spec.hop_length
            end = estimate.end - between
            assert np.array_equal(seen, heard[end - len(seen) : end])
            assert end - len(seen) >= max(0, estimate.start - between)

    def check_recording(self) -> None:
        paths = [path for path in self.recorder.paths if path.exists()]
        assert sum(soundfile.info(path).frames for path in paths) == self.recorded
        if self.rate_changes == 0:
            assert self.recorded == self.heard
            assert abs(self.engine.health.captured - Fraction(self.recorded * RATE, self.rate)) <= Fraction(1, 2)


def _union(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Adjoining spans as one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


@pytest.mark.slow
def test_nothing_is_lost_in_silence(torture) -> None:
    run_state_machine_as_test(
        Accounting,
        settings=settings(
            max_examples=torture.pick(500, 20_000),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
