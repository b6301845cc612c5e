"""A machine that is too slow skips to the newest audio, says so, and counts what it skipped. The clock here is the test's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_ser.config import Config, GateConfig, StreamConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.pipeline.catch_up import Backlog
from realtime_ser.pipeline.run import listen
from realtime_ser.records import Block, Estimate, Notice, Record
from stub_model import StubClassifier

RATE = 4000
CONFIG = Config(stream=StreamConfig(hop_s=0.25), gate=GateConfig(enabled=False))


class World:
    """A clock, a microphone with a ring of its own, and a model that takes its time."""

    duration_s = None
    channels, speed, waiting_s = 1, 1.0, 0.0
    rate = RATE
    name = "world"

    def __init__(self, seconds: float, *, delay_s: float = 0.0, block_s: float = 0.02) -> None:
        self.now = 100.0
        self.delay_s = delay_s
        self._length = round(seconds * RATE)
        self._block = round(block_s * RATE)
        self._audio = np.random.default_rng(0).normal(0, 0.1, self._length).astype(np.float32)

    def clock(self) -> float:
        return self.now

    def stop(self) -> None:
        self._length = 0

    def blocks(self) -> Iterator[Block]:
        """As a ring gives them: everything that came meanwhile, at once; else wait for the next block."""
        read = 0
        while read < self._length:
            written = int((self.now - 100.0 - self.delay_s) * RATE / self._block + 1e-6) * self._block
            if written <= read:
                written = read + self._block
                self.now = 100.0 + self.delay_s + written / RATE
            written = min(written, self._length)
            yield Block(self._audio[read:written], RATE, read, 100.0 + written / RATE, xruns=1)
            read = written


class SlowModel(StubClassifier):
    """Takes time on the world's clock, as a function of that clock."""

    def __init__(self, world: World, busy: tuple[float, float], takes_s: float) -> None:
        super().__init__(window_s=1.0, min_window_s=0.5)
        self._world, self._busy, self._takes_s = world, busy, takes_s

    def predict(self, features: np.ndarray) -> np.ndarray:
        if self._busy[0] <= self._world.now - 100 < self._busy[1]:
            self._world.now += self._takes_s
        return super().predict(features)


def run(world: World, model: StubClassifier, max_lag_s: float | None = 1.5) -> tuple[list[Record], Engine]:
    engine = Engine(model, CONFIG)
    records = []
    for record in listen(world, engine, max_lag_s=max_lag_s, clock=world.clock):
        health = engine.health
        assert health.captured == health.classified + health.gated + health.dropped + health.pending
        records.append(record)
    assert engine.health.captured == round(world._length)
    assert engine.health.xruns == sum(isinstance(record, Block) for record in records)
    return records, engine


def kinds(records: list[Record]) -> list[str]:
    return [record.kind for record in records if isinstance(record, Notice)]


def latencies(records: list[Record]) -> list[tuple[float, float]]:
    return [(record.end_s, record.latency_s) for record in records if isinstance(record, Estimate)]


@pytest.mark.parametrize("takes_s", [0.3, 0.6, 2.0])
def test_latency_stays_bounded_and_recovers(takes_s: float) -> None:
    world = World(60)
    records, engine = run(world, SlowModel(world, (20, 40), takes_s))
    assert kinds(records) == ["behind", "caught_up"]
    behind, caught_up = (record for record in records if isinstance(record, Notice))
    assert 20 <= behind.at_s <= 20 + 1.5 * 0.25 / max(0.01, takes_s - 0.25) + 1.5 + takes_s
    assert 40 - 1.5 < caught_up.at_s < 40 + 3 + 1.5 + takes_s
    assert max(latency for _, latency in latencies(records)) <= 1.5 + takes_s + 0.25  # a window may end anywhere in a piece
    assert max(latency for end, latency in latencies(records) if end < 20 or end > 42 + takes_s) < 0.05
    assert engine.health.dropped > 0
    # It goes on telling what it can: at least one window for two turns of the model and the second that a window needs.
    during = [end for end, _ in latencies(records) if 20 <= end < 40]
    assert len(during) >= 20 / (2 * takes_s + 1)


