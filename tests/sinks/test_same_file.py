"""No run writes over what it reads, nor two outputs into one file: exit code 2, one line, and every byte still there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command import SAMPLE, realtime_ser, records
from realtime_ser.errors import ConfigError
from realtime_ser.sinks.same_file import check_files, same_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def talk(tmp_path: Path, bundles: dict[str, Path]) -> Path:
    """A folder with a recording, links to it, settings, a scenario and a model, all of which a run may read."""
    shutil.copy(SAMPLE, tmp_path / "talk.flac")
    (tmp_path / "link.flac").symlink_to("talk.flac")
    os.link(tmp_path / "talk.flac", tmp_path / "hard.flac")
    (tmp_path / "inner").mkdir()
    shutil.copy(SAMPLE, tmp_path / "inner" / "found.flac")
    (tmp_path / "own.yaml").write_text("stream: {hop_s: 0.5}")
    shutil.copy(ROOT / "docs" / "faults.yaml", tmp_path / "faults.yaml")
    for suffix in (".json", ".onnx"):
        shutil.copy(bundles["flatstats"].with_suffix(suffix), tmp_path / f"own{suffix}")
    return tmp_path


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.fast_cases(3)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["talk.flac", "--record", "talk.flac"], ["--record talk.flac", "recording talk.flac"]),
        (["link.flac", "--csv", "hard.flac"], ["--csv hard.flac", "recording link.flac"]),
        (["talk.flac", "--jsonl", "out", "--csv", "out"], ["--jsonl out", "--csv out", "one file"]),
        (["talk.flac", "--jsonl", "talk.flac"], ["--jsonl talk.flac", "recording talk.flac"]),
        (["talk.flac", "--csv", "./inner/../talk.flac"], ["--csv", "recording talk.flac"]),
        (["talk.flac", "--report", "talk.flac"], ["--report talk.flac"]),
        (["talk.flac", "--report", "link.flac"], ["--report link.flac"]),
        (["talk.flac", "--record", "hard.flac"], ["--record hard.flac"]),
        (["link.flac", "--jsonl", "talk.flac"], ["--jsonl talk.flac"]),
        (["inner", "--record", "inner/found.flac"], ["--record inner/found.flac"]),
        (["inner", "--jsonl", "inner/found.flac"], ["--jsonl inner/found.flac"]),
        (["talk.flac", "inner/found.flac", "--csv", "inner/found.flac"], ["--csv inner/found.flac"]),
        (["talk.flac", "--csv", "new.html", "--report", "inner/../new.html"], ["--csv new.html", "--report", "one file"]),
        (["talk.flac", "--jsonl", "dangling", "--csv", "aim"], ["--jsonl dangling", "--csv aim", "one file"]),
        (["talk.flac", "--config", "own.yaml", "--jsonl", "own.yaml"], ["--jsonl own.yaml", "--config file own.yaml"]),
        (["talk.flac", "--faults", "faults.yaml", "--csv", "faults.yaml"], ["--csv faults.yaml", "file of faults"]),
        (["talk.flac", "--model", "own.json", "--jsonl", "own.json"], ["--jsonl own.json", "model card"]),
        (["talk.flac", "--model", "own.json", "--report", "own.onnx"], ["--report own.onnx", "model"]),
        (["talk.flac", "--jsonl", "-", "--csv", "/dev/stdout"], ["--jsonl", "--csv /dev/stdout", "one file"]),
        (["talk.flac", "--csv", "/dev/stdout", "--report", "/dev/fd/1"], ["--csv", "--report", "one file"]),
    ],
)
def test_nothing_is_opened_and_one_line_says_why(arguments: list[str], words: list[str], talk: Path) -> None:
    (talk / "dangling").symlink_to("aim")
    before = _contents(talk)
    result = realtime_ser("replay", *arguments, "--speed", "max", cwd=talk)
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr
    assert result.stdout == ""
    assert _contents(talk) == before
    assert (talk / "dangling").is_symlink()


@pytest.mark.slow
def test_the_shipped_files_are_inputs_too(tmp_path: Path) -> None:
    for shipped in (SAMPLE, ROOT / "config.yaml", ROOT / "weights" / "mlp.json", ROOT / "weights" / "mlp.onnx"):
        link = tmp_path / shipped.name
        link.symlink_to(shipped)
        before = shipped.read_bytes()
        result = realtime_ser("demo", "--speed", "max", "--jsonl", link)
        assert result.returncode == 2, result.stderr
        assert shipped.read_bytes() == before


def test_the_figures_of_bench_leave_its_recording_alone(talk: Path) -> None:
    before = _contents(talk)
    result = realtime_ser("bench", "--audio", "talk.flac", "--json", "hard.flac", cwd=talk)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "--json hard.flac would overwrite the recording talk.flac" in result.stderr
    assert _contents(talk) == before


def test_standard_output_appended_to_the_recording(talk: Path) -> None:
    before = _contents(talk)
    with (talk / "talk.flac").open("ab") as recording:
        result = subprocess.run(
            [sys.executable, "-m", "realtime_ser", "replay", "link.flac", "--speed", "max", "--csv", "out.csv"],
            cwd=talk, stdout=recording, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "standard output would overwrite the recording link.flac" in result.stderr
    assert _contents(talk) == before


def test_standard_input_is_an_input(talk: Path) -> None:
    before = _contents(talk)
    with (talk / "talk.flac").open("rb") as recording:
        result = subprocess.run(
            [sys.executable, "-m", "realtime_ser", "replay", "-", "--speed", "max", "--record", "link.flac"],
            cwd=talk, stdin=recording, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "--record link.flac would overwrite the recording on standard input" in result.stderr
    assert _contents(talk) == before


@pytest.mark.slow
def test_an_output_that_is_standard_output_has_it_for_itself(talk: Path) -> None:
    run = ["replay", "talk.flac", "--speed", "max", "--duration", "2", "--model", "own.json"]
    piped = realtime_ser(*run, "--jsonl", "/dev/stdout", cwd=talk)
    assert piped.returncode == 0
    assert records(piped.stdout)[-1]["type"] == "summary"
    with (talk / "out.csv").open("wb") as out:
        command = [sys.executable, "-m", "realtime_ser", *run, "--csv", "out.csv"]
        assert subprocess.run(command, cwd=talk, stdout=out, timeout=60, check=False).returncode == 0
    table = (talk / "out.csv").read_text().splitlines()
    assert table[0].startswith("start_s,end_s")
    assert len(table) == 1 + records(piped.stdout)[-1]["windows"]


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
def test_any_number_of_outputs_may_go_nowhere(talk: Path) -> None:
    run = ["replay", "talk.flac", "--speed", "max", "--duration", "2", "--model", "own.json"]
    result = realtime_ser(*run, "--jsonl", "/dev/null", "--csv", "/dev/null", "--report", "/dev/null", cwd=talk)
    assert result.returncode == 0, result.stderr
    assert "nothing lost" in result.stdout


def test_a_pipe_is_a_file_of_its_own(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    os.mkfifo(first)
    os.mkfifo(second)
    check_files([("recording", tmp_path / "talk.flac")], [("--jsonl", first), ("--csv", second)])
    with pytest.raises(ConfigError, match="one file"):
        check_files([], [("--jsonl", first), ("--csv", first)])
    assert not same_file(first, second)


def test_what_cannot_be_opened_is_no_clash(tmp_path: Path) -> None:
    check_files([("recording", tmp_path / "none" / "a")], [("--jsonl", tmp_path / "none" / "a"), ("--csv", "x\0y")])
    check_files([("recording", "x\0y")], [("--jsonl", tmp_path / "a"), ("--csv", tmp_path / "b")])
