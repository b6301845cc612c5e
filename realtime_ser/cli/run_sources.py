"""What ``monitor``, ``replay`` and ``demo`` share: sources, one engine, the outputs that were chosen, and the exit code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from realtime_ser.cli.process import Interrupt, complain
from realtime_ser.cli.settings import files_read
from realtime_ser.errors import SourceError

if TYPE_CHECKING:
    from realtime_ser.audio.source import Source
    from realtime_ser.config import Config
    from realtime_ser.sinks.same_file import Place

INTERRUPTED = 130


def run_sources(
    sources: Sequence[Source], options: argparse.Namespace, config: Config, inputs: list[tuple[str, Place]], *, live: bool
) -> int:
    """Run sources one after the other through one engine into one set of sinks; returns the exit code.

    Parameters
    ----------
    sources : not opened yet
    options, config : what the user chose
    inputs : (what it is, where) of the files that the sources read; none of them may be an output
    live : the source is a microphone

    Raises
    ------
    SerError : settings, model or outputs that do not work, or the only source failed
    """
    from realtime_ser.cli.outputs import open_outputs
    from realtime_ser.engine.engine import Engine
    from realtime_ser.model.classifier import load_model
    from realtime_ser.pipeline.run import run

    interrupt: Interrupt = options.interrupt
    model = load_model(config.model)
    engine = Engine(model, config)
    sinks = open_outputs(options, config, [*inputs, *files_read(options, model.card.path)], live=live)
    status = 0
    try:
        for source in sources:
            if interrupt.happened or sinks.exhausted:
                break
            try:
                # A source may wait as it opens (a pipe that nobody writes to yet): a signal ends that too.
                with interrupt.stopping(source), source, interrupt.stopping(source):
                    run(source, engine, sinks, config, duration_s=options.duration)
            except SourceError as error:
                if options.interrupt.happened:
                    break  # it was stopped before its first sample
                # One bad file of many loses nothing of the others; it is said, and the exit code says it too.
                status = error.exit_code
                if len(sources) == 1:
                    raise
                complain(str(error))
    finally:
        sinks.close()
        for failure in sinks.failures:
            if not failure.closed_by_reader:
                complain(str(failure))
                status = 1
    return INTERRUPTED if interrupt.happened else status
