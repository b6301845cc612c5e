"""One rule says what samples are, for ``Engine.push``, for a ``Block`` and for ``stream()``; what is none changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import realtime_ser
from bundles import RATE, Samples
from realtime_ser.audio.array import ArraySource
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.records import Block, Estimate

CONFIG = Config(gate=GateConfig(enabled=False))
VOICE = np.sin(np.arange(2 * RATE) * 0.1 + np.sin(np.arange(2 * RATE) * 0.001))
Push = Callable[[Engine, Any], list[Estimate]]


@pytest.fixture(scope="module")
def classifier(bundles: dict[str, Path]) -> Classifier:
    return load_model(bundles["flatstats"])


def through_push(engine: Engine, samples: Any) -> list[Estimate]:
    return engine.push(samples)


def through_block(engine: Engine, samples: Any) -> list[Estimate]:
    return engine.push(Block(samples, RATE, engine.health.captured))


def through_stream(engine: Engine, samples: Any) -> list[Estimate]:
    return list(realtime_ser.stream(samples, model=engine.model, config=CONFIG))


DOORS = pytest.mark.parametrize("door", [through_push, through_block, through_stream])


def plain(estimates: list[Estimate]) -> list[dict[str, Any]]:
    return [{**asdict(estimate), "latency_s": None} for estimate in estimates]


@DOORS
@pytest.mark.parametrize(
    ("samples", "same"),
    [
        ((VOICE * 20_000).astype(np.int16), (VOICE * 20_000).astype(np.int16) / 2.0**15),
        ((VOICE * 20_000).astype(">i2"), (VOICE * 20_000).astype(np.int16) / 2.0**15),
        ((VOICE * 1.5e9).astype(np.int32), (VOICE * 1.5e9).astype(np.int32) / 2.0**31),
        (VOICE * 0.5, (VOICE * 0.5).astype(np.float32)),
        ((VOICE * 0.5).astype(np.float16), (VOICE * 0.5).astype(np.float16).astype(float)),
        ((VOICE * 0.5).astype(np.longdouble), VOICE * 0.5),
        ((VOICE * 0.5).tolist(), VOICE * 0.5),
        ((VOICE * 0.5)[:, np.newaxis], VOICE * 0.5),
        (np.stack((VOICE * 20_000, 0 * VOICE), axis=1).astype(np.int16), (VOICE * 20_000).astype(np.int16) / 2.0**16),
        (np.tile(VOICE[:, np.newaxis] * 0.5, (1, 32)), VOICE * 0.5),
        (np.repeat(VOICE * 0.5, 2)[::2], VOICE * 0.5),
    ],
    ids=["int16", "int16 big-endian", "int32", "float64", "float16", "longdouble", "list", "(n, 1)", "stereo", "32", "strided"],
)
def test_what_counts_as_samples(door: Push, samples: Any, same: Samples, classifier: Classifier) -> None:
    expected = Engine(classifier, CONFIG).push(same.astype(np.float32))
    got = door(Engine(classifier, CONFIG), samples)[: len(expected)]
    assert len(expected) == 4
    np.testing.assert_allclose([e.level_dbfs for e in got], [e.level_dbfs for e in expected], atol=0.01)
    np.testing.assert_allclose([e.probs for e in got], [e.probs for e in expected], atol=1e-3)


REFUSED = {
    "a list of integers": ([1, 2, 3] * 6000, "no full scale"),
    "int64": (np.ones(RATE, np.int64), "int64"),
    "int8": (np.ones(RATE, np.int8), "128"),
    "uint8": (np.ones(RATE, np.uint8), r"\(x - 128.0\) / 128"),
    "uint16": (np.ones(RATE, np.uint16), "32768"),
    "bool": (np.ones(RATE, bool), "bool"),
    "complex": (np.ones(RATE, complex), "complex"),
    "objects": (np.array([None] * 100), "object"),
    "text": ("talk", "'talk'"),
    "an array of text": (np.array(["a", "b"]), "no known scale"),
    "dates": (np.zeros(5, "datetime64[s]"), "no known scale"),
    "a record array": (np.zeros(5, [("l", "f4"), ("r", "f4")]), "no known scale"),
    "bytes": (b"\0\0" * RATE, "frombuffer"),
    "bytearray": (bytearray(4), "frombuffer"),
    "None": (None, "None"),
    "a dict": ({"samples": 1}, "object"),
    "one number": (np.float32(0.5), r"\(\)"),
    "three dimensions": (np.zeros((10, 2, 2), np.float32), r"\(10, 2, 2\)"),
    "(1, n)": (np.zeros((1, RATE), np.float32), "transpose"),
    "33 channels": (np.zeros((100, 33), np.float32), "33 channels"),
    "no channel": (np.zeros((100, 0), np.float32), r"\(100, 0\)"),
    "ragged": ([[1.0], [1.0, 2.0]], "no array"),
    "a float signal of 16 bits": ((VOICE * 20_000).astype(np.float32), r"\+8\d dBFS.*32768"),
    "a pause and then one": (np.pad(VOICE[:18_000] * 3000, (60_000, 0)), "dBFS"),
}


def check_unchanged(engine: Engine, classifier: Classifier) -> None:
    """What comes next is what would have come."""
    spared = Engine(classifier, CONFIG)
    spared.push((VOICE * 0.1).astype(np.float32))
    assert engine.health == spared.health
    more = (VOICE[::-1] * 0.2).astype(np.float32)
    assert plain(engine.push(more)) == plain(spared.push(more))
    assert plain(engine.flush()) == plain(spared.flush())
    assert engine.take_segments() == spared.take_segments()


@pytest.mark.parametrize("door", [through_push, through_block])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_none_is_refused_in_one_line_and_changes_nothing(door: Push, name: str, classifier: Classifier) -> None:
    samples, words = REFUSED[name]
    engine = Engine(classifier, CONFIG)
    engine.push((VOICE * 0.1).astype(np.float32))
    with pytest.raises(SourceError, match=words) as caught:
        door(engine, samples)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
    check_unchanged(engine, classifier)


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in ("text", "None", "bytes", "bytearray")])
def test_a_stream_refuses_the_same(name: str, classifier: Classifier) -> None:
    """But for text, which is a path there, bytes, which are a file's content, and None, which is no source."""
    samples, words = REFUSED[name]
    with pytest.raises(SourceError, match=words) as caught:
        through_stream(Engine(classifier, CONFIG), samples)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": -16_000}, "rate"),
        ({"rate": None}, "rate"),
        ({"rate": 16_000.5}, "whole number"),
        ({"rate": True}, "whole number"),
        ({"rate": 10**9}, "rate"),
        ({"start": -1}, "start"),
        ({"start": 2.5 * RATE}, "start"),
        ({"start": None}, "start"),
        ({"start": 100}, "back in time"),
        ({"rate": 48_000, "start": 100}, "back in time"),
        ({"xruns": -1}, "xruns"),
        ({"xruns": None}, "xruns"),
        ({"captured_at": float("nan")}, "captured_at"),
        ({"captured_at": "now"}, "captured_at"),
    ],
)
@pytest.mark.parametrize("method", ["push", "skip"])
def test_a_block_that_cannot_be_changes_nothing(
    method: str, changes: dict[str, Any], words: str, classifier: Classifier
) -> None:
    engine = Engine(classifier, CONFIG)
    engine.push((VOICE * 0.1).astype(np.float32))
    block = Block(**{"samples": np.zeros(100, np.float32), "rate": RATE, "start": 2 * RATE, **changes})
    with pytest.raises(SourceError, match=words) as caught:
        getattr(engine, method)(block)
    assert "\n" not in str(caught.value)
    check_unchanged(engine, classifier)


