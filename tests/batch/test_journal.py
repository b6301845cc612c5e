"""What is finished stays, whatever ends a run."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from realtime_ser.batch.inputs import Recording
from realtime_ser.batch.journal import Journal, read_places
from realtime_ser.batch.judge import Judged
from realtime_ser.errors import ConfigError, SinkError

RUN = {"model": "mlp", "config": {"hop_s": 0.25, "labels": ["a", "b"]}}
ODD = "line\nbreak \udcff.wav"


def named(path: str, size: int = 7, mtime_ns: int = 5) -> Recording:
    return Recording(path, f"in/{path}", size, mtime_ns)


def judged(path: str, confidence: float = 1 / 3) -> Judged:
    return Judged({"path": path, "confidence": confidence, "error": None}, ((0, 4000, "happy", 0.1 + 0.2),), 16000, 4000)


def test_answers_come_back_to_the_last_bit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", RUN, resume=False)
    for path in ("a.wav", ODD, "b.wav"):
        journal.add(named(path), judged(path))
    journal.add(named("a.wav"), judged("a.wav", 0.0))
    assert len(journal) == 3
    journal.close()
    again = Journal(tmp_path / "j", RUN, resume=True)
    assert [again[named(path)] for path in ("b.wav", ODD, "a.wav")] == [judged(path) for path in ("b.wav", ODD, "a.wav")]
    assert named("c.wav") not in again
    again.add(named("c.wav"), judged("c.wav"))
    assert again[named("c.wav")] == judged("c.wav")
    again.close(remove=True)
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize("left", [1, 20, 100])
def test_half_a_line_is_taken_off(tmp_path: Path, left: int) -> None:
    path = tmp_path / "j"
    journal = Journal(path, RUN, resume=False)
    journal.add(named("a.wav"), judged("a.wav"))
    whole = path.read_bytes()
    journal.add(named("b.wav"), judged("b.wav"))
    journal.close()
    path.write_bytes(path.read_bytes()[: len(whole) + left])
    again = Journal(path, RUN, resume=True)
    assert len(again) == 1
    again.add(named("b.wav"), judged("b.wav"))
    again.close()
    with closing(Journal(path, RUN, resume=True)) as last:
        assert len(last) == 2


def test_a_recording_that_has_changed_has_no_answer_until_its_next(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", RUN, resume=False)
    journal.add(named("a.wav"), judged("a.wav"))
    for changed in (named("a.wav", size=8), named("a.wav", mtime_ns=6)):
        assert changed not in journal
        journal.add(changed, judged("a.wav", changed.mtime_ns / 100))
        assert journal[changed].row["confidence"] == changed.mtime_ns / 100
    journal.close()
    with closing(Journal(tmp_path / "j", RUN, resume=True)) as again:
        assert [named("a.wav") in again, named("a.wav", mtime_ns=6) in again, len(again)] == [False, True, 1]
        assert again[named("a.wav", mtime_ns=6)].row["confidence"] == 0.06


def test_places_are_read_as_far_as_there_are_any(tmp_path: Path) -> None:
    path = tmp_path / "j"
    assert read_places(path) == {}
    journal = Journal(path, RUN, resume=False)
    for name in ("a.wav", ODD):
        journal.add(named(name), judged(name))
    journal.add(Recording("out.wav", "../out", 0), judged("out.wav"))
    journal.close()
    path.write_bytes(path.read_bytes() + b'{"path": "b.w')
    assert read_places(path) == {"a.wav": "in/a.wav", ODD: f"in/{ODD}"}
    path.write_bytes(b"\xff\n[1]\n")
    assert read_places(path) == {}


def test_without_resume_it_begins_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", RUN, resume=False)
    journal.add(named("a.wav"), judged("a.wav"))
    journal.close()
    with closing(Journal(tmp_path / "j", RUN, resume=False)) as anew:
        assert len(anew) == 0


def test_another_run_or_another_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j"
    Journal(path, RUN, resume=False).close()
    with pytest.raises(ConfigError, match="another model, version, settings or outputs"):
        Journal(path, {**RUN, "model": "cnn"}, resume=True)
    for content in (b"hello\n", b'{"a": 1}\n', b"[1]\n"):
        path.write_bytes(content)
        with pytest.raises(ConfigError):
            Journal(path, RUN, resume=True)
        assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="create its folder"):
        Journal(tmp_path / "nix" / "j", RUN, resume=False)


@pytest.mark.skipif(os.name == "nt", reason="no such locks there")
def test_two_runs_at_once_do_not_mix(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j", RUN, resume=False)) as first:
        first.add(named("a.wav"), judged("a.wav"))
        for resume in (True, False):
            with pytest.raises(ConfigError, match="another run is writing"):
                Journal(tmp_path / "j", RUN, resume=resume)
        assert first[named("a.wav")] == judged("a.wav")
