"""The ``classify`` command: recordings in, a table or files out."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from realtime_ser.cli.process import Interrupt, complain
from realtime_ser.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from realtime_ser.audio.source import Source
    from realtime_ser.batch.result import Row
    from realtime_ser.batch.run import Batch, Pool
    from realtime_ser.config import Config

INTERRUPTED = 130
_MOST_SHOWN = 500  # rows of the table on a terminal


def classify_recordings(options: argparse.Namespace, config: Config, interrupt: Interrupt) -> int:
    """Classify what the options name; returns the exit code.

    Raises
    ------
    ConfigError, ModelError, SinkError
    """
    from realtime_ser.batch.inputs import find_recordings
    from realtime_ser.batch.journal import read_places
    from realtime_ser.batch.run import Batch
    from realtime_ser.batch.targets import find_targets, journal_of, written_files
    from realtime_ser.cli.outputs import check_inputs
    from realtime_ser.cli.run_progress import RunProgress
    from realtime_ser.engine.engine import Engine
    from realtime_ser.model.classifier import load_model
    from realtime_ser.pipeline.session import session_record

    targets = find_targets([name for name in options.output if name != "-"], options.format)
    if "-" in options.output and targets:
        raise ConfigError("-o - writes to standard output, and nothing else can be written beside it; leave one of them out")
    journal = journal_of(targets)
    if options.resume and journal is None:
        raise ConfigError("--resume goes on with a run that writes files; give the same -o FILE as then")
    faults: list[str] = []
    places = read_places(journal) if options.resume and journal is not None else {}
    recordings = find_recordings(options.files, note=complain, fault=faults.append, places=places)
    for fault in faults:
        complain(fault)
    written = written_files(targets, recordings)
    if options.resume and all(path.exists() != (path == journal) for _, path in written):
        complain(
            f"no interrupted run is there to go on with: {targets[0].path} is left as it is, without recordings that were added"
            " since, or another model or settings; run without --resume to classify everything anew"
        )
        return 0
    split = options.channels is not None
    if split and config.capture.channel is not None:
        raise ConfigError("capture.channel takes one channel and --channels split all of them; leave one of them out")
    model = load_model(config.model, vote=config.stream.vote)
    inputs = [("recording", each.path) for each in recordings if each.path != "-"]
    inputs += [("list", name[1:]) for name in options.files if name.startswith("@") and name != "@-"]
    check_inputs([*inputs, ("model card", model.card.path), ("model", model.card.onnx_path)], written)
    session = session_record(Engine(model, config), config, source="")
    shown = _Rows(session.labels, options.format, split=split) if not targets else None
    with RunProgress(quiet=options.quiet or not sys.stderr.isatty()) as progress:
        batch = Batch(
            recordings,
            targets,
            model,
            config,
            session,
            split=split,
            resume=options.resume,
            each=shown.put if shown is not None else None,
            progress=progress.show,
            stopped=lambda: interrupt.happened,
            writing=interrupt.ending,
        )
        try:
            state = batch.run(_pool(options, batch))
        except KeyboardInterrupt:
            kept = "; what is done is kept, go on with --resume" if journal is not None and journal.exists() else ""
            complain(f"interrupted{kept}")
            return INTERRUPTED
        except SinkError as error:
            if error.closed_by_reader:
                return 0
            if journal is not None and journal.exists():
                raise SinkError(f"{error}; what is done is kept, go on with --resume") from error
            raise
    if shown is not None:
        shown.finish()
    if state.done < state.total:
        kept = "; go on with --resume" if targets else ""
        complain(f"interrupted: {state.done} of {state.total} recordings are done{kept}")
        return INTERRUPTED
    if state.failed:
        complain(f"{state.failed} of {state.total} recordings have no whole answer; the column 'error' says why")
    return 1 if state.failed or faults else 0


def _pool(options: argparse.Namespace, batch: Batch) -> Pool:
    from realtime_ser.audio.open import STANDARD_INPUT, open_source
    from realtime_ser.batch import run

    def standard_input() -> Source:
        return open_source(STANDARD_INPUT, batch.config.capture, split=batch.split)

    if options.ray is not None:
        from realtime_ser.batch.ray_pool import on_ray

        return on_ray(batch, options.ray or None, options.jobs)
    if options.jobs is not None and options.jobs > 1:
        return run.processes(batch, options.jobs, standard_input)
    return run.here(batch, standard_input)


class _Rows:
    """Rows on standard output: a table for a person, CSV or JSON Lines for a pipe."""

    def __init__(self, labels: tuple[str, ...], form: str | None, *, split: bool = False) -> None:
        from realtime_ser.batch.result import columns
        from realtime_ser.batch.tables import csv_line, json_line
        from realtime_ser.sinks.file_lines import Lines

        self._kept: list[Row] | None = None
        self._rows = 0
        self._tally: Counter[str] = Counter()
        names = columns(labels, split=split)
        if form not in (None, "csv", "jsonl"):
            raise ConfigError(f"--format {form} needs a file: add -o FILE; standard output takes csv and jsonl")
        if form is None and sys.stdout.isatty():
            self._kept = []
            return
        self._lines = Lines("-", allow_stdout=True)
        self._line: Callable[[Row], str] = (
            json_line if form == "jsonl" else lambda row: csv_line([row.get(name) for name in names])
        )
        if form != "jsonl":
            self._lines.write(csv_line(names))

    def put(self, row: Row) -> None:
        if self._kept is None:
            self._lines.write(self._line(row))
            return
        self._rows += 1
        self._tally[str(row["label"] or ("nobody speaks" if row["error"] is None else "no answer"))] += 1
        if len(self._kept) < _MOST_SHOWN:
            self._kept.append(row)

    def finish(self) -> None:
        """Show the table, if it is one."""
        if self._kept is not None:
            from realtime_ser.cli.tables import show_recordings

            show_recordings(self._kept, self._rows, self._tally)
