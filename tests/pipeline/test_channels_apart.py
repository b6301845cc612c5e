"""The channels of a file as streams of their own: each equals the same channel replayed alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bundles import MakeBundle
from collector import Collector
from command import SAMPLE
from realtime_ser.audio.array import ArraySource
from realtime_ser.audio.file import FileSource
from realtime_ser.audio.open import open_source
from realtime_ser.config import CaptureConfig, Config
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, ModelError, SourceError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.pipeline.run import listen, run
from realtime_ser.records import Block, Estimate, FloatArray, Notice, Record, Segment, Session, Summary
from realtime_ser.sinks.group import SinkGroup

RATE = 16_000


@pytest.fixture(scope="module")
def call() -> np.ndarray:
    """float32 (n, 2): different speech on each side, the right one silent at first."""
    speech = soundfile.read(SAMPLE, dtype="float32")[0]
    left, right = speech[: 6 * RATE], speech[-6 * RATE :].copy()
    right[:RATE] = 0
    return np.stack([left, right], axis=1)


def played(model: Classifier, path: Path, **options: object) -> list[Record]:
    collector = Collector()
    with open_source(path, CaptureConfig(), **options) as source:  # type: ignore[arg-type]
        run(source, Engine(model, Config()), SinkGroup([collector]), Config())
    return collector.records


def of(records: list[Record], channel: int | None) -> list[Record]:
    kinds = (Estimate, Segment, Notice, Summary)
    return [record for record in records if isinstance(record, kinds) and record.channel == channel]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_each_channel_equals_the_channel_replayed_alone(model: str, call: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, call, RATE, subtype="PCM_16")
    classifier = load_model(model)
    both = played(classifier, path, split=True)
    assert [record.channel for record in both if isinstance(record, Session)] == [1, 2]
    assert [record.channel for record in both[-2:] if isinstance(record, Summary)] == [1, 2]
    ends: list[tuple[str | None, ...]] = []
    for channel in (1, 2):
        alone, split = of(played(classifier, path, channel=channel), None), of(both, channel)
        assert [type(record) for record in split] == [type(record) for record in alone]
        for mine, theirs in zip(split, alone, strict=True):
            if isinstance(mine, Estimate) and isinstance(theirs, Estimate):
                keys = ("start", "end", "hop", "state", "label", "speech_ratio", "lost_samples")
                assert [getattr(mine, key) for key in keys] == [getattr(theirs, key) for key in keys]
                np.testing.assert_allclose(mine.probs, theirs.probs, atol=1e-5)
                np.testing.assert_allclose(mine.smoothed, theirs.smoothed, atol=1e-5)
            elif isinstance(mine, Segment) and isinstance(theirs, Segment):
                assert (mine.start, mine.end, mine.label) == (theirs.start, theirs.end, theirs.label)
            elif isinstance(mine, Summary) and isinstance(theirs, Summary):
                assert mine.health == theirs.health
                assert mine.health.captured == len(call)
                assert mine.health.captured == mine.health.classified + mine.health.gated + mine.health.pending
        ends.append(tuple(record.label for record in split if isinstance(record, Estimate)))
    assert ends[0] != ends[1], "the two sides say different things, or this test shows nothing"


def test_a_paced_replay_keeps_the_channels_apart(call: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "call.flac"
    soundfile.write(path, call[: 2 * RATE], RATE)
    with open_source(path, CaptureConfig(), split=True, speed=20) as source:
        blocks = [item.samples for item in source.blocks() if isinstance(item, Block)]
        assert source.channels == 2
    np.testing.assert_array_equal(np.concatenate(blocks), soundfile.read(path, dtype="float32")[0])


@pytest.mark.parametrize("channels", [1, 33])
def test_what_cannot_be_split_is_wrong_usage(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    soundfile.write(path, np.zeros((RATE, channels)), RATE)
    with (
        pytest.raises(ConfigError, match="one channel" if channels == 1 else "33 channels and 32 can"),
        FileSource(path, split=True),
    ):
        pass


def test_one_channel_and_all_of_them_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        open_source("call.wav", CaptureConfig(channel=1), split=True)
    with pytest.raises(ConfigError, match="for files"):
        open_source(np.zeros((10, 2), np.float32), CaptureConfig(), split=True)


def test_a_cut_file_ends_every_channel_with_its_account(call: np.ndarray, tmp_path: Path, make_bundle: MakeBundle) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, call, RATE, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: 4 * 3 * RATE])
    collector, model = Collector(), load_model(make_bundle())
    with open_source(path, CaptureConfig(), split=True) as source, pytest.raises(SourceError, match="cut short"):
        run(source, Engine(model, Config()), SinkGroup([collector]), Config())
    for channel in (1, 2):
        *_, notice, summary = of(collector.records, channel)
        assert isinstance(notice, Notice)
        assert notice.kind == "source_failed"
        assert isinstance(summary, Summary)
        assert summary.health.captured == pytest.approx(3 * RATE, abs=100)


def test_a_model_that_fails_in_one_channel_ends_both(call: np.ndarray, tmp_path: Path, make_bundle: MakeBundle) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, call, RATE)
    collector, model = Collector(), load_model(make_bundle())
    predict, calls = model.predict, 0

    def failing(features: FloatArray) -> FloatArray:
        nonlocal calls
        calls += 1
        if calls == 10:
            raise ModelError("the model is tired; rest it")
        return predict(features)

    model.predict = failing  # type: ignore[method-assign]
    with open_source(path, CaptureConfig(), split=True) as source, pytest.raises(ModelError, match="tired"):
        run(source, Engine(model, Config()), SinkGroup([collector]), Config())
    summaries = [record for record in collector.records if isinstance(record, Summary)]
    assert [summary.channel for summary in summaries] == [1, 2]
    for summary in summaries:
        parts = dataclasses.asdict(summary.health)
        assert parts["captured"] == sum(parts[name] for name in ("classified", "gated", "dropped", "pending"))


def test_listen_takes_one_stream(tmp_path: Path, call: np.ndarray) -> None:
    """It would have mixed the channels that the source keeps apart."""
    path = tmp_path / "call.wav"
    soundfile.write(path, call, RATE)
    with FileSource(path, split=True) as source, pytest.raises(ConfigError, match="keeps 2 channels apart"):
        list(listen(source, Engine(load_model("mlp"), Config())))


def test_blocks_of_another_shape_than_the_source_says_are_its_fault() -> None:
    class Wrong(ArraySource):
        channels = 2

    with (
        Wrong(np.zeros(RATE, np.float32), RATE) as source,
        pytest.raises(SourceError, match=r"array: a block of shape \(1600,\); its 2 channels need \(n, 2\)"),
    ):
        run(source, Engine(load_model("mlp"), Config()), SinkGroup([]), Config())
