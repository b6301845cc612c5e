"""Each format is read back by the field's own reader: times, labels and names, whatever the names hold."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.records import Estimate, Health, Record, Segment, Session, Summary
from realtime_ser.sinks.formats import FORMATS, format_of
from realtime_ser.sinks.segments import FolderSink, names_in

RATE = 16000
# Line breaks of every kind, quotes, separators, markup, arrows, bytes that are no UTF-8, and what XML refuses.
HOSTILE = "a\n\r\u2028b\x0b\t\"'`,; #=cmd|<b>&amp;]]>--> {\\an8}%s\udcff\x00\x1b[31m\ufffe\u202eü 音"
NAMES = ["talk.wav", f"dir/{HOSTILE}.wav", "NA.flac", "  .wav", ";;comment.wav", "=1+1.wav"]


def stream_of(source: str, spans: Sequence[tuple[float, float, str]], duration_s: float = 10.0) -> list[Record]:
    """A stream whose segments are ``spans`` (start, end in s, label)."""
    labels = tuple(dict.fromkeys(label for *_, label in spans)) or ("neutral",)
    records: list[Record] = [Session("0", "mlp", labels, RATE, 3.0, 0.25, source, "2026-01-01T00:00:00.000+00:00")]
    for start, end, label in spans:
        probs = tuple(float(name == label) for name in labels)
        stop = round(end * RATE)
        records.append(
            Estimate(round(start * RATE), stop, 4000, RATE, "speech", label, 0.625, labels, probs, probs, 1.0, -20.0)
        )
        records.append(Segment(round(start * RATE), stop, RATE, label, 0.625))
    captured = round(duration_s * RATE)
    return [*records, Summary(Health(captured, captured, windows=len(spans)), RATE, {}, {})]


SPANS = [(0.0, 1.25, "angry"), (1.25, 3.0, "happy"), (4.5, 4.50025, "sad"), (7.000125, 9.9, "unsure")]


def write(name: str, path: Path, *streams: list[Record]) -> Path:
    sink = format_of(path, name).open(path)
    for record in (record for stream in streams for record in stream):
        sink.write(record)
    assert not path.exists(), "nothing is there before the end"
    sink.close()
    sink.close()
    return path


def read(name: str, path: Path) -> list[tuple[float, float, str]]:
    """(start, end, label) of a file of segments, by somebody else's reader."""
    if name == "rttm":
        from pyannote.database.util import load_rttm

        (annotation,) = load_rttm(path).values()
        return [(part.start, part.end, label) for part, _, label in annotation.itertracks(yield_label=True)]
    if name == "vtt":
        webvtt = pytest.importorskip("webvtt", reason="webvtt-py is not installed: WebVTT was not read back")
        return [(_seconds(cue.start), _seconds(cue.end), cue.text) for cue in webvtt.read(str(path))]
    if name == "srt":
        srt = pytest.importorskip("srt", reason="srt is not installed: SRT was not read back")
        return [(c.start.total_seconds(), c.end.total_seconds(), c.content) for c in srt.parse(path.read_text("utf-8"))]
    if name == "textgrid":
        from praatio.textgrid import openTextgrid

        tier = openTextgrid(str(path), includeEmptyIntervals=False).getTier("emotion")
        return [(part.start, part.end, part.label) for part in tier.entries]
    if name == "elan":
        from pympi.Elan import Eaf

        found = Eaf(str(path)).get_annotation_data_for_tier("emotion")
        return [(part[0] / 1000, part[1] / 1000, part[2]) for part in found]
    assert name == "audacity"
    lines = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    return [(float(start), float(end), label) for start, end, label in lines]


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


SEGMENT_FORMATS = ["rttm", "vtt", "srt", "textgrid", "elan", "audacity"]
TABLES = ["csv", "jsonl", "parquet"]


def test_every_format_is_tested() -> None:
    assert [known.name for known in FORMATS] == SEGMENT_FORMATS + TABLES


@pytest.mark.parametrize("name", SEGMENT_FORMATS)
def test_times_and_labels_come_back(name: str, tmp_path: Path) -> None:
    found = read(name, write(name, tmp_path / "out", stream_of("talk.wav", SPANS)))
    assert [label for *_, label in found] == ["angry", "happy", "sad", "unsure"]
    for (start, end, _), (expected_start, expected_end, _) in zip(found, SPANS, strict=True):
        assert start == pytest.approx(expected_start, abs=1.01e-3)
        assert end == pytest.approx(expected_end, abs=1.01e-3)
    assert all(end > start for start, end, _ in found)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", SEGMENT_FORMATS)
