"""A Ray cluster on this machine gives the rows of one process, also when a worker is killed."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from command import realtime_ser, start

pytest.importorskip("ray")
psutil = pytest.importorskip("psutil")


def _workers(parent: int) -> list[psutil.Process]:
    """The cluster's processes that hold an engine."""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        try:
            if "RayJudge" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_rows_are_those_of_one_process_also_when_a_worker_is_killed(archive: Path, tiny: Path, tmp_path: Path) -> None:
    one, ray = tmp_path / "one.csv", tmp_path / "ray.csv"
    arguments = ["classify", archive, archive / "nix.wav", "--model", tiny]
    assert realtime_ser(*arguments, "-o", one).returncode == 1
    process = start(*map(str, arguments), "--ray", "--jobs", "2", "-o", str(ray))
    deadline = time.monotonic() + 240
    while not (workers := _workers(process.pid)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers[0].send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1, said
    assert "1 of 13 recordings" in said
    assert ray.read_bytes() == one.read_bytes()
