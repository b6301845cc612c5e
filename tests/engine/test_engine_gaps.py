"""Gaps, bad blocks and changes of rate: every sample is accounted for at every moment, and time is exact."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_stream import OPEN, check_accounts

from bundles import RATE, Samples
from realtime_ser.config import Config, GateConfig, SmoothingConfig, StreamConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import SourceError
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import Block, Estimate, Segment

# Steps of a stream that goes wrong: (what, samples, number).
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("audio"), st.integers(0, 6000), st.just(0)),
        st.tuples(st.just("gap"), st.integers(1, 3000), st.integers(1, 20_000)),
        st.tuples(st.sampled_from(["nan", "inf", "huge"]), st.integers(1, 3000), st.integers(0, 2999)),
        st.tuples(st.just("rate"), st.integers(0, 4000), st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000])),
        st.tuples(st.just("flush"), st.just(0), st.just(0)),
        st.tuples(st.just("empty after gap"), st.just(0), st.integers(1, 5000)),
        st.tuples(st.just("silence"), st.integers(1, 12_000), st.just(0)),
    ),
    max_size=25,
)


def joined(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Touching pieces made one; fails if any overlap."""
    out: list[tuple[int, int]] = []
    for start, end in pieces:
        if out and start == out[-1][1]:
            out[-1] = (out[-1][0], end)
        else:
            assert not out or start > out[-1][1], "overlap"
            out.append((start, end))
    return out


@pytest.mark.slow
@settings(max_examples=120)
@given(steps=_STEPS, gate=st.booleans(), seed=st.integers(0, 5))
def test_every_sample_is_accounted_for_at_every_moment(
    steps: list[tuple[str, int, int]], gate: bool, seed: int, quick: Classifier
) -> None:
    config = Config(
        stream=StreamConfig(hop_s=0.06),
        gate=GateConfig(enabled=gate, vad=False),
        smoothing=SmoothingConfig(method="none", hold_s=0.1, margin=0.0),
    )
    engine = Engine(quick, config)
    rng = np.random.default_rng(seed)
    rate, at = RATE, 0  # the source's
    estimates: list[Estimate] = []
    segments: list[Segment] = []
    lost: list[tuple[float, float]] = []  # seconds
    captured, xruns = 0, 0
    for what, size, number in steps:
        if what == "flush":
            estimates += engine.flush()
        else:
            if what == "rate":
                at, rate = round(at * number / rate), number
            if what in ("gap", "empty after gap"):
                lost.append((at / rate, (at + number) / rate))
                at += number
            samples = np.zeros(size, np.float32) if what == "silence" else rng.normal(0, 0.1, size).astype(np.float32)
            if what in ("nan", "inf", "huge"):
                samples[number % size] = {"nan": np.nan, "inf": -np.inf, "huge": 1e30}[what]
                lost.append((at / rate, (at + size) / rate))
            estimates += engine.push(Block(samples, rate, at, xruns=number % 3))
            xruns += number % 3
            at += size
        segments += engine.take_segments()
        check_accounts(engine)
        health = engine.health
        assert health.captured >= captured, "time went backward"
        captured = health.captured
        assert health.xruns == xruns
        assert health.windows == len(estimates)
        assert abs(captured - at / rate * RATE) <= 2, "the timeline left real time"
    before = engine.health
    estimates += engine.flush()
    segments += engine.take_segments()
    check_accounts(engine)
    assert engine.health.captured == before.captured
    assert engine.health.pending < engine.min_window

    hops = [(estimate.end - estimate.hop, estimate.end) for estimate in estimates]
    for (_, end), (start, _) in pairwise(hops):
        assert start >= end, "a sample counted twice"
    for estimate in estimates:
        assert estimate.start <= estimate.end - estimate.hop
        assert estimate.start_s >= 0
        for gap_start, gap_end in lost:
            slack = 2 / RATE
            assert estimate.start_s >= gap_end - slack or estimate.end_s <= gap_start + slack, "a window spans a gap"
    speech = [hop for hop, estimate in zip(hops, estimates, strict=True) if estimate.state != "no_speech"]
    assert sum(end - start for start, end in speech) == engine.health.classified
    assert sum(end - start for start, end in hops) == engine.health.classified + engine.health.gated
    assert sum(estimate.lost_samples for estimate in estimates) <= engine.health.dropped
    # Segments tile the classified hops: the same samples, each once, under the label that was said.
    assert joined([(segment.start, segment.end) for segment in segments]) == joined(speech)
    for estimate in estimates:
        if estimate.state != "no_speech":
            (segment,) = [s for s in segments if s.start <= estimate.end - estimate.hop and estimate.end <= s.end]
            assert segment.label == (estimate.label or "unsure")


