"""The JSON lines keep their contract, whatever the values, the disk and the reader do."""

from __future__ import annotations

import json
import math
import stat
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_ser.errors import SinkError
from realtime_ser.records import Estimate, Health, Notice, Segment, Session, Summary
from realtime_ser.sinks.jsonl import JsonlSink

SESSION = Session("0.1.0", "mlp", ("a", "b"), 16000, 3.0, 0.25, "mic", "now", {"x": 1.5})


def lines_of(path, *records):
    sink = JsonlSink(path)
    for record in records:
        sink.write(record)
    sink.close()
    return [json.loads(line, parse_constant=pytest.fail) for line in path.read_text("ascii").splitlines()]


def test_the_contract_in_full(tmp_path, stream):
    rows = lines_of(tmp_path / "out.jsonl", *stream())
    assert [row["type"] for row in rows if row["type"] != "window"] == [
        "session",
        "segment",
        "event",
        "event",
        "segment",
        "summary",
    ]
    assert list(rows[0]) == [
        "type", "protocol", "version", "model", "labels", "sample_rate", "window_s", "hop_s", "source", "started_at", "config",
    ]  # fmt: skip
    window = next(row for row in rows if row["type"] == "window")
    assert list(window) == [
        "type", "start_s", "end_s", "state", "label", "confidence", "leading", "leading_confidence", "probs", "smoothed",
        "speech_ratio", "latency_ms", "lost_samples", "level_dbfs",
    ]  # fmt: skip
    assert (window["start_s"], window["end_s"], window["state"], window["label"]) == (0.0, 0.25, "speech", "angry")
    assert (window["confidence"], window["latency_ms"], window["lost_samples"]) == (0.6, 10.0, 0)
    assert window["probs"] == {name: 0.6 if name == "angry" else 0.0571 for name in rows[0]["labels"]}
    silent = [row for row in rows if row.get("state") == "no_speech"]
    assert silent
    assert all(row["probs"] == {} and row["label"] is None for row in silent)
    assert rows[0]["protocol"] == 1
    assert window["level_dbfs"] == -23.0
    assert list(rows[-1]) == [
        "type", "captured_samples", "classified_samples", "gated_samples", "dropped_samples", "pending_samples",
        "windows", "xruns", "latency_ms", "seconds_by_label",
    ]  # fmt: skip
    parts = ("classified_samples", "gated_samples", "dropped_samples", "pending_samples")
    assert rows[-1]["captured_samples"] == sum(rows[-1][part] for part in parts)
    assert rows[-1]["latency_ms"] == {"p50": 12.0, "p95": 15.0, "p99": 16.0, "max": 15.71}


def test_what_is_unknown_is_null_and_nan_is_never_written(tmp_path):
    estimate = Estimate(
        0, 16000, 4000, 16000, "speech", "a", math.nan, ("a", "b"), (math.inf, 0.5), (math.nan, 1.0), math.nan, -1.0
    )
    session = replace(SESSION, config={"retry_for_s": math.inf, "nested": [math.nan, {"deep": (1, 2)}]})
    rows = lines_of(tmp_path / "o", session, estimate, Summary(Health(), 16000, {}, {"a": math.nan}))
    assert rows[0]["config"] == {"retry_for_s": None, "nested": [None, {"deep": [1, 2]}]}
    assert (rows[1]["confidence"], rows[1]["speech_ratio"], rows[1]["latency_ms"]) == (None, None, None)
    assert (rows[1]["probs"], rows[1]["smoothed"]) == ({"a": None, "b": 0.5}, {"a": None, "b": 1.0})
    assert rows[2]["latency_ms"] == {"p50": None, "p95": None, "p99": None, "max": None}
    assert rows[2]["seconds_by_label"] == {"a": None}


def test_an_earlier_file_is_there_until_the_first_line_and_a_new_one_only_with_it(tmp_path):
    earlier, new = tmp_path / "earlier", tmp_path / "new"
    earlier.write_text("worth keeping\n" * 100)
    earlier.chmod(0o644)
    for path in (earlier, new):
        JsonlSink(path).close()
    assert earlier.read_text() == "worth keeping\n" * 100
    assert stat.S_IMODE(earlier.stat().st_mode) == 0o644
    assert not new.exists()
    assert [row["type"] for row in lines_of(earlier, SESSION)] == ["session"]
    assert stat.S_IMODE(earlier.stat().st_mode) == 0o600


