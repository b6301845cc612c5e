"""``-o FILE`` as people type it: by suffix or by name, one file or a folder of them, and one line for what cannot be."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from command import SAMPLE, interrupt, of_type, realtime_ser, records, start, wait_for_lines

SUFFIXES = ["rttm", "vtt", "srt", "TextGrid", "eaf", "txt", "csv", "jsonl", "parquet"]


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Three short recordings, two of them of one name."""
    audio, rate = soundfile.read(SAMPLE, dtype="float32")
    for name in ("one.wav", "a/talk.flac", "b/talk.flac"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, audio[: 4 * rate], rate)
    return tmp_path


@pytest.mark.slow
def test_every_format_at_once(tmp_path: Path) -> None:
    chosen = [argument for suffix in SUFFIXES for argument in ("-o", f"out.{suffix}")]
    result = realtime_ser("replay", SAMPLE, "--speed", "max", *chosen, "--jsonl", "stream.jsonl", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "nothing lost" in result.stdout
    rows = records((tmp_path / "stream.jsonl").read_text())
    segments = [(row["start_s"], row["label"]) for row in of_type(rows, "segment")]
    audacity = [line.split("\t") for line in (tmp_path / "out.txt").read_text().splitlines()]
    assert [(float(begin), label) for begin, _, label in audacity] == [
        (pytest.approx(begin, abs=1e-3), label) for begin, label in segments
    ]
    assert (tmp_path / "out.jsonl").read_text() == (tmp_path / "stream.jsonl").read_text()
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + rows[-1]["windows"]
    expected = {*(f"out.{suffix}" for suffix in SUFFIXES), "stream.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == expected, "no temporary file is left"


def test_several_recordings_in_one_file_and_in_a_folder(recordings: Path) -> None:
    run = ["replay", "one.wav", "a", "missing.wav", "b", "--speed", "max"]
    result = realtime_ser(*run, "-o", "all.rttm", "-o", "labels/", "--format", "rttm", cwd=recordings)
    assert result.returncode == 1, "one of them is missing"
    whole = (recordings / "all.rttm").read_text()
    assert {line.split()[1] for line in whole.splitlines()} == {"one", "talk", "talk_2"}
    assert sorted(path.name for path in (recordings / "labels").iterdir()) == ["one.rttm", "talk-2.rttm", "talk.rttm"]
    first = (recordings / "labels" / "one.rttm").read_text()
    assert first
    assert whole.startswith(first)


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "out"], ["-o out", ".rttm .vtt", "--format"]),
        (["-o", "one.wav", "--format", "srt"], ["-o one.wav would overwrite the recording one.wav"]),
        (["-o", "out.doc"], ["-o out.doc", ".parquet"]),
        (["-o", "out.doc", "--format", "word"], ["--format word", "rttm"]),
        (["--format", "rttm"], ["--format", "-o"]),
        (["-o", "a"], ["-o a is a folder", "--format"]),
        (["-o", "-", "--format", "csv"], ["-o -", "--csv -"]),
        (["--jsonl", "-", "--csv", "-"], ["--jsonl and --csv are one file"]),
        (["--jsonl", "new.jsonl", "--report", "r.pdf"], ["--report r.pdf", ".html"]),
        (["--report", "-"], ["--report -", ".html"]),
        (["-o", "new/"], ["-o new/ is a folder", "--format"]),
        (["b/talk.flac", "-o", "out.vtt"], ["-o out.vtt", "WebVTT", "one recording", "--format vtt"]),
        (["-o", "out.rttm", "-o", "./out.rttm"], ["-o out.rttm", "one file"]),
        (["-o", "out.rttm", "--jsonl", "out.rttm"], ["-o out.rttm", "--jsonl out.rttm", "one file"]),
        (["-o", ".", "--format", "srt", "--csv", "one.srt"], ["--csv one.srt", "one file"]),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_is_opened(arguments: list[str], words: list[str], recordings: Path) -> None:
    before = sorted(path.name for path in recordings.rglob("*"))
    result = realtime_ser("replay", "one.wav", *arguments, "--speed", "max", cwd=recordings)
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr
    assert sorted(path.name for path in recordings.rglob("*")) == before


def test_csv_goes_to_standard_output(recordings: Path) -> None:
    run = ["replay", "one.wav", "--speed", "max"]
    result = realtime_ser(*run, "--csv", "-", cwd=recordings)
    assert (result.returncode, result.stderr) == (0, "")
    assert realtime_ser(*run, "--csv", "one.csv", "--report", "one.HTM", cwd=recordings).returncode == 0
    written = (recordings / "one.csv").read_text()
    shown, kept = ([line.split(",")[:3] for line in text.splitlines()] for text in (result.stdout, written))
    assert shown == kept
    assert sorted(path.name for path in recordings.glob("*.*")) == ["one.HTM", "one.csv", "one.wav"]
    assert not (recordings / "-").exists()


