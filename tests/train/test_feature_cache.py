"""A killed run leaves no half file; the next one starts as if it had never been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_emodb

from realtime_ser.features.spec import FrontEndSpec
from train import features
from train import manifest as manifests
from train.atomic import replacing
from train.augment import PLAIN
from train.published import inputs

RUN = """
import sys
from pathlib import Path
from train import manifest
from train.published import inputs
if __name__ == "__main__":
    root, cache = map(Path, sys.argv[1:])
    rows = manifest.build(root, progress=False).rows
    print("begins", flush=True)
    inputs.load("full", root, rows, cache, progress=False)
    print("done", flush=True)
"""


@pytest.mark.parametrize("after_s", [0.0, 1.5])
def test_a_killed_run_leaves_no_half_file(tmp_path: Path, after_s: float) -> None:
    write_emodb(tmp_path)
    script, cache = tmp_path / "run.py", tmp_path / "cache"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(tmp_path), str(cache)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begins\n"
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGKILL)
    for file in cache.glob("*.npz"):
        with np.load(file) as whole:  # killed after its end
            assert whole["X"].shape == (268, 28)
    rows = manifests.build(tmp_path, progress=False).rows
    x = inputs.load("full", tmp_path, rows, cache, progress=False)
    assert x.shape == (28, 268)
    assert bool(np.isfinite(x).all())
    assert [file.suffix for file in cache.iterdir() if not file.name.startswith(".")] == [".npz"]


def test_what_a_killed_writer_left_is_swept_up_when_it_is_old(tmp_path: Path) -> None:
    old, new = tmp_path / ".x.npz.aaa.part", tmp_path / ".x.npz.bbb.part"
    old.write_text("half")
    new.write_text("half")
    os.utime(old, (0, 0))
    with replacing(tmp_path / "x.npz") as temporary:
        temporary.write_text("whole")
    assert {file.name for file in tmp_path.iterdir()} == {"x.npz", new.name}


def test_a_second_filling_reads_no_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_emodb(tmp_path)
    rows = manifests.build(tmp_path, progress=False).rows[:6]
    spec, cache = FrontEndSpec("stacked"), tmp_path / "cache"
    features.fill(tmp_path, rows, spec, cache, [PLAIN], progress=False)
    held = {file.name for file in cache.iterdir()}
    monkeypatch.setattr(features, "read_clip", lambda *_: pytest.fail("audio was read"))
    features.fill(tmp_path, rows, spec, cache, [PLAIN], progress=False)
    assert {file.name for file in cache.iterdir()} == held
    assert features.frames(tmp_path, rows, spec, cache, PLAIN, progress=False).log_mel.shape[0] == spec.n_mels