@pytest.mark.parametrize("source", NAMES)
def test_hostile_names_do_no_harm(name: str, source: str, tmp_path: Path) -> None:
    spans = [(0.0, 1.0, HOSTILE), (1.0, 2.0, "\n"), (2.0, 3.0, "NA")]
    path = write(name, tmp_path / "out", stream_of(source, spans))
    found = read(name, path)
    assert [start for start, *_ in found] == pytest.approx([0, 1, 2])
    assert all(label.strip() for *_, label in found), "no label is lost"
    assert "音" in found[0][2]
    assert found[2][2].startswith("NA")
    assert "\x1b" not in path.read_text("utf-8")


@pytest.mark.parametrize("name", SEGMENT_FORMATS)
@settings(max_examples=15)
@given(label=st.text(min_size=1, max_size=20), source=st.text(max_size=20))
def test_any_name_comes_back_as_one_segment(
    name: str, label: str, source: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("f") / "out"
    assert len(read(name, write(name, path, stream_of(source, [(0.5, 1.5, label)])))) == 1


@pytest.mark.parametrize("name", SEGMENT_FORMATS)
def test_a_stream_without_speech(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path / "out", stream_of("talk.wav", []))
    if name in ("rttm", "srt", "audacity"):
        assert path.read_bytes() == b""
    else:
        assert read(name, path) == []


def test_rttm_holds_many_recordings_under_names_of_their_own(tmp_path: Path) -> None:
    from pyannote.database.util import load_rttm

    streams = [stream_of(source, SPANS[:2]) for source in ("a/talk.wav", "b/talk.flac", "two words.wav", "NA.wav")]
    found = load_rttm(write("rttm", tmp_path / "o.rttm", *streams))
    assert set(found) == {"talk", "talk_2", "two_words", "NA_"}
    assert all(len(annotation) == 2 for annotation in found.values())
    first = (tmp_path / "o.rttm").read_text().splitlines()[0]
    assert first == "SPEAKER talk 1 0.000 1.250 <NA> <NA> angry 0.6250 <NA>"


def test_the_textgrid_tiles_its_recording(tmp_path: Path) -> None:
    from praatio.textgrid import openTextgrid

    path = write("textgrid", tmp_path / "o.TextGrid", stream_of("talk.wav", SPANS, duration_s=12.5))
    grid = openTextgrid(str(path), includeEmptyIntervals=True)
    parts = grid.getTier("emotion").entries
    assert (parts[0].start, parts[-1].end, grid.maxTimestamp) == (0, 12.5, 12.5)
    assert all(before.end == after.start for before, after in itertools.pairwise(parts))
    assert [part.label for part in parts] == ["angry", "happy", "", "sad", "", "unsure", ""]


def test_elan_finds_its_recording_beside_it(tmp_path: Path) -> None:
    from pympi.Elan import Eaf

    eaf = Eaf(str(write("elan", tmp_path / "o.eaf", stream_of("folder/my talk ü&.wav", SPANS))))
    (media,) = eaf.media_descriptors
    assert media["RELATIVE_MEDIA_URL"] == "./my%20talk%20%C3%BC%26.wav"
    assert media["MIME_TYPE"] == "audio/x-wav"
    assert Eaf(str(write("elan", tmp_path / "m.eaf", stream_of("USB microphone", SPANS)))).media_descriptors == []


def test_a_browser_can_take_the_captions(tmp_path: Path) -> None:
    text = write("vtt", tmp_path / "o.vtt", stream_of("a-->b.wav", [(3599.9996, 3600.5, "<i>x & y</i>")], 4000)).read_text()
    assert text.startswith("WEBVTT\n\n")
    assert text.count("-->") == 1
    assert "01:00:00.000 --> 01:00:00.500\n&lt;i&gt;x &amp; y&lt;/i&gt;\n" in text


@pytest.mark.parametrize("source", NAMES)
def test_tables_hold_the_windows(source: str, tmp_path: Path) -> None:
    import csv

    import pyarrow.parquet

    records = [*stream_of(source, SPANS), *stream_of("second.wav", SPANS)]
    paths = {name: write(name, tmp_path / name, records) for name in TABLES}
    rows = [json.loads(line) for line in paths["jsonl"].read_text().splitlines()]
    assert [row["type"] for row in rows if row["type"] != "segment"] == (["session"] + ["window"] * 4 + ["summary"]) * 2
    with paths["csv"].open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert [cell["label"] for cell in cells] == [label for *_, label in SPANS] * 2
    table = pyarrow.parquet.read_table(paths["parquet"])
    assert table.column_names == list(cells[0])
    assert table["end_s"].to_pylist() == pytest.approx([float(cell["end_s"]) for cell in cells], abs=1e-9)
    assert table["label"].to_pylist() == [cell["label"] for cell in cells]
    assert table["source"].to_pylist()[4:] == ["second.wav"] * 4
    assert table["latency_ms"].to_pylist() == [None] * 8
    assert str(table.schema.field("lost_samples").type) == "int64"
    assert json.loads(table.schema.metadata[b"realtime_ser"])["protocol"] == 1
    for path in paths.values():
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_long_parquet_file_is_written_in_pieces(tmp_path: Path) -> None:
    import pyarrow.parquet

    records = stream_of("talk.wav", [(0, 1, "angry")])
    many = [records[0], *[records[1]] * 20000, records[-1]]
    file = pyarrow.parquet.ParquetFile(write("parquet", tmp_path / "o.parquet", many))
    assert file.metadata.num_rows == 20000
    assert file.num_row_groups == 3


@pytest.mark.parametrize("name", SEGMENT_FORMATS + TABLES)
def test_a_full_disk_leaves_an_earlier_file_whole(name: str, small_disk: Path) -> None:
    path = small_disk / "out"
    path.write_text("worth keeping")
    (small_disk / "filler").write_bytes(os.urandom(230 * 1024))
    random = np.random.default_rng(0)
    records = stream_of("talk.wav", [(at, at + 0.5, "angry") for at in range(4000)], 4000)
    windows = [replace(record, confidence=random.random()) if isinstance(record, Estimate) else record for record in records]
    sink = format_of(path, name).open(path)

    def run() -> None:
        for record in windows:
            sink.write(record)
        sink.close()

    with pytest.raises(SinkError, match=r"cannot write .*out: No space left on device; free some space"):
        run()
    sink.close()
    assert path.read_text() == "worth keeping"
    assert sorted(found.name for found in small_disk.iterdir()) == ["filler", "out"]


@pytest.mark.parametrize("name", SEGMENT_FORMATS + TABLES)
def test_a_run_that_never_began_leaves_an_earlier_file_whole(name: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("worth keeping")
    format_of(path, name).open(path).close()
    assert path.read_text() == "worth keeping"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", SEGMENT_FORMATS + TABLES)
def test_a_bad_place_is_said_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="create its folder first"):
        format_of("x", name).open(tmp_path / "none" / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_suffix_chooses_and_a_name_overrides() -> None:
    for known in FORMATS:
        assert format_of(f"a{known.suffix}") is known
        assert format_of(Path(f"a.b{known.suffix.upper()}")) is known
        assert format_of("a.wav", known.name) is known
        assert format_of("a.wav", known.suffix[1:]) is (format_of("x.txt") if known.suffix == ".txt" else known)
    for bad in ("a", "a.doc", ".csv", "a.csv.bak"):
        with pytest.raises(ConfigError, match=re.escape(f"-o {bad}: the name must end in one of .rttm .vtt")):
            format_of(bad)
    with pytest.raises(ConfigError, match="--format word is not known; choose from rttm, vtt"):
        format_of("a.csv", "word")


def test_a_folder_gets_a_file_for_each_stream(tmp_path: Path) -> None:
    sources = ["a/talk.wav", "b/TALK.flac", "broken.wav", f"{HOSTILE}.wav"]
    names = names_in(sources, ".rttm")
    assert list(names.values())[:3] == ["talk.rttm", "TALK-2.rttm", "broken.rttm"]
    sink = FolderSink(tmp_path / "new" / "out", names, ".rttm", format_of("x", "rttm").open)
    for source in ("a/talk.wav", "b/TALK.flac", f"{HOSTILE}.wav", "another.wav"):
        for record in stream_of(source, SPANS):
            sink.write(record)
    sink.close()
    written = {path.name for path in (tmp_path / "new" / "out").iterdir()}
    assert written == {*names.values(), "another.rttm"} - {"broken.rttm"}
    assert names_in(["x" * 300 + ".wav"], ".TextGrid") == {"x" * 300 + ".wav": "x" * 200 + ".TextGrid"}
