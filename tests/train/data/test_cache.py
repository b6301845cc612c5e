"""A killed run leaves no partial file and does not affect the next one; the parameters of a clip's computation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import write_emodb

from realtime_ser.features.spec import FrontEndSpec
from train.atomic import replacing
from train.data import cache as feature_cache
from train.data import features
from train.data import manifest as manifests
from train.data.augment import PLAIN, Variant
from train.data.cache import TALKERS, Item, computed, file_of
from train.data.manifest import Row
from train.published import inputs

BABBLE = Variant("babble", babble_db=(5.0, 25.0), seed=3)
RUN = """
import sys
from pathlib import Path
from train.data import manifest
from train.published import inputs
if __name__ == "__main__":
    root, cache = map(Path, sys.argv[1:])
    rows = manifest.build(root, progress=False).rows
    print("begins", flush=True)
    inputs.load("full", root, rows, cache, progress=False)
    print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.0, 1.5])
def test_a_killed_run_leaves_no_half_file(tmp_path: Path, after_s: float) -> None:
    write_emodb(tmp_path)
    script, cache = tmp_path / "run.py", tmp_path / "cache"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(tmp_path), str(cache)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
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


WORK = """
import os
import sys
import time
from pathlib import Path
from train.data import cache as feature_cache
from train.data.manifest import Row

def work(item):
    (Path(sys.argv[1]) / f"{os.getpid()}.pid").touch()
    time.sleep(0.2)
    return {}

if __name__ == "__main__":
    rows = [Row(f"{n}.wav", "one", "one-1", "happy", "", "", "", "speech", 1.0, f"{n}") for n in range(10 * feature_cache.FEW)]
    feature_cache.computed(Path(sys.argv[1]), "slow", None, None, Path(), rows, work, [None] * len(rows), False)
"""


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux which processes live")
def test_workers_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(WORK)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment) as process:
        deadline = time.monotonic() + 60
        while not (workers := [int(file.stem) for file in tmp_path.glob("*.pid")]):
            assert time.monotonic() < deadline, "no worker began"
            time.sleep(0.05)
        assert all(map(lives, workers))
        process.kill()
    deadline = time.monotonic() + 20
    while any(map(lives, workers)):
        assert time.monotonic() < deadline, "workers outlive the run"
        time.sleep(0.05)


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


def clips(speakers: int, each: int) -> list[Row]:
    """So many of each speaker."""
    return [
        Row(f"{speaker}/{number}.wav", "one", f"one-{speaker}", "happy", "", "", "", "speech", 1.0, f"{speaker} {number}")
        for speaker in range(speakers)
        for number in range(each)
    ]


def told(rows: list[Row], variant: Variant, folder: Path) -> list[Item]:
    """The items that a computation gets."""
    items: list[Item] = []

    def work(item: Item) -> dict[str, Any]:
        items.append(item)
        return {"X": np.zeros((1, 1), np.float32)}

    computed(folder, "vectors", None, variant, Path("root"), rows, work, [None] * len(rows), False)
    return items


def test_only_a_speakers_own_other_clips_talk_behind_a_clip(tmp_path: Path) -> None:
    rows = clips(2, 9)
    items = told(rows, BABBLE, tmp_path)
    assert [item.path for item in items] == [Path("root") / row.path for row in rows]
    for item in items:
        assert len(set(item.talkers)) == TALKERS
        assert {talker.parent for talker in item.talkers} == {item.path.parent}
        assert item.path not in item.talkers
    assert told(rows, BABBLE, tmp_path / "again") == items
    assert told(rows, Variant("babble", babble_db=(5.0, 25.0), seed=4), tmp_path / "other") != items


@pytest.mark.parametrize(("variant", "each"), [(PLAIN, 9), (BABBLE, 1)])
def test_nobody_talks_where_none_was_asked_for_or_none_is_there(variant: Variant, each: int, tmp_path: Path) -> None:
    assert all(not item.talkers for item in told(clips(2, each), variant, tmp_path))


@pytest.mark.slow
def test_talk_behind_the_voice_reaches_the_features(tmp_path: Path) -> None:
    write_emodb(tmp_path)
    rows = manifests.build(tmp_path, progress=False).rows
    spec, cache = FrontEndSpec("stacked"), tmp_path / "cache"
    loud = Variant("babble", babble_db=(0.0, 0.0))
    alone, among = (features.frames(tmp_path, rows, spec, cache, variant, progress=False) for variant in (PLAIN, loud))
    assert np.array_equal(alone.offsets, among.offsets)
    assert np.array_equal(alone.speech, among.speech)  # whose emotion is learned still speaks where he did
    for start, end in zip(alone.offsets[:-1], alone.offsets[1:], strict=True):
        before, after = (10 ** (found.log_mel[:, start:end].astype(np.float64) / 10) for found in (alone, among))
        assert after.sum() > 1.5 * before.sum()


def test_versions_of_another_speakers_clip_are_computed_anew() -> None:
    """The channel and the talkers of a version go with the speaker."""
    rows, spec, cache = clips(1, 2), FrontEndSpec("stacked"), Path()
    other = [replace(rows[0], speaker="another"), rows[1]]
    for kind in ("frames", "vectors"):
        assert file_of(cache, kind, spec, BABBLE, other) != file_of(cache, kind, spec, BABBLE, rows)
    assert file_of(cache, "activity", None, None, other) == file_of(cache, "activity", None, None, rows)


def test_keys_change_with_what_the_stream_does_to_audio_and_otherwise_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, spec, cache = clips(1, 2), FrontEndSpec("stacked"), Path()

    def names() -> dict[str, str]:
        known = {kind: file_of(cache, kind, spec, PLAIN, rows).name for kind in ("activity", "frames", "vectors")}
        return known | {kind: file_of(cache, kind, spec, None, rows).name for kind in ("means", "measures", "stack128")}

    before = names()
    assert before["means"] == "means-96bd1c28c60a0b3b5442.npz", "as every earlier version called it: whole clips, no stream"
    monkeypatch.setattr(feature_cache, "LIVE", {**feature_cache.LIVE, "gate": {"vad_threshold": 0.5}})
    after = names()
    assert {kind for kind in before if before[kind] != after[kind]} == {"activity", "frames", "vectors"}