def test_a_file_made_from_a_name_is_never_an_input(recordings: Path) -> None:
    (recordings / "one.wav").rename(recordings / "one.txt")
    before = (recordings / "one.txt").read_bytes()
    result = realtime_ser("replay", "one.txt", "-o", ".", "--format", "audacity", "--speed", "max", cwd=recordings)
    assert result.returncode == 2
    assert "one.txt would overwrite the recording one.txt" in result.stderr
    assert (recordings / "one.txt").read_bytes() == before


def test_without_pyarrow_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "pyarrow.py").write_text("raise ImportError('no pyarrow')\n")
    out = tmp_path / "out.jsonl"
    run = ["replay", SAMPLE, "--speed", "max", "--jsonl", out, "-o", tmp_path / "o.parquet"]
    result = realtime_ser(*run, env={"PYTHONPATH": str(tmp_path / "site")})
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "pip install '.[formats]'" in result.stderr
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file systems there refuse such names")
def test_a_hostile_name_in_every_format(tmp_path: Path, bundles: dict[str, Path]) -> None:
    name = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\n\"',<b>&\xff\x1b[31m]]>.flac"))
    shutil.copy(SAMPLE, name)
    chosen = [argument for suffix in SUFFIXES for argument in ("-o", tmp_path / f"out.{suffix}")]
    run = ["replay", name, "--speed", "max", "--duration", "5", "--model", bundles["flatstats"]]
    result = realtime_ser(*run, *chosen)
    assert result.returncode == 0, result.stderr
    for suffix in SUFFIXES:
        content = (tmp_path / f"out.{suffix}").read_bytes()
        assert b"\x1b" not in content or suffix == "parquet"
    folder = realtime_ser(*run, "-o", f"{tmp_path}/folder/", "--format", "vtt")
    assert folder.returncode == 0, folder.stderr
    (written,) = (tmp_path / "folder").iterdir()
    assert written.name.isprintable()
    assert written.read_text("utf-8").startswith("WEBVTT")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["rttm", "csv", "parquet"])
def test_an_interrupted_run_writes_what_it_has(suffix: str, tmp_path: Path) -> None:
    out, stream = tmp_path / f"o.{suffix}", tmp_path / "stream.jsonl"
    process = start("replay", SAMPLE, "--speed", "2", "-o", out, "--jsonl", stream, "--no-dashboard")
    wait_for_lines(stream, 8, kind="window")
    assert not out.exists()
    code, _, _ = interrupt(process, signal.SIGINT)
    assert code == 130
    assert out.stat().st_size > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"o.{suffix}", "stream.jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["rttm", "csv", "parquet"])
def test_a_killed_run_leaves_an_earlier_file_whole(suffix: str, tmp_path: Path) -> None:
    out, stream = tmp_path / f"o.{suffix}", tmp_path / "stream.jsonl"
    out.write_text("worth keeping")
    process = start("replay", SAMPLE, "--speed", "2", "-o", out, "--jsonl", stream, "--no-dashboard")
    wait_for_lines(stream, 8, kind="window")
    process.kill()
    process.communicate()
    assert out.read_text() == "worth keeping"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
@pytest.mark.parametrize("form", ["rttm", "srt", "csv", "jsonl", "parquet"])
def test_a_reader_that_goes_is_no_fault(form: str, bundles: dict[str, Path]) -> None:
    run = f"replay {SAMPLE} --speed max --duration 6 --model {bundles['flatstats']} -o /dev/stdout --format {form}"
    command = f"{sys.executable} -m realtime_ser {run} | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert result.stdout == "0\n", result.stderr
    assert result.stderr == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
@pytest.mark.parametrize("form", ["rttm", "csv", "parquet"])
def test_a_named_pipe_gets_the_whole_file(form: str, tmp_path: Path, bundles: dict[str, Path]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        run = ["replay", SAMPLE, "--speed", "max", "--duration", "6", "--model", bundles["flatstats"], "--format", form]
        piped = realtime_ser(*run, "-o", pipe)
        assert piped.returncode == 0, piped.stderr
        content = reader.communicate(timeout=30)[0]
    realtime_ser(*run, "-o", tmp_path / "file")
    if form == "parquet":
        import pyarrow
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(pyarrow.BufferReader(content)).num_rows
        assert rows == pyarrow.parquet.read_table(tmp_path / "file").num_rows > 10
    else:
        assert content.count(b"\n") == (tmp_path / "file").read_bytes().count(b"\n") > 0


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="there is no such file here")
def test_a_report_goes_where_standard_output_goes(tmp_path: Path, bundles: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "realtime_ser", "replay", str(SAMPLE), "--speed", "max", "-q", "--report", "/dev/stdout"]
    with (tmp_path / "page").open("wb") as file:
        subprocess.run([*command, "-m", str(bundles["flatstats"])], stdout=file, check=True, timeout=60)
    assert (tmp_path / "page").read_text().startswith("<!doctype html>")