def test_lost_samples_are_told_with_the_next_estimate(classifier: Classifier) -> None:
    engine = Engine(classifier, OPEN)
    audio = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    first = engine.push(Block(audio, RATE, 0))
    # The gap ends the piece: its last hop comes at once, and the loss with the first window after it.
    after = engine.push(Block(audio, RATE, 2 * RATE + 700))
    assert sum(estimate.lost_samples for estimate in first) == 0
    told = [estimate.lost_samples for estimate in after]
    assert sum(told) == 700
    told_by = after[told.index(700)]
    assert told_by.start == 2 * RATE + 700
    assert engine.health.dropped == 700


def test_a_rate_change_does_not_turn_time_back(quick: Classifier) -> None:
    """Two samples at 16 kHz are one at 11 025 Hz; captured stays two."""
    engine = Engine(quick, OPEN)
    engine.push(Block(np.zeros(1, np.float32), RATE, 1))
    assert engine.health.captured == 2
    engine.push(Block(np.zeros(0, np.float32), 11_025, 1))
    assert engine.health.captured == 2


def test_a_gap_told_by_an_empty_block_is_dropped_not_pending(classifier: Classifier) -> None:
    """A device that is away when the stream ends: what it did not deliver will never be classified."""
    engine = Engine(classifier, OPEN)
    engine.push(Block(np.zeros(2 * RATE, np.float32), RATE, 0))
    engine.push(Block(np.zeros(0, np.float32), RATE, 3 * RATE))
    assert engine.flush() == []
    assert (engine.health.dropped, engine.health.pending, engine.health.captured) == (RATE, 0, 3 * RATE)


def test_a_nan_poisons_nothing(classifier: Classifier) -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 0.1, 2 * RATE).astype(np.float32)
    bad = clean[:320].copy()
    bad[17] = np.nan
    engine = Engine(classifier, OPEN)
    engine.push(Block(clean, RATE, 0))
    engine.push(Block(bad, RATE, 2 * RATE))
    after = engine.push(Block(clean, RATE, 2 * RATE + 320))
    fresh = Engine(classifier, OPEN).push(clean)
    assert [estimate.probs for estimate in after] == [estimate.probs for estimate in fresh]
    assert np.isfinite([estimate.probs for estimate in after]).all()
    assert engine.health.dropped == 320


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_index_is_exact_after_days(rate: int, quick: Classifier) -> None:
    """A stream that is ten days old counts as exactly as a new one."""
    engine = Engine(quick, Config(gate=OPEN.gate, stream=StreamConfig(hop_s=0.2)))
    start = 10 * 86_400 * rate + 7
    base = round(start * RATE / rate)
    estimates = []
    for index in range(400):
        size = 441 + index % 3
        estimates += engine.push(Block(np.zeros(size, np.float32), rate, start))
        start += size
        assert engine.health.captured == (start * RATE + rate // 2) // rate
        check_accounts(engine)
    assert engine.health.dropped == base
    assert [estimate.end - base for estimate in estimates] == [
        engine.min_window + index * engine.hop for index in range(len(estimates))
    ]
    assert len(estimates) >= 19


def test_a_source_that_goes_back_in_time_is_refused(classifier: Classifier) -> None:
    engine = Engine(classifier, OPEN)
    engine.push(Block(np.zeros(1000, np.float32), RATE, 0))
    with pytest.raises(SourceError, match="back in time: sample 999 after sample 1000"):
        engine.push(Block(np.zeros(10, np.float32), RATE, 999))
    check_accounts(engine)
    assert engine.health.captured == 1000


def test_flush_then_more_is_a_new_piece(classifier: Classifier, talk: Samples) -> None:
    engine = Engine(classifier, OPEN)
    engine.push(talk[: 3 * RATE])
    engine.flush()
    more = engine.push(talk[3 * RATE : 6 * RATE])
    assert more[0].start == 3 * RATE
    assert more[0].probs == Engine(classifier, OPEN).push(talk[3 * RATE : 6 * RATE])[0].probs
    assert engine.health.dropped == 0
