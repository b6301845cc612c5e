"""Ended at any moment, by any means: what was written stays good."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import soundfile

from command import SAMPLE, assert_accounted, of_type, records, start, wait_for_lines

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
_LENGTH_S = 240
T = TypeVar("T")


def _at_once(run: Callable[[int], T], count: int) -> list[T]:
    """``run(0)``, ``run(1)`` ... side by side: most of each is waiting. The first failure is raised."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four minutes of the shipped sample and of silence."""
    audio, rate = soundfile.read(SAMPLE, dtype="int16")
    whole = np.concatenate((audio, np.zeros(2 * rate, np.int16)))
    path = tmp_path_factory.mktemp("kill") / "talk.flac"
    soundfile.write(path, np.tile(whole, 1 + _LENGTH_S * rate // len(whole))[: _LENGTH_S * rate], rate)
    return path


def _outputs(folder: Path, ending: str = "flac") -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return {name: folder / f"out.{name}" for name in ("jsonl", "csv", "html")} | {"record": folder / f"heard.{ending}"}


def _options(out: dict[str, Path]) -> list[str | Path]:
    return [
        *("--no-dashboard", "--jsonl", out["jsonl"], "--csv", out["csv"]),
        *("--report", out["html"], "--record", out["record"]),
    ]


def _check_prefix(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file that may end anywhere, but not within a line."""
    text = path.read_text() if path.exists() else ""
    assert text == "" or text.endswith("\n"), f"a partial line: {text[-100:]!r}"
    rows = records(text)
    assert [row["type"] for row in rows[:1]] in ([], ["session"])
    ends = [row["end_s"] for row in of_type(rows, "window")]
    assert ends == sorted(ends)
    return rows


def _check_recording(path: Path, original: Path, heard_s: float) -> float:
    """Opens, holds what was heard, and lacks how many seconds of it?"""
    if not path.exists():
        return heard_s
    heard, rate = soundfile.read(path, dtype="int16")
    np.testing.assert_array_equal(heard, soundfile.read(original, dtype="int16", frames=len(heard))[0])
    return max(0.0, heard_s - len(heard) / rate)


def _check_table(path: Path) -> None:
    if path.exists():
        text = path.read_text()
        assert text == "" or text.endswith("\n")
        assert len({len(row) for row in csv.reader(text.splitlines())}) <= 1


# Full speed is over in a second or two; the others would run for minutes.
@pytest.mark.parametrize(("speed", "longest_s"), [("1", 4.0), ("4", 5.0), ("max", 2.0)])
def test_killed_at_any_moment(
    speed: str, longest_s: float, recording: Path, tmp_path: Path, torture: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = torture.pick(4, 67)

    def one(number: int) -> tuple[float, bool, int, bool]:
        rng = random.Random(f"{speed} {number}")
        out = _outputs(tmp_path / str(number), rng.choice(("flac", "wav")))
        process = start("replay", recording, "--speed", speed, *_options(out), stdout=subprocess.DEVNULL)
        if rng.random() < 0.25:
            time.sleep(rng.uniform(0.0, 1.5))  # while it starts
        else:
            wait_for_lines(out["jsonl"], 1)
            time.sleep(rng.uniform(0.0, longest_s))
        process.kill()
        _, errors = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL), errors
        rows = _check_prefix(out["jsonl"])
        windows = of_type(rows, "window")
        heard_s = windows[-1]["end_s"] if windows else 0.0
        lacking = _check_recording(out["record"], recording, heard_s)
        assert lacking <= 1.0, f"run {number}: {lacking:.2f} s of {heard_s:.2f} s are not in {out['record'].name}"
        _check_table(out["csv"])
        report = out["html"].exists()
        if report:
            assert out["html"].read_text().rstrip().endswith("</html>")
        return lacking, report, len([path for path in out["html"].parent.iterdir() if path.name.startswith(".")]), bool(windows)

    found = _at_once(one, runs)
    most_lacking = max(lacking for lacking, *_ in found)
    reports, litter, with_windows = (sum(column) for column in list(zip(*found, strict=True))[1:])
    with capsys.disabled():
        print(
            f"\n{runs} runs at speed {speed} killed, {with_windows} of them after windows were written: no partial line, every"
            f" recording opens and lacks at most {most_lacking:.2f} s, {reports} whole reports, {litter} temporary files left"
        )
    assert with_windows >= runs // 4


@pytest.mark.parametrize("older", [False, True], ids=["new", "over_an_older_one"])
def test_killed_while_it_writes_the_report(
    older: bool, tmp_path: Path, torture: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The moment that a kill at random hardly ever meets."""
    runs = torture.pick(4, 25)

    def one(number: int) -> tuple[str, int]:
        page = _outputs(tmp_path / str(number))["html"]
        if older:
            page.write_text("<html>old</html>")
        process = start("replay", SAMPLE, "--speed", "max", "--no-dashboard", "--report", page, stdout=subprocess.DEVNULL)
        before = len(list(page.parent.iterdir()))
        deadline = time.monotonic() + 60
        while len(list(page.parent.iterdir())) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(random.Random(number).choice((0.0, 0.001, 0.003, 0.01)))
        process.kill()
        _, errors = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL), errors
        text = page.read_text() if page.exists() else None
        if text is None:
            assert not older, "the older report is gone"
            end = "none"
        elif older and text == "<html>old</html>":
            end = "old"
        else:
            assert len(text) > 20_000
            assert text.rstrip().endswith("</html>")
            end = "new"
        return end, len(list(page.parent.glob(".realtime-ser-*")))

    found = _at_once(one, runs)
    ends = {end: sum(each == end for each, _ in found) for end in ("none", "old", "new")}
    ends["temporary files"] = sum(left for _, left in found)
    with capsys.disabled():
        print(f"\n{runs} runs killed at their report: {ends}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_asked_to_end_at_any_moment(number: int, recording: Path, tmp_path: Path, torture: Any) -> None:
    def one(turn: int) -> None:
        rng = random.Random(1000 * number + turn)
        out = _outputs(tmp_path / str(turn), rng.choice(("flac", "wav")))
        process = start("replay", recording, "--speed", rng.choice(("1", "4")), *_options(out), stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.1, 3.0))
        process.send_signal(number)
        try:
            _, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
            pytest.fail(f"turn {turn} goes on after signal {number}: {errors}")
        rows = _check_prefix(out["jsonl"])
        if process.returncode != 130 or not rows:
            # In the first moments, before there is anything to flush: Python's own way to end.
            assert rows == [], errors
            return
        assert "Traceback" not in errors
        assert rows[-1]["type"] == "summary"
        assert_accounted(rows[-1])
        heard_s = rows[-1]["captured_samples"] / rows[0]["sample_rate"]
        assert _check_recording(out["record"], recording, heard_s) == 0
        assert out["html"].read_text().rstrip().endswith("</html>")

    _at_once(one, torture.pick(3, 30))


def test_the_reader_of_one_output_leaves(recording: Path, tmp_path: Path) -> None:
    table = tmp_path / "out.csv"
    program = [
        sys.executable,
        "-m",
        "realtime_ser",
        "replay",
        str(recording),
        "--speed",
        "max",
        "--jsonl",
        "-",
        "--csv",
        str(table),
    ]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["type"] == "session"
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert errors == ""
    # The other output has the whole recording.
    last = list(csv.DictReader(table.read_text().splitlines()))[-1]
    assert float(last["end_s"]) > _LENGTH_S - 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs")
@pytest.mark.parametrize("ending", ["flac", "wav"])
def test_full_disk(ending: str, recording: Path, small_disk: Path, tmp_path: Path) -> None:
    full, free = _outputs(small_disk, ending), _outputs(tmp_path / "free")
    process = start(
        *("replay", recording, "--speed", "max", "--no-dashboard", "--jsonl", free["jsonl"], "--csv", full["csv"]),
        *("--report", full["html"], "--record", full["record"]),
        stdout=subprocess.DEVNULL,
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "heard" in errors
    assert "free some space" in errors
    # The output on the other disk is whole, and says what ended.
    rows = records(free["jsonl"].read_text())
    assert rows[-1]["type"] == "summary"
    assert rows[-1]["captured_samples"] == _LENGTH_S * rows[0]["sample_rate"]
    assert {row["kind"] for row in of_type(rows, "event")} == {"sink_failed"}
    # What lies on the full one is good as far as it goes.
    heard, _ = soundfile.read(full["record"], dtype="int16")
    assert len(heard) > 16000
    np.testing.assert_array_equal(heard, soundfile.read(recording, dtype="int16", frames=len(heard))[0])
    _check_table(full["csv"])
    assert not full["html"].exists() or full["html"].read_text().rstrip().endswith("</html>")
    assert not [name for name in os.listdir(small_disk) if name.startswith(".")]  # noqa: PTH208