def test_numpys_integers_are_integers(classifier: Classifier) -> None:
    engine, expected = Engine(classifier, CONFIG), Engine(classifier, CONFIG)
    samples = (VOICE * 0.1).astype(np.float32)
    got = engine.push(Block(samples, np.int32(48_000), np.int64(0), np.float64(1.0), np.uint8(1)))  # type: ignore[arg-type]
    assert plain(got) == plain(expected.push(Block(samples, 48_000, 0, 1.0, 1)))
    assert engine.health == expected.health


def test_samples_beyond_float32_are_dropped_and_counted(classifier: Classifier) -> None:
    engine = Engine(classifier, CONFIG)
    engine.push(np.full(RATE, 1e300))
    assert engine.health.dropped == RATE


@pytest.mark.parametrize("size", [160, 320, 1111, 5000])
@pytest.mark.parametrize("as_block", [False, True])
def test_one_buffer_used_again_gives_what_fresh_arrays_give(
    size: int, as_block: bool, classifier: Classifier, talk: Samples
) -> None:
    fresh, again, buffer = Engine(classifier), Engine(classifier), np.zeros(size, np.float32)
    expected, got = [], []
    for start in range(0, len(talk) - size, size):
        part = talk[start : start + size]
        expected += fresh.push(part.copy())
        buffer[:] = part
        got += again.push(Block(buffer, RATE, start) if as_block else buffer)
        buffer[:] = 0.9
    assert plain(got + again.flush()) == plain(expected + fresh.flush())
    assert any(estimate.state != "no_speech" for estimate in expected)


def test_a_bare_array_is_at_the_models_rate_also_after_a_block_of_another(classifier: Classifier) -> None:
    engine = Engine(classifier, CONFIG)
    engine.push(Block(np.zeros(48_000, np.float32), 48_000, 0))
    engine.push((VOICE * 0.1).astype(np.float32))
    engine.flush()
    health = engine.health
    assert health.captured == 3 * RATE
    assert health.dropped == 0
    assert health.classified == 3 * RATE


def test_an_array_source_keeps_to_the_rule_from_the_start() -> None:
    with pytest.raises(SourceError, match="mine: samples of type int64"):
        ArraySource([1, 2], RATE, name="mine")


@pytest.mark.parametrize("model", [None, "mlp", Path("weights/mlp.json"), 3])
def test_an_engine_without_a_loaded_model_says_how_to_get_one(model: Any) -> None:
    with pytest.raises(ConfigError, match="load_model"):
        Engine(model)


def test_an_engine_takes_no_mapping_for_a_config(classifier: Classifier) -> None:
    with pytest.raises(ConfigError, match="load_config"):
        Engine(classifier, {"stream": {"hop_s": 1}})  # type: ignore[arg-type]