@given(st.text(), st.text())
def test_any_name_is_one_valid_harmless_line(tmp_path_factory, name, message):
    path = tmp_path_factory.mktemp("j") / "out.jsonl"
    odd = name + "\udcff\x1b]0;owned\x07\x9b31m\n\u202e"
    rows = lines_of(path, replace(SESSION, source=odd, labels=(odd, "b")), Notice("xrun", message, 8000, 16000))
    raw = path.read_bytes()
    assert raw.count(b"\n") == 2
    assert min(byte for byte in raw if byte != 10) >= 32
    assert "\udcff" not in rows[0]["source"]
    assert rows[0]["source"].endswith("\ufffd\x1b]0;owned\x07\x9b31m\n\u202e")
    assert rows[1]["at_s"] == 0.5


def test_each_line_is_there_at_once_and_only_for_its_owner(tmp_path):
    path = tmp_path / "out.jsonl"
    sink = JsonlSink(path)
    sink.write(SESSION)
    assert json.loads(path.read_text())["type"] == "session"
    sink.write(Segment(0, 16000, 16000, "a", 0.5))
    assert json.loads(path.read_text().splitlines()[-1]) == {
        "type": "segment", "start_s": 0.0, "end_s": 1.0, "label": "a", "confidence": 0.5,
    }  # fmt: skip
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sink.close()
    sink.close()


def test_several_streams_follow_one_another(tmp_path, stream):
    rows = lines_of(tmp_path / "o", *stream(8, source="one"), *stream(8, source="two"))
    assert [row["source"] for row in rows if row["type"] == "session"] == ["one", "two"]
    assert sum(row["type"] == "summary" for row in rows) == 2


def test_a_full_disk_is_said_and_leaves_whole_lines(small_disk):
    path = small_disk / "out.jsonl"
    sink = JsonlSink(path)
    sink.write(SESSION)
    records = iter([Notice("xrun", "m" * 997)] * 1000)
    with pytest.raises(SinkError, match=r"cannot write .*out\.jsonl: No space left on device; free some space") as caught:
        any(map(sink.write, records))
    assert not caught.value.closed_by_reader
    sink.close()
    rows = path.read_text("ascii")
    assert rows.endswith("\n")
    assert all(json.loads(row) for row in rows.splitlines())


def test_dev_full_is_a_sink_error_and_closing_is_quiet():
    sink = JsonlSink("/dev/full")
    with pytest.raises(SinkError, match="No space left"):
        sink.write(SESSION)
    sink.close()


def test_a_bad_path_says_what_to_do(tmp_path):
    with pytest.raises(SinkError, match="create its folder first"):
        JsonlSink(tmp_path / "none" / "out.jsonl")
    with pytest.raises(SinkError, match="name a file, not a folder"):
        JsonlSink(tmp_path)


PIPED = """
import sys
import time
from realtime_ser.errors import SinkError
from realtime_ser.records import Session, Notice
from realtime_ser.sinks.jsonl import JsonlSink
sink = JsonlSink("-")
sink.write(Session("0", "mlp", ("a",), 16000, 3.0, 0.25, "mic", "now"))
try:
    for index in range(100000):
        sink.write(Notice("xrun", "m" * 200))
except SinkError as error:
    sys.stderr.write(f"{error} {error.closed_by_reader}")
print("still there")
sink.close()
"""


def test_head_ends_the_sink_without_a_traceback():
    process = subprocess.Popen([sys.executable, "-c", PIPED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = process.stdout.readline()
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert json.loads(first)["type"] == "session"
    assert told == "the reader of standard output closed it True"


def test_standard_output_that_is_captured(capsys):
    sink = JsonlSink("-")
    sink.write(SESSION)
    sink.close()
    assert json.loads(capsys.readouterr().out)["model"] == "mlp"


SLOW_PIPE = """
import os
os.set_blocking(1, False)
from realtime_ser.records import Notice
from realtime_ser.sinks.jsonl import JsonlSink
sink = JsonlSink("-")
for index in range(600):
    sink.write(Notice("xrun", "m" * 997, index, 1))
sink.close()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pipes block there")
def test_a_pipe_that_is_full_for_a_while_loses_nothing():
    process = subprocess.Popen([sys.executable, "-c", SLOW_PIPE], stdout=subprocess.PIPE, text=True)
    time.sleep(0.8)
    rows = [json.loads(line) for line in process.stdout]
    process.stdout.close()
    assert process.wait() == 0
    assert [row["at_s"] for row in rows] == list(range(600))
