"""The command line as a subprocess: outputs and what they say, files and folders, the models."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from command import SAMPLE, assert_accounted, of_type, realtime_ser, records

WINDOW_KEYS = [
    *("type", "start_s", "end_s", "state", "label", "confidence", "leading", "leading_confidence", "probs", "smoothed"),
    *("speech_ratio", "latency_ms", "lost_samples", "level_dbfs"),
]
SUMMARY_KEYS = [
    *("type", "captured_samples", "classified_samples", "gated_samples", "dropped_samples", "pending_samples", "windows"),
    *("xruns", "latency_ms", "seconds_by_label"),
]


@pytest.fixture(scope="module")
def replayed() -> list[dict[str, object]]:
    """The sample's JSONL at full speed."""
    result = realtime_ser("replay", SAMPLE, "--speed", "max", "--jsonl", "-")
    assert result.returncode == 0
    assert result.stderr == ""
    return records(result.stdout)


def test_jsonl_is_the_contract(replayed: list[dict[str, object]]) -> None:
    assert [row["type"] for row in (replayed[0], replayed[-1])] == ["session", "summary"]
    session = replayed[0]
    assert session["protocol"] == 1
    for key in ("version", "model", "labels", "sample_rate", "window_s", "hop_s", "source", "started_at", "config"):
        assert key in session
    assert session["source"] == str(SAMPLE)
    assert list(replayed[-1]) == SUMMARY_KEYS
    windows = of_type(replayed, "window")
    assert all(list(row) == WINDOW_KEYS for row in windows)
    assert len(windows) == replayed[-1]["windows"] > 80
    assert_accounted(replayed[-1])
    assert set(replayed[-1]["latency_ms"]) == {"p50", "p95", "p99", "max"}


def test_estimates_make_sense(replayed: list[dict[str, object]]) -> None:
    labels = replayed[0]["labels"]
    windows = of_type(replayed, "window")
    ends = [row["end_s"] for row in windows]
    assert ends == sorted(ends)
    spoken = [row for row in windows if row["state"] != "no_speech"]
    assert len(spoken) > 40, "somebody speaks in most of the sample"
    for row in spoken:
        assert list(row["probs"]) == labels
        assert sum(row["probs"].values()) == pytest.approx(1, abs=1e-3)
        assert (row["label"] is None) == (row["state"] == "unsure")
    silent = [row for row in windows if row["state"] == "no_speech"]
    assert silent, "the sample has pauses"
    assert all(row["label"] is None and row["probs"] == {} for row in silent)


def test_segments_tile_what_was_classified(replayed: list[dict[str, object]]) -> None:
    segments = of_type(replayed, "segment")
    assert segments
    for before, after in itertools.pairwise(segments):
        assert before["end_s"] <= after["start_s"]
    seconds = sum(row["end_s"] - row["start_s"] for row in segments)
    rate = replayed[0]["sample_rate"]
    assert seconds == pytest.approx(replayed[-1]["classified_samples"] / rate, abs=1e-2)


def _without_clocks(text: str) -> list[dict[str, object]]:
    rows = records(text)
    for row in rows:
        for key in ("started_at", "latency_ms"):
            row.pop(key, None)
    return rows


@pytest.mark.slow
def test_same_file_gives_the_same_estimates() -> None:
    first, second = (realtime_ser("replay", SAMPLE, "--speed", "max", "--jsonl", "-").stdout for _ in range(2))
    assert _without_clocks(first) == _without_clocks(second)


@pytest.mark.slow
def test_paced_replay_equals_full_speed(replayed: list[dict[str, object]]) -> None:
    # A busy test machine may come late; what becomes of late audio is another test.
    patience = ("--set", "stream.max_lag_s=600", "--set", "capture.ring_s=60")
    paced = realtime_ser("replay", SAMPLE, "--speed", "8", "--jsonl", "-", *patience)
    windows = [(row["end_s"], row["state"], row["label"], row["probs"]) for row in of_type(records(paced.stdout), "window")]
    expected = [(row["end_s"], row["state"], row["label"], row["probs"]) for row in of_type(replayed, "window")]
    assert windows == expected


def test_several_files_and_folders(tmp_path: Path) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="float32")
    (tmp_path / "inner").mkdir()
    soundfile.write(tmp_path / "b.wav", audio[: 4 * rate], rate)
    soundfile.write(tmp_path / "inner" / "a.flac", audio[: 3 * rate], rate)
    (tmp_path / "notes.txt").write_text("not audio")
    result = realtime_ser("replay", tmp_path, SAMPLE, "--speed", "max", "--duration", "3", "--jsonl", "-")
    rows = records(result.stdout)
    assert result.returncode == 0
    assert [Path(str(row["source"])).name for row in of_type(rows, "session")] == ["b.wav", "a.flac", "demo.flac"]
    summaries = of_type(rows, "summary")
    assert [row["captured_samples"] for row in summaries] == [48000] * 3
    for row in summaries:
        assert_accounted(row)


