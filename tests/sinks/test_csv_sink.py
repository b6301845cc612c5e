"""Rows of windows that a spreadsheet reads and that do nothing in one."""

from __future__ import annotations

import csv
import stat
from dataclasses import replace

import pytest

from realtime_ser.errors import SinkError
from realtime_ser.records import Estimate, Session
from realtime_ser.sinks.csv_file import CsvSink


def rows_of(path, records):
    sink = CsvSink(path)
    for record in records:
        sink.write(record)
    sink.close()
    sink.close()
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_per_window(tmp_path, stream):
    path = tmp_path / "out.csv"
    rows = rows_of(path, stream(64))
    labels = ["angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised"]
    assert list(rows[0]) == [
        "start_s", "end_s", "state", "label", "confidence", *(f"p_{label}" for label in labels),
        *(f"smoothed_{label}" for label in labels), "speech_ratio", "level_dbfs", "latency_ms", "lost_samples", "source",
    ]  # fmt: skip
    assert len(rows) == 64
    assert float(rows[0]["p_angry"]) == float(rows[0]["confidence"]) == 0.6
    assert float(rows[0]["latency_ms"]) == 10.0
    assert rows[10]["lost_samples"] == "1600"
    quiet = [row for row in rows if row["state"] == "no_speech"]
    assert quiet
    assert all(row["p_angry"] == row["smoothed_sad"] == row["label"] == "" for row in quiet)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_several_streams_share_one_header(tmp_path, stream):
    path = tmp_path / "out.csv"
    rows = rows_of(path, [*stream(5, source="one"), *stream(3, source="two")])
    assert [row["source"] for row in rows] == ["one"] * 5 + ["two"] * 3
    assert path.read_text().count("start_s") == 1


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", '=cmd|"/c calc"!A1', "\t=1", "＝1"])
def test_a_name_is_no_formula(tmp_path, stream, name):
    row = rows_of(tmp_path / "o.csv", stream(1, source=name, labels=(name, "b")))[0]
    for cell in (row["source"], row["label"]):
        assert cell[0] in "'\ufffd"
        assert cell.rstrip().endswith(name.strip()[-1])


def test_names_with_newlines_and_broken_bytes_stay_in_their_cell(tmp_path, stream):
    path = tmp_path / "o.csv"
    row = rows_of(path, stream(1, source='a,"b"\r\n\x1b[31m\udcff'))[0]
    assert row["source"] == 'a,"b"\ufffd\ufffd\ufffd[31m\ufffd'
    assert len(path.read_bytes().splitlines()) == 2


def test_other_labels_in_one_file_are_refused(tmp_path, stream):
    sink = CsvSink(tmp_path / "o.csv")
    session = stream(1)[0]
    assert isinstance(session, Session)
    sink.write(session)
    with pytest.raises(SinkError, match="a file per model"):
        sink.write(replace(session, labels=("x",)))
    sink.close()


def test_a_full_disk(stream):
    sink = CsvSink("/dev/full")
    with pytest.raises(SinkError, match="No space left"):
        sink.write(stream(1)[0])
    with pytest.raises(SinkError):
        sink.write(next(record for record in stream(1) if isinstance(record, Estimate)))
    sink.close()
