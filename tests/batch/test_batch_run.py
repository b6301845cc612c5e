"""Runs over many recordings: what goes on with an interrupted one, and what each output gets."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from realtime_ser.batch.inputs import Recording, find_recordings
from realtime_ser.batch.journal import read_places
from realtime_ser.batch.judge import Judged
from realtime_ser.batch.result import Row, make_row
from realtime_ser.batch.run import Batch, Progress
from realtime_ser.batch.targets import find_targets, journal_of
from realtime_ser.config import load_config
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.model.classifier import load_model
from realtime_ser.pipeline.session import session_record
from realtime_ser.records import Health, Summary


@dataclass
class Runs:
    """Runs whose judge looks at the first byte of a file: its duration in seconds is that.

    ``judged`` gathers the paths; a run is interrupted once it has judged ``most``.
    """

    tiny: Path
    judged: list[str] = field(default_factory=list)

    def __call__(self, names: Sequence[str], outputs: Sequence[str], form: str | None = None, *, most: int = 99) -> Progress:
        model, config = load_model(self.tiny), load_config()
        session = session_record(Engine(model, config), config, source="")
        targets = find_targets(outputs, form)
        journal = journal_of(targets)
        places = {} if journal is None else read_places(journal)
        recordings = find_recordings(names, places=places)
        self.judged.clear()

        def pool(left: Sequence[Recording]) -> Iterator[tuple[Recording, Judged]]:
            for recording in left[:most]:
                self.judged.append(recording.path)
                captured = session.sample_rate * Path(recording.path).read_bytes()[0]
                summary = Summary(Health(captured=captured), session.sample_rate, {}, {})
                yield recording, Judged(make_row(recording.path, session, {}, summary, None), (), session.sample_rate, captured)

        return Batch(recordings, targets, model, config, session, resume=True).run(pool)


@pytest.fixture
def run(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    for number, name in enumerate(("a", "b", "c"), 1):
        (tmp_path / "many").mkdir(exist_ok=True)
        (tmp_path / "many" / f"{name}.wav").write_bytes(bytes([number]))
    monkeypatch.chdir(tmp_path)
    return Runs(tiny)


def rows(path: str) -> dict[str, int]:
    """Whole seconds by path, of a CSV."""
    with Path(path).open(newline="") as file:
        return {row["path"]: int(float(row["duration_s"])) for row in csv.DictReader(file)}


def test_a_run_goes_on_and_writes_each_row_once(run: Runs) -> None:
    assert run(["many"], ["out.csv"], most=2).done == 2
    assert not Path("out.csv").exists()
    assert run(["many"], ["out.csv"]).began_with == 2
    assert run.judged == ["many/c.wav"]
    assert rows("out.csv") == {"many/a.wav": 1, "many/b.wav": 2, "many/c.wav": 3}
    assert not Path("out.csv.journal").exists()


@pytest.mark.parametrize("change", ["form", "folder", "further"])
def test_other_folders_are_another_run(change: str, run: Runs) -> None:
    run(["many"], ["seg/"], "rttm", most=2)
    outputs = {"form": ["seg/"], "folder": ["other/"], "further": ["seg/", "more/"]}[change]
    if change == "folder":
        Path("seg").rename("other")
    with pytest.raises(ConfigError, match="another model, version, settings or outputs"):
        run(["many"], outputs, "srt" if change == "form" else "rttm")
    if change == "folder":
        Path("other").rename("seg")
    run(["many"], [f"{Path('seg').absolute()}/"], "rttm")
    assert run.judged == ["many/c.wav"]
    assert sorted(path.name for path in Path("seg").iterdir()) == ["a.rttm", "b.rttm", "c.rttm"]


def test_a_recording_that_came_later_takes_no_file_of_another(run: Runs) -> None:
    run(["many"], ["each/"], "csv", most=1)
    Path("many/a.flac").write_bytes(b"\x09")
    run(["many"], ["each/"], "csv")
    assert run.judged == ["many/a.flac", "many/b.wav", "many/c.wav"]
    written = {path.name: rows(str(path)) for path in Path("each").iterdir()}
    assert written.pop("a.flac.csv") == {"many/a.flac": 9}
    assert written == {f"{name}.csv": {f"many/{name}.wav": seconds} for name, seconds in (("a", 1), ("b", 2), ("c", 3))}


def test_a_recording_that_was_replaced_is_judged_again(run: Runs) -> None:
    run(["many"], ["out.csv"], most=2)
    Path("many/b.wav").write_bytes(b"\x07\x07")
    run(["many"], ["out.csv"])
    assert run.judged == ["many/b.wav", "many/c.wav"]
    assert rows("out.csv") == {"many/a.wav": 1, "many/b.wav": 7, "many/c.wav": 3}


def test_an_output_that_fails_keeps_nothing_from_the_others(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime_ser.batch import tables

    write = tables.WRITERS["csv"]

    def writer(path: Path, found: Iterator[Row], columns: Sequence[str]) -> None:
        if path.name == "left.csv":
            raise SinkError("the reader of left.csv closed it", closed_by_reader=True)
        if path.name == "full.csv":
            raise SinkError("cannot write full.csv: No space left on device")
        write(path, found, columns)

    monkeypatch.setitem(tables.WRITERS, "csv", writer)
    assert run(["many"], ["left.csv", "real.csv"]).done == 3
    assert len(rows("real.csv")) == 3
    assert sorted(path.name for path in Path().iterdir()) == ["many", "real.csv"]
    with pytest.raises(SinkError, match="cannot write full"):
        run(["many"], ["full.csv", "left.csv", "other.csv"])
    assert len(rows("other.csv")) == 3
    assert Path("full.csv.journal").exists(), "kept for what failed"
