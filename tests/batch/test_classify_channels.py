"""``classify --channels split``: a row a channel, equal to the row of that channel alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bundles import LABELS, RATE
from command import SAMPLE, realtime_ser
from realtime_ser.batch.inputs import Recording
from realtime_ser.batch.judge import Judge, Judged
from realtime_ser.batch.result import columns
from realtime_ser.batch.targets import find_targets, write_target
from realtime_ser.config import CaptureConfig, Config
from realtime_ser.model.classifier import load_model
from realtime_ser.pipeline.session import session_record


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    speech, rate = soundfile.read(SAMPLE, dtype="float32")
    assert rate == RATE
    path = tmp_path_factory.mktemp("calls") / "call.wav"
    soundfile.write(path, np.stack([speech[: 4 * RATE], speech[-4 * RATE :]], axis=1), RATE, subtype="PCM_16")
    return path


def test_a_row_a_channel_equals_the_channel_alone(call: Path) -> None:
    model = load_model("mlp")
    both = Judge(model, Config(), split=True).judge(str(call))
    assert both is not None
    assert [each.row["channel"] for each in both.channels] == [1, 2]
    for channel, each in enumerate(both.channels, 1):
        alone = Judge(model, Config(capture=CaptureConfig(channel=channel))).judge(str(call))
        assert alone is not None
        assert {key: value for key, value in each.row.items() if key != "channel"} == alone.row
        assert each.segments == alone.segments
    assert both.channels[0].segments != both.channels[1].segments
    assert Judged.from_json(json.loads(json.dumps(both.as_json()))) == both


@pytest.mark.slow
def test_outputs_hold_both_and_a_mono_recording_is_a_row_with_its_error(call: Path, tiny: Path, tmp_path: Path) -> None:
    mono = tmp_path / "mono.wav"
    soundfile.write(mono, np.zeros(RATE), RATE)
    options = ("--channels", "split", "--model", tiny)
    pipe = realtime_ser("classify", call, mono, *options)
    assert (pipe.returncode, pipe.stderr.count("\n")) == (1, 1)
    rows = list(csv.DictReader(pipe.stdout.splitlines()))
    assert list(rows[0]) == columns(LABELS, split=True)
    assert [(Path(row["path"]).name, row["channel"]) for row in rows] == [
        ("call.wav", "1"),
        ("call.wav", "2"),
        ("mono.wav", ""),
    ]
    assert "one channel, which cannot be split" in rows[2]["error"]
    outputs = [part for name in ("o.csv", "o.jsonl", "o.parquet", "o.rttm") for part in ("-o", tmp_path / name)]
    files = realtime_ser("classify", call, *options, *outputs, "--jobs", "2")
    assert files.returncode == 0, files.stderr
    assert list(csv.DictReader((tmp_path / "o.csv").read_text().splitlines())) == rows[:2]
    assert [json.loads(line)["channel"] for line in (tmp_path / "o.jsonl").read_text().splitlines()] == [1, 2]
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(tmp_path / "o.parquet").to_pydict()["channel"] == [1, 2]
    assert {line.split()[2] for line in (tmp_path / "o.rttm").read_text().splitlines()} == {"1", "2"}


def test_a_file_of_segments_has_a_tier_a_channel(call: Path, tmp_path: Path) -> None:
    from praatio.textgrid import openTextgrid

    model = load_model("mlp")
    from realtime_ser.engine.engine import Engine

    judged = Judge(model, Config(), split=True).judge(str(call))
    assert judged is not None
    (target,) = find_targets([str(tmp_path / "o.TextGrid")], None)
    session = session_record(Engine(model, Config()), Config(), source="")
    write_target(target, [(Recording(str(call), "call", 1), judged)], session, split=True)
    grid = openTextgrid(str(target.path), includeEmptyIntervals=False)
    assert list(grid.tierNames) == ["channel 1", "channel 2"]
    for name, each in zip(grid.tierNames, judged.channels, strict=True):
        assert [entry.label for entry in grid.getTier(name).entries] == [segment[2] for segment in each.segments]
