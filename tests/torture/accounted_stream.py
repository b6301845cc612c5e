"""Ring, engine and sinks as one stream, beside which a plain account is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
from hypothesis.stateful import RuleBasedStateMachine

from collector import Collector
from realtime_ser.audio.ring import Ring
from realtime_ser.config import Config, GateConfig, SmoothingConfig, StreamConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.records import Block, Estimate, Session
from realtime_ser.sinks.group import SinkGroup
from realtime_ser.sinks.jsonl import JsonlSink
from realtime_ser.sinks.recorder import RecorderSink
from stub_model import LABELS, StubClassifier

RATE = 4000
CAPACITY = 3000
CONFIG = Config(
    stream=StreamConfig(hop_s=0.1),
    gate=GateConfig(vad=False, min_speech_s=0.05, floor_span_s=1.0),
    smoothing=SmoothingConfig(time_constant_s=0.2, hold_s=0.0, forget_s=0.3),
)
# Building one costs more than everything that is done with it; reset must make it as new, which the test then shows.
MODEL = StubClassifier(hop=50, window_s=0.5, min_window_s=0.2, keep=True)
ENGINE = Engine(MODEL, CONFIG)
# What the model gets is compared bit for bit with what was written; the filter before it has its own tests.
ENGINE._high_pass.push = lambda samples: samples  # type: ignore[method-assign]


class AccountedStream(RuleBasedStateMachine):
    """A stream, and beside it a plain account of what was written, lost and heard, kept by the tests alone."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="accounting-"))
        self.engine = ENGINE
        self.stream = 0

    def begin_stream(self, rate: int) -> None:
        self.stream += 1
        self.collector = Collector()
        self.jsonl = self.folder / f"{self.stream}.jsonl"
        self.recorder = RecorderSink(self.folder / f"{self.stream}.wav")
        self.sinks = SinkGroup([JsonlSink(self.jsonl), self.recorder, self.collector])
        self.sinks.write(Session("0", "stub", LABELS, RATE, 0.5, 0.1, "test", "now"))
        self.engine.reset()
        MODEL.seen.clear()
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

    def store(self, samples: np.ndarray, xruns: int) -> None:
        if len(samples):
            self.truth[self.offset + self.written] = samples
        self.ring.write(samples, None, xruns)
        self.written += len(samples)
        self.stored += len(samples)
        self.xruns += xruns

    def heard_at(self, rate: int) -> int:
        """``heard`` in samples at ``rate``."""
        return round(Fraction(self.heard * rate, self.heard_rate))

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
