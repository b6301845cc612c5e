"""Workers that die of what they are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_ser.batch.inputs import Recording
from realtime_ser.batch.processes import judge_in_processes

LIKE = {"path": "", "label": None, "model": "mlp", "model_sha256": "0", "error": None}


@pytest.mark.slow
def test_recordings_that_end_their_process_get_a_row_that_says_so(tmp_path: Path) -> None:
    recordings = [Recording(f"{number}.wav", str(number), number) for number in range(3)]
    settings = {"model": str(tmp_path / "gone.json"), "config": {}}
    found = dict(judge_in_processes(recordings, settings, LIKE, 2))
    assert set(found) == set(recordings)
    for recording, judged in found.items():
        assert judged.row["path"] == recording.path
        assert judged.row["model"] == "mlp"
        assert "2 processes died of it" in str(judged.row["error"])
        assert "no model card" in str(judged.row["error"])


@pytest.mark.slow
def test_stopping_ends_the_workers_at_once(tmp_path: Path, tiny: Path, archive: Path) -> None:
    paths = sorted(archive.rglob("*.wav"))
    recordings = [Recording(str(path), path.stem, path.stat().st_size) for path in paths]
    settings = {"model": str(tiny), "config": {}}
    seen = []
    for recording, _ in judge_in_processes(recordings, settings, LIKE, 2, stopped=lambda: len(seen) >= 2):
        seen.append(recording)
    assert len(seen) == 2
    assert seen[0].size == max(recording.size for recording in recordings), "the largest are begun first"
