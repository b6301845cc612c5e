"""``--channels split`` as a user runs it: a call whose sides say different things, in every output."""

from __future__ import annotations

import csv
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from command import SAMPLE, assert_accounted, of_type, realtime_ser, records
from realtime_ser.cli.main import main

RATE = 16_000
SECONDS = 5


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV file: agent left, customer right, who begins two seconds later."""
    speech = soundfile.read(SAMPLE, dtype="float32")[0]
    path = tmp_path_factory.mktemp("call") / "call.wav"
    agent, customer = speech[: SECONDS * RATE], speech[-SECONDS * RATE :].copy()
    customer[: 2 * RATE] = 0
    soundfile.write(path, np.stack([agent, customer], axis=1), RATE, subtype="PCM_16")
    return path


def comparable(rows: list[dict[str, object]], channel: int | None) -> list[dict[str, object]]:
    kept = [row for row in rows if row.get("channel") == channel and row["type"] != "session"]
    return [{key: value for key, value in row.items() if key not in ("channel", "latency_ms")} for row in kept]


@pytest.mark.slow
def test_every_output_holds_both_channels(call: Path, tmp_path: Path) -> None:
    from praatio.textgrid import openTextgrid
    from pympi.Elan import Eaf

    names = ["o.csv", "o.rttm", "o.vtt", "o.srt", "o.TextGrid", "o.eaf", "o.txt", "o.parquet", "o.jsonl"]
    outputs = [part for name in names for part in ("-o", tmp_path / name)]
    files = ("--record", tmp_path / "heard.flac", "--report", tmp_path / "o.html")
    result = realtime_ser("replay", call, "--channels", "split", "--speed", "max", *outputs, *files)
    assert result.returncode == 0, result.stderr
    rows = records((tmp_path / "o.jsonl").read_text())
    assert [row["channel"] for row in of_type(rows, "session")] == [1, 2]
    spoken = []
    for channel in (1, 2):
        alone = realtime_ser("replay", call, "--channel", str(channel), "--speed", "max", "--jsonl", "-")
        assert comparable(rows, channel) == comparable(records(alone.stdout), None)
        (summary,) = [row for row in of_type(rows, "summary") if row["channel"] == channel]
        assert_accounted(summary)
        assert (summary["captured_samples"], summary["dropped_samples"]) == (SECONDS * RATE, 0)
        segments = [row for row in of_type(rows, "segment") if row["channel"] == channel]
        spoken.append([(row["start_s"], row["end_s"], row["label"]) for row in segments])
    # Whatever the labels are, the times tell the channels apart.
    assert spoken[0][0][0] < spoken[1][0][0]
    assert comparable(rows, 1) != comparable(rows, 2)

    with (tmp_path / "o.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [int(row["channel"]) for row in table] == [row["channel"] for row in of_type(rows, "window")]
    import pyarrow.parquet

    parquet = pyarrow.parquet.read_table(tmp_path / "o.parquet").to_pydict()
    assert parquet["channel"] == [int(row["channel"]) for row in table]

    rttm = [line.split() for line in (tmp_path / "o.rttm").read_text().splitlines()]
    assert {fields[1] for fields in rttm} == {"call"}
    grid, eaf = openTextgrid(str(tmp_path / "o.TextGrid"), includeEmptyIntervals=False), Eaf(str(tmp_path / "o.eaf"))
    captions = (tmp_path / "o.vtt").read_text()
    for channel, segments in enumerate(spoken, 1):
        lines = [fields for fields in rttm if fields[2] == str(channel)]
        starts_and_ends = [(float(fields[3]), float(fields[3]) + float(fields[4]), fields[7]) for fields in lines]
        tier = [(entry.start, entry.end, entry.label) for entry in grid.getTier(f"channel {channel}").entries]
        annotations = eaf.get_annotation_data_for_tier(f"channel {channel}")
        for found in (starts_and_ends, tier, [(start / 1000, end / 1000, label) for start, end, label, *_ in annotations]):
            assert [label for *_, label in found] == [label for *_, label in segments]
            assert [times for *times, _ in found] == [pytest.approx(times, abs=2e-3) for *times, _ in segments]
        expected = [label for *_, label in segments]
        assert re.findall(f"<v channel {channel}>(.*)</v>", captions) == expected
        assert re.findall(f"^channel {channel}: (.*)$", (tmp_path / "o.srt").read_text(), re.MULTILINE) == expected
        assert re.findall(f"\tchannel {channel}: (.*)$", (tmp_path / "o.txt").read_text(), re.MULTILINE) == expected
        assert f"call.wav, channel {channel}: {SECONDS}.0 s captured" in result.stdout
        assert f"channel {channel}</h2>" in (tmp_path / "o.html").read_text()
        assert re.search(rf"of 0:0{SECONDS}  channel {channel}  \w+", result.stdout)
    assert "2 channels by themselves" in (tmp_path / "o.html").read_text()
    np.testing.assert_array_equal(soundfile.read(tmp_path / "heard.flac")[0], soundfile.read(call)[0])


@pytest.mark.slow
def test_pipes_raw_samples_and_ffmpeg(call: Path, tmp_path: Path, bundles: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "realtime_ser", "replay", "-", "--speed", "max", "--model", str(bundles["flatstats"])]
    command += ["--jsonl", "-"]
    samples = soundfile.read(call, dtype="int16")[0]
    found = []
    for content, options in (
        (call.read_bytes(), ["--channels", "split"]),
        (samples.tobytes(), ["--channels", "split:2", "--raw", "s16le", "--rate", str(RATE)]),
    ):
        result = subprocess.run([*command, *options], input=content, capture_output=True, timeout=60, check=False)
        assert result.returncode == 0, result.stderr
        found.append(comparable(records(result.stdout.decode()), 2))
    assert found[0] == found[1]
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg: MP4 was not tried")
    subprocess.run(["ffmpeg", "-v", "error", "-i", call, tmp_path / "call.m4a"], check=True, stdin=subprocess.DEVNULL)
    options = ("--channels", "split", "--speed", "max", "--model", bundles["flatstats"], "--jsonl", "-")
    result = realtime_ser("replay", tmp_path / "call.m4a", *options)
    assert result.returncode == 0, result.stderr
    assert [row["channel"] for row in of_type(records(result.stdout), "summary")] == [1, 2]


@pytest.mark.slow
def test_a_folder_gets_a_file_for_each_recording_and_a_mono_one_is_said(
    call: Path, tmp_path: Path, bundles: dict[str, Path]
) -> None:
    mono = tmp_path / "mono.wav"
    soundfile.write(mono, np.zeros(RATE), RATE)
    again = tmp_path / "again.wav"
    shutil.copy(call, again)
    options = ("--channels", "split", "--speed", "max", "--model", bundles["flatstats"], "-q")
    alone = realtime_ser("replay", mono, *options)
    assert (alone.returncode, alone.stderr.count("\n")) == (2, 1)
    assert "has one channel, which cannot be split" in alone.stderr
    folder = f"{tmp_path / 'out'}/"
    together = realtime_ser("replay", call, mono, again, *options, "-o", folder, "--format", "textgrid")
    assert (together.returncode, together.stderr.count("\n")) == (2, 1)
    assert sorted(path.name for path in Path(folder).iterdir()) == ["again.TextGrid", "call.TextGrid"]
    for path in Path(folder).iterdir():
        assert path.read_text().count('"IntervalTier"') == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--channels", "split", "--channel", "1"], "exclude each other"),
        (["--channels", "split:2"], "needs --raw FORMAT"),
        (["--channels", "both"], "neither a number of channels nor 'split'"),
        (["--channels", "split", "--raw", "s16le", "--rate", "8000"], "needs --channels split:N"),
        (["--channels", "split", "--faults", "docs/faults.yaml"], "leave one of them out"),
        (["--channels", "split", "--profile", "anna"], "take one channel with --channel N"),
        (["--channels", "split:1", "--raw", "s16le", "--rate", "8000"], "has one channel"),
    ],
)
def test_wrong_usage_is_one_line(
    options: list[str], words: str, call: Path, bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = main(["replay", str(call), "--speed", "max", "-q", "--model", str(bundles["flatstats"]), *options])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_the_dashboard_draws_both_channels(call: Path, bundles: dict[str, Path]) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "realtime_ser", "replay", str(call), "--channels", "split", "--speed", "2"]
    process = subprocess.Popen(
        [*command, "--model", str(bundles["flatstats"])],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
    os.close(master)
    assert process.wait(30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode("utf-8", "replace"))
    assert any("channel 1" in line and "channel 2" in line and "│" in line for line in text.splitlines())
    assert text.count("s captured") == 2
