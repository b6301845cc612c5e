"""``realtime-ser classify`` as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from bundles import LABELS, RATE, Samples
from command import interrupt, realtime_ser, records, start
from realtime_ser.batch.answer import decided
from realtime_ser.batch.result import columns
from realtime_ser.config import Config

ODD = 'two\nlines \x1b[31m=1+1;"q",é.wav'


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def read(path: Path) -> list[dict[str, str]]:
    return rows_of(path.read_text(encoding="utf-8"))


def left_over(folder: Path) -> list[str]:
    """Files that no user asked for."""
    return [path.name for path in folder.rglob("*") if path.suffix in (".tmp", ".journal")]


@pytest.fixture(scope="module")
def whole(archive: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive's CSV, of one uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "whole.csv"
    result = realtime_ser("classify", archive, "-o", out, "--model", tiny)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert left_over(out.parent) == []
    return out


def test_a_row_a_recording_in_order(archive: Path, whole: Path) -> None:
    rows = read(whole)
    assert list(rows[0]) == columns(LABELS)
    assert [row["path"] for row in rows] == sorted(map(str, archive.rglob("*.wav")))
    for row in rows:
        shares = {label: float(row[f"probability_{label}"]) for label in LABELS}
        label, confidence = decided(shares, Config().smoothing.neutral_share)
        assert row["label"] == label
        assert float(row["confidence"]) == pytest.approx(confidence, abs=1e-3)
        assert float(row["duration_s"]) == soundfile.info(row["path"]).duration
        assert row["error"] == ""


@pytest.mark.slow
def test_a_pipe_gets_csv_and_an_unreadable_file_its_row(archive: Path, tiny: Path, whole: Path, tmp_path: Path) -> None:
    text = tmp_path / "talk.wav"
    text.write_text("no audio")
    result = realtime_ser("classify", archive / "calls", text, "gone.wav", "--model", tiny)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "2 of 8" in result.stderr
    rows = rows_of(result.stdout)
    assert rows[:6] == [row for row in read(whole) if "calls" in row["path"]]
    assert [row["path"] for row in rows[6:]] == [str(text), "gone.wav"]
    assert ["not audio" in rows[6]["error"], "does not exist" in rows[7]["error"]] == [True, True]
    assert {rows[7][column] for column in columns(LABELS)[1:-3]} == {""}
    assert rows[7]["model"] == "tiny"


@pytest.mark.slow
def test_several_jobs_give_the_same_bytes(archive: Path, tiny: Path, whole: Path, tmp_path: Path) -> None:
    out, lines = tmp_path / "jobs.csv", tmp_path / "jobs.jsonl"
    result = realtime_ser("classify", archive, "-o", out, "-o", lines, "--jobs", "3", "--model", tiny)
    assert (result.returncode, result.stderr) == (0, "")
    assert out.read_bytes() == whole.read_bytes()
    rows = records(lines.read_text())
    assert [row["path"] for row in rows] == [row["path"] for row in read(whole)]
    assert [row["confidence"] for row in rows] == [float(row["confidence"]) for row in read(whole)]
    assert rows[0]["error"] is None
    assert out.stat().st_mode & 0o777 == 0o600 or os.name == "nt"


@pytest.mark.slow
def test_a_folder_gets_a_file_for_each(archive: Path, tiny: Path, whole: Path, tmp_path: Path) -> None:
    result = realtime_ser("classify", archive, "-o", f"{tmp_path / 'out'}/", "--format", "csv", "--model", tiny)
    assert result.returncode == 0, result.stderr
    files = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert files == [Path(row["path"]).relative_to(archive).with_suffix(".csv") for row in read(whole)]
    assert [row for file in files for row in read(tmp_path / "out" / file)] == read(whole)


def test_standard_input_is_a_recording(archive: Path, tiny: Path, whole: Path, tmp_path: Path) -> None:
    first = read(whole)[0]
    out = tmp_path / "out.csv"
    with open(first["path"], "rb") as audio:  # noqa: PTH123
        command = [sys.executable, "-m", "realtime_ser", "classify", "-", "--model", str(tiny), "-o", str(out)]
        result = subprocess.run(command, stdin=audio, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert read(out) == [first | {"path": "-"}]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such device there")
def test_a_pipe_as_output_gets_everything_at_the_end(archive: Path, tiny: Path, whole: Path) -> None:
    result = realtime_ser("classify", archive, "-o", "/dev/stdout", "--format", "csv", "--model", tiny)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == whole.read_text()


@pytest.mark.slow
def test_segments_are_those_of_a_replay(archive: Path, tiny: Path, tmp_path: Path) -> None:
    talks = archive / "talks"
    out = tmp_path / "all.rttm"
    targets = ["-o", out, "-o", tmp_path / "one.csv"]
    assert realtime_ser("classify", talks, *targets, "--model", tiny, "--jobs", "2").returncode == 0
    replayed = tmp_path / "replayed.rttm"
    assert realtime_ser("replay", talks, "-o", replayed, "--model", tiny, "--speed", "max").returncode == 0
    assert out.read_text() == replayed.read_text()
    assert out.read_text().count("SPEAKER") >= 6
    folder = realtime_ser("classify", talks, "-o", f"{tmp_path}/vtt/", "--format", "vtt", "--model", tiny)
    assert folder.returncode == 0, folder.stderr
    files = sorted((tmp_path / "vtt").iterdir())
    assert [file.name for file in files if file.suffix == ".vtt"] == [f"{path.stem}.vtt" for path in sorted(talks.iterdir())]
    assert all(file.read_text().startswith("WEBVTT") for file in files)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
def test_a_name_of_any_kind_keeps_every_format_whole(tiny: Path, tmp_path: Path, talk: Samples) -> None:
    names = [ODD, os.fsdecode(b"\xff.wav")]
    for name in names:
        soundfile.write(os.fsencode(tmp_path / name), talk[: 3 * RATE], RATE)
    files = [tmp_path / f"out.{suffix}" for suffix in ("csv", "jsonl")]
    targets = [argument for file in files for argument in ("-o", file)]
    result = realtime_ser("classify", *targets, "--model", tiny, *names, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    table = files[0].read_text(encoding="utf-8")
    assert len(table.splitlines()) == 3, "a line a row"
    assert "\x1b" not in table
    assert [row["label"] in LABELS for row in rows_of(table)] == [True, True]
    rows = [json.loads(line) for line in files[1].read_text().split("\n")[:-1]]
    assert rows[0]["path"] == ODD
    assert "\x1b" not in files[1].read_text()
    folder = realtime_ser("classify", "-o", "each/", "--format", "jsonl", "--model", tiny, *names, cwd=tmp_path)
    assert folder.returncode == 0, folder.stderr
    assert len(list((tmp_path / "each").iterdir())) == 2


@pytest.mark.slow
def test_parquet_reads_back(archive: Path, tiny: Path, whole: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out.parquet"
    assert realtime_ser("classify", archive, "gone.wav", "-o", out, "--model", tiny).returncode == 1
    table = parquet.read_table(out)
    assert table.column_names == columns(LABELS)
    *rows, gone = table.to_pylist()
    assert [row["path"] for row in rows] == [row["path"] for row in read(whole)]
    assert [row["confidence"] for row in rows] == [float(row["confidence"]) for row in read(whole)]
    assert (gone["label"], gone["duration_s"], rows[0]["error"]) == (None, None, None)


def _slowly(folder: Path, seconds: float, speech: Samples, count: int = 16) -> Path:
    """Recordings that take some time."""
    folder.mkdir()
    for number in range(count):
        soundfile.write(folder / f"{number:02d}.wav", speech[: round(seconds * RATE)], RATE)
    return folder


def _wait_for(journal: Path, lines: int) -> None:
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < lines + 1:
        assert time.monotonic() < deadline, "nothing was done"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("how", ["killed with jobs", "interrupted"])
def test_an_interrupted_run_goes_on(how: str, tiny: Path, tmp_path: Path, speech: Samples) -> None:
    recordings, out = _slowly(tmp_path / "in", 10, speech), tmp_path / "out.csv"
    arguments = ["classify", recordings, "-o", out, "--model", tiny, *(["--jobs", "2"] if "jobs" in how else [])]
    out.write_text("what was there before")
    process = start(*map(str, arguments))
    journal = tmp_path / "out.csv.journal"
    _wait_for(journal, 2)
    if "killed" in how:
        process.kill()
        process.communicate()
    else:
        code, _, said = interrupt(process)
        assert code == 130
        assert said.count("\n") == 1
        assert "--resume" in said
    assert out.read_text() == "what was there before"
    done = journal.read_bytes().count(b"\n") - 1
    assert 2 <= done < 16
    finished = journal.read_bytes().rsplit(b"\n", 1)[0]
    time.sleep(0.5)  # workers whose parent was killed end by themselves and write nothing
    assert journal.read_bytes().startswith(finished)
    result = realtime_ser(*arguments, "--resume")
    assert (result.returncode, result.stderr) == (0, "")
    rows = read(out)
    assert [row["path"] for row in rows] == sorted(map(str, recordings.iterdir()))
    assert len({row["confidence"] for row in rows}) == 1, "the same audio has the same answer"
    assert left_over(tmp_path) == []
    again = realtime_ser(*arguments, "--resume")
    assert again.returncode == 0
    assert "no interrupted run is there" in again.stderr
    assert read(out) == rows


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_worker_that_is_killed_loses_nothing(tiny: Path, tmp_path: Path, speech: Samples) -> None:
    psutil = pytest.importorskip("psutil")
    recordings, out = _slowly(tmp_path / "in", 10, speech), tmp_path / "out.csv"
    process = start("classify", recordings, "-o", out, "--model", str(tiny), "--jobs", "2")
    _wait_for(tmp_path / "out.csv.journal", 2)
    victims = psutil.Process(process.pid).children()
    assert len(victims) == 2
    victims[0].send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "")
    assert [row["error"] for row in read(out)] == [""] * 16


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="limits of the system")
def test_a_full_disk_is_said_and_what_is_done_is_kept(archive: Path, tiny: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2);"
        "from realtime_ser.cli.main import main; sys.exit(main(sys.argv[2:]))"
    )
    arguments = ["classify", str(archive), "-o", str(out), "--model", str(tiny)]
    result = subprocess.run(
        [sys.executable, "-c", limited, "4000", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    for word in ("cannot write", "out.csv.journal", "--resume"):
        assert word in result.stderr
    assert not out.exists()
    assert (tmp_path / "out.csv.journal").read_bytes().endswith(b"\n"), "no half line"
    assert realtime_ser(*arguments, "--resume").returncode == 0
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("head") is None, reason="no head")
def test_a_reader_that_goes_away_ends_it_quietly(archive: Path, tiny: Path) -> None:
    process = start("classify", archive, "--model", str(tiny))
    assert process.stdout is not None
    assert process.stdout.readline().startswith("path,")
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.slow
def test_no_output_lands_on_a_recording(tiny: Path, tmp_path: Path, talk: Samples) -> None:
    path = tmp_path / "talk.csv"  # whatever its name, it is audio
    soundfile.write(path, talk, RATE, format="WAV")
    before = path.read_bytes()
    for arguments in (["-o", path], ["-o", f"{tmp_path}/", "--format", "csv"]):
        result = realtime_ser("classify", path, *arguments, "--model", tiny)
        assert result.returncode == 2, result.stderr
        assert path.read_bytes() == before
    assert left_over(tmp_path) == []
