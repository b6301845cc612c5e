"""Many recordings: judged here, in several processes or on a cluster; kept in a journal; written at the end."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime_ser.audio.source import Source
from realtime_ser.batch.inputs import STDIN, Recording
from realtime_ser.batch.journal import Journal
from realtime_ser.batch.judge import Judge, Judged, settings
from realtime_ser.batch.processes import judge_in_processes
from realtime_ser.batch.result import Row, make_row
from realtime_ser.batch.targets import Target, check_targets, journal_of, write_into_folder, write_target
from realtime_ser.config import Config
from realtime_ser.errors import SinkError
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import Session

Answers = Iterator[tuple[Recording, Judged]]
Pool = Callable[[Sequence[Recording]], Answers]


@dataclass
class Progress:
    """How far a run is.

    Attributes
    ----------
    total, done : recordings; those of an interrupted run count as done
    total_bytes, done_bytes : of their files: what is left takes as long as its bytes
    failed : recordings whose row has an error
    began_with : recordings that an earlier run had finished
    """

    total: int
    total_bytes: int
    done: int = 0
    done_bytes: int = 0
    failed: int = 0
    began_with: int = 0

    def count(self, recording: Recording, row: Row) -> None:
        """One more."""
        self.done += 1
        self.done_bytes += recording.size
        self.failed += row["error"] is not None


@dataclass
class Batch:
    """What to do with recordings.

    Attributes
    ----------
    recordings : see ``find_recordings``
    targets : see ``find_targets``; without one nothing is kept on disk
    classifier, config : the model and the settings
    session : a session record of theirs
    split : each channel of a recording is a stream of its own, with a row of its own
    resume : go on with an interrupted run, if there was one; needs a target
    each : called with every row, in the order of the recordings, as soon as it and those before it are there; None: rows are
        not kept in memory
    progress : called after every recording
    stopped : called regularly; once true, the run ends, and what is done is kept for ``resume``
    writing : entered while the outputs are written at the end; what it raises ends that, and the journal stays
    """

    recordings: Sequence[Recording]
    targets: Sequence[Target]
    classifier: Classifier
    config: Config
    session: Session
    split: bool = False
    resume: bool = False
    each: Callable[[Row], None] | None = None
    progress: Callable[[Progress], None] = lambda _: None
    stopped: Callable[[], bool] = lambda: False
    writing: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext

    def run(self, pool: Pool) -> Progress:
        """Judge what is not judged yet with ``pool``, and write the outputs if nothing stopped it.

        Raises
        ------
        ConfigError : the interrupted run had another model, other settings or other folders as outputs
        SinkError : an output or the journal cannot be written; the journal keeps what is done, and the other outputs are there
        """
        check_targets(self.targets, self.recordings)
        with contextlib.ExitStack() as stack:
            return self._run(pool, self._journal(stack))

    def _run(self, pool: Pool, journal: Journal | None) -> Progress:
        state = Progress(len(self.recordings), sum(recording.size for recording in self.recordings))
        try:
            self._judge(pool, journal, state)
            finished = state.done == state.total
            if finished and journal is not None:
                with self.writing():
                    self._write(journal)
        except BaseException:
            if journal is not None:
                journal.close()
            raise
        if journal is not None:
            journal.close(remove=finished)
        return state

    def _write(self, journal: Journal) -> None:
        """Write every output; a reader that leaves keeps nothing from the others."""
        faults = []
        for target in self.targets:
            if not target.folder:
                try:
                    write_target(target, ((each, journal[each]) for each in self.recordings), self.session, split=self.split)
                except SinkError as error:
                    if not error.closed_by_reader:
                        faults.append(error)
        if faults:
            raise faults[0]

    def _journal(self, stack: contextlib.ExitStack) -> Journal | None:
        if not self.targets:
            return None
        path = journal_of(self.targets)
        if path is None:  # nothing to go on with later, but the outputs are made from it all the same
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="realtime-ser-"))) / "journal"
        run = settings(self.classifier, self.config, split=self.split) | {
            "sha256": self.classifier.card.sha256,
            "version": self.session.version,
            "segments": self._keeps_segments,
            # A recording's file is written there when it is judged, and not from the journal.
            "folders": sorted((os.path.realpath(target.path), target.form.name) for target in self.targets if target.folder),
        }
        return Journal(path, run, resume=self.resume)

    @property
    def _keeps_segments(self) -> bool:
        """Whether an output that is written at the end needs them; they are most of a long recording's answer."""
        return any(not target.folder and not target.of_rows for target in self.targets)

    def _judge(self, pool: Pool, journal: Journal | None, state: Progress) -> None:
        left = []
        rows = _InOrder(self.recordings, self.each)
        for recording in self.recordings:
            if journal is None or recording not in journal:
                left.append(recording)
            else:
                judged = journal[recording]
                state.count(recording, judged.row)
                rows.put(recording, judged)
        state.began_with = state.done
        self.progress(state)
        for recording, judged in pool(left) if left else ():
            for target in self.targets:
                if target.folder:
                    write_into_folder(target, recording, judged, self.session, split=self.split)
            if journal is not None:
                journal.add(recording, judged if self._keeps_segments else judged.without_segments())
            state.count(recording, judged.row)
            rows.put(recording, judged)
            self.progress(state)


class _InOrder:
    """Hands rows on in the order of the recordings."""

    def __init__(self, recordings: Sequence[Recording], each: Callable[[Row], None] | None) -> None:
        self._each = each
        self._order = iter(recordings)
        self._next = next(self._order, None)
        self._waiting: dict[str, Judged] = {}

    def put(self, recording: Recording, judged: Judged) -> None:
        if self._each is None:
            return
        self._waiting[recording.path] = judged
        while self._next is not None and self._next.path in self._waiting:
            for each in self._waiting.pop(self._next.path).channels:
                self._each(each.row)
            self._next = next(self._order, None)


def here(batch: Batch, standard_input: Callable[[], Source]) -> Pool:
    """A pool of one: this process, in the order of the recordings."""

    def pool(recordings: Sequence[Recording]) -> Answers:
        judge = Judge(batch.classifier, batch.config, split=batch.split)
        for recording in recordings:
            if batch.stopped():
                return
            source = standard_input() if recording.path == STDIN else None
            judged = judge.judge(recording.path, source, stopped=batch.stopped)
            if judged is None:
                return
            yield recording, judged

    return pool


def processes(batch: Batch, jobs: int, standard_input: Callable[[], Source]) -> Pool:
    """A pool of ``jobs`` processes; standard input is read in this one."""

    def pool(recordings: Sequence[Recording]) -> Answers:
        yield from here(batch, standard_input)([each for each in recordings if each.path == STDIN])
        files = [each for each in recordings if each.path != STDIN]
        if files:
            like = _empty_row(batch)
            handed: dict[str, Any] = settings(batch.classifier, batch.config, split=batch.split)
            yield from judge_in_processes(files, handed, like, jobs, stopped=batch.stopped)

    return pool


def _empty_row(batch: Batch) -> Row:
    return make_row("", batch.session, {}, None, None)
