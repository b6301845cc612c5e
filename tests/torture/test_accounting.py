"""Ring, engine and sinks through whatever may happen to a stream: nothing is lost in silence, and time is exact."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from accounted_stream import CAPACITY, MODEL, RATE, AccountedStream
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from realtime_ser.latency import LatencyHistogram
from realtime_ser.records import Estimate, Segment, Summary

RATES = st.sampled_from([RATE, RATE, 2000, 8000, 11025, 48000])
_NOISE = np.random.default_rng(11).uniform(-0.3, 0.3, 50_000).astype(np.float32)


class Accounting(AccountedStream):
    """What may happen to the stream, and what must hold then."""

    def teardown(self) -> None:
        try:
            self.end_stream()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    @initialize(rate=RATES)
    def begin(self, rate: int) -> None:
        self.begin_stream(rate)

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

    # --- how a stream ends ---

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
        assert len(classified) == len(MODEL.seen)
        heard = np.zeros(self.heard, np.float32)
        for start, samples in self.truth.items():
            rest = heard[start : start + len(samples)]
            rest[:] = samples[: len(rest)]
        for estimate, seen in zip(classified, MODEL.seen, strict=True):
            # A last, shorter hop may end between two frames; the window's frames then end, and begin, a little earlier.
            between = estimate.hop % MODEL.spec.hop_length
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