def test_every_block_is_heard_also_when_it_is_skipped() -> None:
    world = World(30)
    records, _ = run(world, SlowModel(world, (5, 30), 3.0))
    end = 0
    for block in (record for record in records if isinstance(record, Block)):
        assert block.start == end
        end = block.end
    assert end == 30 * RATE


def test_what_is_skipped_to_is_the_newest() -> None:
    world = World(30)
    records, _ = run(world, SlowModel(world, (5, 20), 4.0))
    late = [latency for end, latency in latencies(records) if 10 < end < 20]
    # One turn of the model, not the backlog that gathered in the turn before.
    assert late
    assert max(late) == pytest.approx(4.0, abs=0.3)


def test_a_machine_that_keeps_up_skips_nothing() -> None:
    world = World(30)
    records, engine = run(world, SlowModel(world, (0, 30), 0.2))
    assert kinds(records) == []
    assert engine.health.dropped == 0


def test_without_a_limit_nothing_is_ever_skipped() -> None:
    world = World(10)
    records, engine = run(world, SlowModel(world, (0, 10), 1.0), max_lag_s=None)
    assert kinds(records) == []
    assert engine.health.dropped == 0


def test_a_device_that_is_late_by_nature_is_not_taken_for_a_slow_machine() -> None:
    world = World(30, delay_s=5.0)
    records, engine = run(world, StubClassifier())
    assert kinds(records) == []
    assert engine.health.dropped == 0


def test_a_device_whose_delay_grows_is_not_taken_for_one_either() -> None:
    """As when an audio server moves the stream to another device."""
    world = World(30)

    class Moved(World):
        def blocks(self) -> Iterator[Block]:
            for block in super().blocks():
                yield replace(block, captured_at=self.now - (5 if block.start > 10 * RATE else 0))

    world = Moved(30)
    records, engine = run(world, StubClassifier())
    assert kinds(records) == []
    assert engine.health.dropped == 0


def test_without_time_of_capture_nothing_is_skipped() -> None:
    world = World(1)
    backlog = Backlog(Engine(StubClassifier(), CONFIG), 0.2, world.clock)
    block = Block(np.zeros(RATE, np.float32), RATE, 0)
    assert list(backlog.pieces(block)) == [block]


@pytest.mark.parametrize(("speed", "said"), [(1.0, ["behind"]), (50.0, [])])
def test_a_long_block_is_a_backlog_in_real_time_and_none_in_a_fast_replay(speed: float, said: list[str]) -> None:
    world = World(1)
    backlog = Backlog(Engine(StubClassifier(), CONFIG), 1.5, world.clock, speed=speed)
    pieces = list(backlog.pieces(Block(np.zeros(10 * RATE, np.float32), RATE, 0, captured_at=99.99)))
    assert [piece.kind for piece in pieces if isinstance(piece, Notice)] == said
    heard = [piece for piece in pieces if isinstance(piece, Block)]
    assert heard[-1].end == 10 * RATE
    assert (heard[0].start == 0) == (said == [])


def test_what_a_source_holds_back_counts_as_waiting() -> None:
    world = World(1)
    backlog = Backlog(Engine(StubClassifier(), CONFIG), 1.5, world.clock)
    pieces = list(backlog.pieces(Block(np.zeros(80, np.float32), RATE, 0, captured_at=100.0), waiting_s=2.0))
    assert [type(piece) for piece in pieces] == [Notice]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    turns=st.lists(st.floats(0, 3), min_size=1, max_size=20),
    max_lag_s=st.floats(0.2, 3),
    block_s=st.sampled_from([0.01, 0.02, 0.1, 0.5]),
)
def test_any_load(turns: list[float], max_lag_s: float, block_s: float) -> None:
    world = World(20, block_s=block_s)

    class Uneven(StubClassifier):
        def predict(self, features: np.ndarray) -> np.ndarray:
            world.now += turns[len(turns) and int(world.now * 7) % len(turns)]
            return super().predict(features)

    records, engine = run(world, Uneven(), max_lag_s)
    # The very last audio has nothing newer behind it to skip to, and is classified however late it is.
    late = [latency for end, latency in latencies(records) if end < 18.5 - max_lag_s]
    assert max(late, default=0) <= max_lag_s + max(turns) + block_s + 0.25
    said = kinds(records)
    assert said == [("behind", "caught_up")[at % 2] for at in range(len(said))]
    assert bool(said) or engine.health.dropped == 0