def test_duration_ends_on_the_sample(tmp_path: Path) -> None:
    out = tmp_path / "heard.flac"
    result = realtime_ser("replay", SAMPLE, "--speed", "max", "--duration", "4.56789", "--jsonl", "-", "--record", out)
    assert records(result.stdout)[-1]["captured_samples"] == round(4.56789 * 16000)
    heard, _ = soundfile.read(out)
    original, _ = soundfile.read(SAMPLE)
    np.testing.assert_array_equal(heard, original[: len(heard)])
    assert len(heard) == round(4.56789 * 16000)


@pytest.mark.slow
def test_lost_samples_are_counted(tmp_path: Path) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="float32")
    audio[5 * rate : 5 * rate + 100] = np.nan
    broken = tmp_path / "broken.wav"
    soundfile.write(broken, audio, rate, subtype="FLOAT")
    rows = records(realtime_ser("replay", broken, "--speed", "max", "--jsonl", "-").stdout)
    assert_accounted(rows[-1])
    assert 100 <= rows[-1]["dropped_samples"] <= rate
    assert sum(row["lost_samples"] for row in of_type(rows, "window")) == rows[-1]["dropped_samples"]


@pytest.mark.slow
def test_live_path_opens_no_socket_and_loads_no_framework(tmp_path: Path) -> None:
    program = f"""
import socket, sys
class Refused(socket.socket):
    def __init__(self, *a, **k): raise AssertionError("a socket was opened")
socket.socket = Refused
from realtime_ser.cli.main import main
code = main(["replay", {str(SAMPLE)!r}, "--speed", "max", "--jsonl", {str(tmp_path / "o.jsonl")!r}, "--report",
             {str(tmp_path / "o.html")!r}, "--record", {str(tmp_path / "o.flac")!r}])
heavy = sorted({{"torch", "librosa", "pandas", "scipy", "numba", "sounddevice"}} & set(sys.modules))
assert not heavy, heavy
sys.exit(code)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_models_are_listed_with_their_scores() -> None:
    text = realtime_ser("models", env={"COLUMNS": "100"}).stdout
    cards = json.loads(realtime_ser("models", "--json").stdout)
    assert [card["name"] for card in cards] == ["cnn", "large", "mlp"]
    for card in cards:
        assert card["headline"] in " ".join(text.split())
        assert card["scores"]["command"].startswith("python -m train evaluate")
        assert card["licence"] in text
        assert f"measured by {card['unseen']['corpus']['command']}" in " ".join(text.split())
        corpus = card["unseen"]["corpus"]
        assert f"right {corpus['four_cold']:.0f} % of the time on people it never met (ased)" in " ".join(text.split())
        assert card["hop_ms_here"] > 0
    assert text.count("ms of the 250 ms there are") >= len(cards)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "cnn", "large"])
def test_demo_runs_each_model(model: str) -> None:
    result = realtime_ser("demo", "--speed", "max", "--model", model, "--jsonl", "-")
    assert result.returncode == 0
    rows = records(result.stdout)
    assert rows[0]["model"] == model
    assert sum(row["state"] == "speech" for row in of_type(rows, "window")) > 20


def test_demo_says_the_setting_that_it_changes() -> None:
    short = ("demo", "--speed", "max", "--duration", "3")
    said = realtime_ser(*short, "-v")
    assert "\nsmoothing.neutral_share=null, because the sample is acted" in said.stdout
    assert "smoothing.neutral_share: None (from demo)" in said.stderr
    own = realtime_ser(*short, "-v", "--set", "smoothing.neutral_share=0.45")
    assert "acted" not in own.stdout
    assert "smoothing.neutral_share: 0.45 (from --set)" in own.stderr
    assert "smoothing.neutral_share=null is set" in realtime_ser("help", "demo").stdout
    assert records(realtime_ser(*short, "--jsonl", "-").stdout)[0]["config"]["smoothing"]["neutral_share"] is None


@pytest.mark.slow
def test_plain_lines_where_there_is_no_terminal() -> None:
    result = realtime_ser("demo", "--speed", "max")
    assert result.returncode == 0
    assert "\x1b" not in result.stdout
    assert "nobody speaks" in result.stdout
    assert "nothing lost" in result.stdout


def test_hostile_file_name_stays_harmless(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\x1b[31m[bold]<script>\xff.flac"
    Path(os.fsdecode(name)).write_bytes(SAMPLE.read_bytes())
    result = realtime_ser("replay", tmp_path, "--speed", "max", "--duration", "2", "--report", tmp_path / "r.html")
    assert result.returncode == 0
    assert "\x1b" not in result.stdout
    assert "<script>" not in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("command", ["monitor", "replay", "demo", "bench", "devices", "doctor", "models"])
def test_every_command_explains_itself(command: str) -> None:
    result = realtime_ser(command, "--help")
    assert result.returncode == 0
    assert f"realtime-ser {command}" in result.stdout
