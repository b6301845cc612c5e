"""``realtime-ser classify`` into pipes: readers that leave, and readers that never come."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from command import interrupt, realtime_ser, start

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no named pipes in the file system")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe.csv")
    return tmp_path / "pipe.csv"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("head") is None, reason="no head")
def test_a_reader_that_leaves_keeps_nothing_from_other_outputs(archive: Path, tiny: Path, pipe: Path) -> None:
    names = [archive] + [f"gone-{number:05d}.wav" for number in range(3000)]  # more than a pipe holds
    (pipe.parent / "list").write_text("\n".join(map(str, names)))
    with subprocess.Popen(["head", "-c", "10", str(pipe)], stdout=subprocess.DEVNULL):
        out = pipe.with_name("real.csv")
        result = realtime_ser("classify", f"@{pipe.parent / 'list'}", "-o", pipe, "-o", out, "--model", tiny)
    assert result.returncode == 1, "most recordings are missing"
    assert result.stderr.count("\n") == 1
    assert len(out.read_text().splitlines()) == 1 + 12 + 3000
    assert sorted(path.name for path in pipe.parent.iterdir()) == ["list", "pipe.csv", "real.csv"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_the_wait_for_a_reader(number: int, archive: Path, tiny: Path, pipe: Path) -> None:
    out, journal = pipe.with_name("real.csv"), pipe.with_name("real.csv.journal")
    arguments = ["classify", archive, "-o", pipe, "-o", out, "--model", tiny]
    process = start(*arguments)
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < 13:
        assert time.monotonic() < deadline, "nothing was done"
        time.sleep(0.02)
    time.sleep(0.5)  # it waits by now
    assert process.poll() is None
    code, _, said = interrupt(process, number)
    assert (code, said) == (130, "realtime-ser: interrupted; what is done is kept, go on with --resume\n")
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        assert realtime_ser(*arguments, "--resume").returncode == 0
        assert reader.communicate(timeout=30)[0] == out.read_bytes()


def test_resume_without_an_interrupted_run_says_what_it_leaves_out(archive: Path, tiny: Path, tmp_path: Path) -> None:
    recordings = tmp_path / "many"
    recordings.mkdir()
    clip = next(archive.rglob("*.wav"))
    shutil.copy(clip, recordings / "a.wav")
    out = tmp_path / "all.csv"
    assert realtime_ser("classify", recordings, "-o", out, "--model", tiny).returncode == 0
    before = out.read_bytes()
    shutil.copy(clip, recordings / "new.wav")
    result = realtime_ser("classify", recordings, "-o", out, "--model", tiny, "--resume")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.count("\n") == 1
    assert "no interrupted run is there" in result.stderr
    assert "without recordings that were added" in result.stderr
    assert out.read_bytes() == before
