"""Faults do what the scenario says, the same way every time, and nothing of them is lost in silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_ser.audio.array import ArraySource
from realtime_ser.audio.realtime import PacedSource
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import SourceError
from realtime_ser.faults.scenario import KINDS, parse_scenario
from realtime_ser.faults.source import FaultySource
from realtime_ser.pipeline.run import listen
from realtime_ser.records import Block, Estimate, Notice
from stub_model import StubClassifier

RATE = 4000
AUDIO = np.random.default_rng(3).normal(0, 0.1, 10 * RATE).astype(np.float32)


def faulty(*faults: dict[str, Any], block_s: float = 0.1, samples: np.ndarray = AUDIO, **head: Any) -> FaultySource:
    scenario = parse_scenario({"faults": list(faults), **head}, "test.yaml")
    return FaultySource(ArraySource(samples, RATE, block_s=block_s), scenario)


def heard(source: Any) -> tuple[list[Block], list[Notice]]:
    with source:
        items = list(source.blocks())
    notices = [item for item in items if isinstance(item, Notice)]
    assert notices.pop(0).kind == "faults"
    return [item for item in items if isinstance(item, Block)], notices


def gaps(blocks: Sequence[Block]) -> list[tuple[int, int]]:
    found, end = [], 0
    for block in blocks:
        assert block.start >= end, "time ran backward"
        if block.start > end:
            found.append((end, block.start))
        end = block.end
    return found


def same_samples(blocks: Sequence[Block], truth: np.ndarray = AUDIO) -> bool:
    return all(np.array_equal(block.samples, truth[block.start : block.end], equal_nan=True) for block in blocks)


def test_no_faults_change_nothing() -> None:
    blocks, notices = heard(faulty())
    assert not notices
    assert gaps(blocks) == []
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), AUDIO)
    assert {len(block.samples) for block in blocks} == {RATE // 50}


def test_vanish_is_announced_and_a_jump() -> None:
    blocks, notices = heard(faulty({"kind": "vanish", "at_s": 1.0005, "for_s": 2}))
    assert gaps(blocks) == [(4002, 12002)]
    assert same_samples(blocks)
    assert [(notice.kind, notice.at) for notice in notices] == [("device_lost", 4002), ("device_back", 12002)]


def test_a_device_that_vanishes_again_and_again() -> None:
    blocks, notices = heard(faulty({"kind": "vanish", "at_s": 1, "for_s": 0.5, "every_s": 2, "times": 3}))
    assert gaps(blocks) == [(4000, 6000), (12000, 14000), (20000, 22000)]
    assert [notice.kind for notice in notices] == ["device_lost", "device_back"] * 3


def test_xruns_with_a_count_jump_and_without_are_only_flagged() -> None:
    blocks, _ = heard(faulty({"kind": "xrun", "at_s": 2, "lost_ms": 30}, {"kind": "xrun", "at_s": 4}))
    assert gaps(blocks) == [(8000, 8120)]
    assert [(block.start, block.xruns) for block in blocks if block.xruns] == [(8120, 1), (16000, 1)]
    assert same_samples(blocks)


def test_overflows_at_one_place_are_counted_each() -> None:
    blocks, _ = heard(faulty(*[{"kind": "xrun", "at_s": 2}] * 3, {"kind": "vanish", "at_s": 1.9, "for_s": 1}))
    assert sum(block.xruns for block in blocks) == 3


def test_late_blocks_lose_nothing() -> None:
    faults = [
        {"kind": "jitter", "at_s": 1, "for_s": 2, "max_ms": 90},
        {"kind": "stall", "at_s": 4, "for_s": 1},
        {"kind": "burst", "at_s": 6, "for_s": 2, "size_ms": 500},
    ]
    blocks, _ = heard(faulty(*faults))
    assert gaps(blocks) == []
    assert same_samples(blocks)
    assert [len(block.samples) for block in blocks if len(block.samples) > RATE // 50] == [RATE // 2] * 4


@pytest.mark.slow
def test_a_stall_delivers_late_and_all_at_once_and_is_no_slow_machine() -> None:
    paced = PacedSource(ArraySource(AUDIO, RATE), 4, block_ms=20)
    source = FaultySource(paced, parse_scenario({"faults": [{"kind": "stall", "at_s": 1, "for_s": 6}]}, "test.yaml"))
    engine = Engine(StubClassifier(), Config(gate=GateConfig(enabled=False)))
    with source:
        records = list(listen(source, engine, max_lag_s=0.5))
    assert [record.kind for record in records if isinstance(record, Notice)] == ["faults"]
    assert engine.health.dropped == 0
    latencies = {record.end_s: record.latency_s or 0.0 for record in records if isinstance(record, Estimate)}
    # At four times the pace: what came first waited for 1.5 s, what came last for nothing.
    assert max(latencies.values()) > 1.0
    assert min(latencies[end] for end in latencies if end > 8) < 0.5


def test_not_a_number_and_infinity_reach_no_model_and_are_counted() -> None:
    faults = [{"kind": "nan", "at_s": 2, "for_s": 0.1}, {"kind": "inf", "at_s": 5, "for_s": 0.05, "share": 1}]
    blocks, _ = heard(faulty(*faults))
    spoiled = [block.start for block in blocks if not np.isfinite(block.samples).all()]
    assert spoiled == [8000, 8080, 8160, 8240, 8320, 20000, 20080, 20160]
    engine = Engine(StubClassifier(), Config(gate=GateConfig(enabled=False)))  # whose model refuses such numbers
    with faulty(*faults) as source:
        records = list(listen(source, engine))
    assert engine.health.captured == len(AUDIO)
    # Eight blocks, and what hung between two of them or before them without making a window.
    assert 8 * 80 <= engine.health.dropped <= 8 * 80 + 2 * engine.min_window
    lost = sum(record.lost_samples for record in records if isinstance(record, Estimate))
    assert lost == engine.health.dropped


def test_distortions() -> None:
    faults = [
        {"kind": "dc_offset", "at_s": 1, "for_s": 1, "level": 0.5},
        {"kind": "clipping", "at_s": 3, "for_s": 1, "gain_db": 40},
        {"kind": "channels", "at_s": 5, "for_s": 1, "count": 4, "silent": 1},
        {"kind": "denormals", "at_s": 7, "for_s": 1},
    ]
    blocks, _ = heard(faulty(*faults))
    out = np.concatenate([block.samples for block in blocks])
    second = {at: out[at * RATE : (at + 1) * RATE] for at in range(10)}
    true = {at: AUDIO[at * RATE : (at + 1) * RATE] for at in range(10)}
    np.testing.assert_allclose(second[1], true[1] + 0.5, atol=1e-6)
    assert np.abs(second[3]).max() == 1
    assert np.mean(np.abs(second[3]) == 1) > 0.9
    np.testing.assert_allclose(second[5], true[5] * 0.75, atol=1e-6)
    assert 0 < np.abs(second[7]).max() < np.finfo(np.float32).tiny
    for at in (0, 2, 4, 6, 8, 9):
        assert np.array_equal(second[at], true[at])


def test_a_rate_that_lies() -> None:
    source = faulty({"kind": "lying_rate", "declared_hz": 8000})
    blocks, _ = heard(source)
    assert (source.rate, source.duration_s) == (8000, 5)
    assert {block.rate for block in blocks} == {8000}
    assert same_samples(blocks)


@pytest.mark.parametrize("ppm", [500, -500, 20_000])
def test_clock_drift_adds_or_takes_samples(ppm: float) -> None:
    tone = np.sin(2 * np.pi * 100 * np.arange(30 * RATE) / RATE).astype(np.float32)
    gap = {"kind": "vanish", "at_s": 10, "for_s": 5}
    blocks, notices = heard(faulty({"kind": "clock_drift", "ppm": ppm}, gap, samples=tone))
    assert blocks[-1].end == pytest.approx(30 * RATE * (1 + ppm / 1e6), abs=2)
    assert [(end, start) for end, start in gaps(blocks)] == [
        (pytest.approx(10 * RATE * (1 + ppm / 1e6), abs=2), pytest.approx(15 * RATE * (1 + ppm / 1e6), abs=2))
    ]
    assert notices[1].at == blocks[-1].end - sum(len(b.samples) for b in blocks if b.start >= 12 * RATE)
    out = np.concatenate([block.samples for block in blocks if block.end < 9 * RATE])
    times = np.arange(len(out)) / (RATE * (1 + ppm / 1e6))
    middle = slice(RATE, len(out) - RATE)
    # The resampler comes up to 1.6 samples late; without the drift it would be 18 of them at the end.
    np.testing.assert_allclose(out[middle], np.sin(2 * np.pi * 100 * times[middle]), atol=0.3)


def test_a_callback_that_raises_ends_the_stream_after_what_came_before() -> None:
    source = faulty({"kind": "stall", "at_s": 2.5, "for_s": 2}, {"kind": "raise", "at_s": 3.0001, "message": "broken cable"})
    came = []
    with source, pytest.raises(SourceError, match=r"callback|capture failed.*broken cable"):
        came.extend(source.blocks())
    assert came[-1].end == 12000


def test_stopping_ends_it_with_what_was_held_back() -> None:
    ended = 0
    with faulty({"kind": "stall", "at_s": 0, "for_s": 8}) as source:
        for item in source.blocks():
            if isinstance(item, Notice):
                source.stop()
            else:
                ended = item.end
    assert ended <= 8 * RATE


def _kind(name: str) -> st.SearchStrategy[dict[str, Any]]:
    timed = st.fixed_dictionaries(
        {"at_s": st.floats(0, 9), "every_s": st.sampled_from([None, 3.0]), "spread_s": st.sampled_from([0.0, 0.7])}
    )
    own = {
        "xrun": st.fixed_dictionaries({"lost_ms": st.sampled_from([None, 7.0, 300.0])}),
        "clock_drift": st.fixed_dictionaries({"ppm": st.floats(-500, 500)}),
        "lying_rate": st.fixed_dictionaries({"declared_hz": st.sampled_from([4000, 4100, 16000])}),
    }
    lasting = st.fixed_dictionaries({"for_s": st.floats(0.01, 2)})
    parts = [own.get(name, st.just({}))]
    if name not in ("clock_drift", "lying_rate"):
        parts += [timed] if name in ("xrun", "raise") else [timed, lasting]
    return st.tuples(*parts).map(lambda found: {"kind": name, **{k: v for part in found for k, v in part.items()}})


_SCENARIOS = st.tuples(
    st.lists(st.sampled_from([k for k in KINDS if k not in ("clock_drift", "lying_rate")]).flatmap(_kind), max_size=6),
    st.lists(_kind("clock_drift"), max_size=1),
    st.lists(_kind("lying_rate"), max_size=1),
).map(lambda lists: lists[0] + lists[1] + lists[2])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(faults=_SCENARIOS, seed=st.integers(0, 99), block_s=st.sampled_from([0.013, 0.1, 3.0]))
def test_any_scenario_is_repeatable_accounted_for_and_independent_of_the_blocks(
    faults: list[dict[str, Any]], seed: int, block_s: float
) -> None:
    def run(block_s: float) -> tuple[list[tuple[Any, ...]], str]:
        engine = Engine(StubClassifier(), Config(gate=GateConfig(vad=False)))
        out: list[tuple[Any, ...]] = []
        failure, end = "", 0
        with faulty(*faults, seed=seed, block_s=block_s) as source:
            try:
                for record in listen(source, engine):
                    health = engine.health
                    assert health.captured == health.classified + health.gated + health.dropped + health.pending
                    if isinstance(record, Block):
                        assert record.start >= end
                        end = record.end
                        out.append((record.start, record.rate, record.xruns, record.samples.tobytes()))
                    elif isinstance(record, Estimate):
                        out.append((record.start, record.end, record.label, record.probs, record.lost_samples))
                    elif isinstance(record, Notice):
                        out.append((record.kind, record.at_s))
            except SourceError as error:
                failure = str(error)
            rate = source.rate
        assert engine.health.captured == pytest.approx(end * RATE / rate, abs=1)
        return out, failure

    assert run(0.1) == run(0.1) == run(block_s)
