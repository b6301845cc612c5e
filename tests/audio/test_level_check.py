"""Samples of another scale are refused, bursts dropped and counted, clicks let pass, whatever the size of the blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import realtime_ser
from bundles import RATE
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import SourceError
from realtime_ser.model.classifier import Classifier, load_model

CONFIG = Config(gate=GateConfig(enabled=False))
VOICE = np.sin(np.arange(2 * RATE) * 0.1 + np.sin(np.arange(2 * RATE) * 0.001))


@pytest.fixture(scope="module")
def classifier(bundles: dict[str, Path]) -> Classifier:
    return load_model(bundles["flatstats"])


@pytest.mark.parametrize("block", [320, 1600])
def test_a_burst_is_dropped_and_counted_and_a_second_of_it_is_a_fault(block: int, classifier: Classifier) -> None:
    """A damaged file decodes to bursts; what goes on is a scale that nobody meant."""
    engine, loud = Engine(classifier, CONFIG), (VOICE * 20_000).astype(np.float32)
    quiet = (VOICE * 0.1).astype(np.float32)
    engine.push(quiet)
    for start in range(0, RATE // 2, block):
        engine.push(loud[start : start + block])
    assert engine.health.dropped == RATE // 2
    engine.push(quiet)
    assert engine.health.dropped == RATE // 2
    for start in range(0, RATE - 1600, block):
        engine.push(loud[start : start + block])
    before = engine.health
    with pytest.raises(SourceError, match=r"\+8\d dBFS"):
        engine.push(loud[:3200])
    assert engine.health == before
    engine.reset()
    with pytest.raises(SourceError, match=r"\+8\d dBFS"):
        engine.push(loud[:block])


def push_in_blocks(engine: Engine, samples: np.ndarray, block: int) -> None:
    for start in range(0, len(samples), block):
        engine.push(samples[start : start + block])


@pytest.mark.parametrize("block", [16, 79, 128, 480, 1600])
def test_the_scale_is_judged_alike_whatever_the_size_of_the_blocks(block: int, classifier: Classifier) -> None:
    """Blocks of a millisecond let unscaled samples pass; a stream that began softly was read for ten seconds."""
    engine = Engine(classifier, CONFIG)
    soft = np.random.default_rng(0).normal(0, 1, RATE).round()  # a microphone's noise, in 16-bit numbers
    raw = np.concatenate((soft, np.tile(VOICE * 20_000, 4))).astype(np.float32)
    with pytest.raises(SourceError, match=r"\+\d+ dBFS.*divide 16-bit"):
        push_in_blocks(engine, raw, block)
    assert engine.health.captured <= 2.2 * RATE
    assert engine.health.classified <= 1.1 * RATE, "no more than the soft beginning"


def test_silence_in_the_block_that_is_judged_is_no_fault_of_ours(classifier: Classifier) -> None:
    """Its level was the logarithm of zero."""
    engine = Engine(classifier, CONFIG)
    engine.push(np.full(60, 1000, np.float32))
    with pytest.raises(SourceError, match=r"\+5\d dBFS, peak 1000"):
        engine.push(np.zeros(60, np.float32))


@pytest.mark.parametrize("block", [16, 1600])
def test_a_click_is_no_other_scale(block: int, classifier: Classifier) -> None:
    samples = (VOICE * 0.1).astype(np.float32)
    samples[9_000:9_030] = 500
    engine = Engine(classifier, CONFIG)
    push_in_blocks(engine, samples, block)
    assert engine.health.dropped == 0


def test_a_file_of_another_scale_is_named(tmp_path: Path, classifier: Classifier) -> None:
    path = tmp_path / "sixteen.wav"
    soundfile.write(path, (VOICE * 20_000).astype(np.float32), RATE, subtype="FLOAT")
    with pytest.raises(SourceError, match=r"sixteen\.wav: .*divide 16-bit"):
        list(realtime_ser.stream(path, model=classifier, config=CONFIG))


@pytest.mark.parametrize("size", [1, 17, 80, 320, 4000])
def test_a_loud_click_is_no_reason_to_end(size: int, classifier: Classifier) -> None:
    """Full scale and a little more, and single numbers far beyond it, occur in float files."""
    samples = (VOICE * 3).astype(np.float32)
    samples[5000] = 1e6
    engine = Engine(classifier, CONFIG)
    pieces = [piece for piece in np.split(samples, range(size, len(samples), size)) if size > 1 or len(piece)]
    for piece in pieces[: 8000 // size]:
        engine.push(piece)
    assert engine.health.dropped == 0
