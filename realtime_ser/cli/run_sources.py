"""What ``monitor``, ``replay`` and ``demo`` share: sources, one engine, the outputs that were chosen, and the exit code."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from realtime_ser.cli.process import Interrupt, complain
from realtime_ser.cli.settings import files_read
from realtime_ser.errors import ConfigError, SerError, SinkError, SourceError
from realtime_ser.text import one_line

if TYPE_CHECKING:
    from realtime_ser.audio.source import Source
    from realtime_ser.cli.outputs import Shown
    from realtime_ser.config import Config
    from realtime_ser.model.classifier import Classifier
    from realtime_ser.profiles.run import OpenProfile
    from realtime_ser.sinks.same_file import Place

INTERRUPTED = 130


def run_sources(
    sources: Sequence[Source],
    options: argparse.Namespace,
    config: Config,
    inputs: list[tuple[str, Place]],
    *,
    live: bool,
    about: str = "",
) -> int:
    """Run sources one after the other through one engine into one set of sinks; returns the exit code.

    Parameters
    ----------
    sources : not opened yet
    options, config : what the user chose
    inputs : (what it is, where) of the files that the sources read; none of them may be an output
    live : the source is a microphone
    about : a line for the person at the terminal; of a microphone, empty means how far to trust the model

    Raises
    ------
    SerError : settings, model or outputs that do not work, or the only source failed
    """
    from realtime_ser.cli.outputs import Shown, open_outputs
    from realtime_ser.engine.engine import Engine
    from realtime_ser.model.classifier import load_model
    from realtime_ser.pipeline.run import run

    interrupt: Interrupt = options.interrupt
    model = load_model(config.model, vote=config.stream.vote)
    voice = _profile(options, model)
    engine = Engine(model, config, profile=None if voice is None else voice.profile)
    if voice is not None:
        inputs = [*inputs, ("profile", voice.path)]
    inputs = [*inputs, *files_read(options, model)]
    shown = Shown()
    about = about or (_about(model, config) if live else "")
    with interrupt.ending():  # there is nothing to flush yet
        sinks = open_outputs(options, config, inputs, live=live, about=about, shown=shown)
    unused = [] if voice is None or voice.usable else [notice.message for notice in voice.notices]
    if not shown.plainly:  # else the first stream shows it
        _complain(unused, shown)
        unused = []
    status = 0
    try:
        for source in sources:
            if interrupt.happened or sinks.exhausted:
                break
            notices = () if voice is None else voice.notices
            if voice is not None and voice.profile is not None:
                engine = Engine(model, config, profile=voice.profile)  # each begins with what those before it have taught
            try:
                # A source may wait as it opens (a pipe that nobody writes to yet): a signal ends that too.
                with interrupt.stopping(source), source, interrupt.stopping(source):
                    run(source, engine, sinks, config, duration_s=options.duration, notices=notices)
            except (SourceError, ConfigError) as error:  # of a source: it cannot be read, or not as the options say
                if options.interrupt.happened:
                    break  # it was stopped before its first sample
                # One bad file of many loses nothing of the others; it is reported, and the exit code is 1.
                status = max(status, error.exit_code)
                if len(sources) == 1:
                    raise
                _complain([str(error)], shown)
            finally:
                if voice is not None:
                    voice.learn(engine)
    except SerError as error:
        error.shown = one_line(error) in shown.messages
        raise
    finally:
        status = max(status, _keep(voice))
        sinks.close()
        _complain(unused, shown)
        for failure in sinks.failures:
            if not failure.closed_by_reader:
                _complain([str(failure)], shown)
                status = 1
    return INTERRUPTED if interrupt.happened else status


def _complain(messages: Iterable[str], shown: Shown) -> None:
    """Say what the user has not read yet."""
    for message in messages:
        if one_line(message) not in shown.messages:
            complain(message)


def _about(model: Classifier, config: Config) -> str:
    """How far to trust what a stream is about to show."""
    from realtime_ser.cli.honest import start_text

    return start_text(model.card.raw, config.stream.hop_s)


def _profile(options: argparse.Namespace, model: Classifier) -> OpenProfile | None:
    """The profile that ``--profile`` names; one that cannot be used has a notice and changes nothing else."""
    name: str | None = getattr(options, "profile", None)
    if name is None:
        return None
    from realtime_ser.profiles.run import open_profile, open_profile_file

    is_path = name.endswith(".json") or any(mark and mark in name for mark in (os.sep, os.altsep))
    return open_profile_file(Path(name), model) if is_path else open_profile(name, model)


def _keep(voice: OpenProfile | None) -> int:
    """Keep what a run has learned; returns the exit code of that."""
    try:
        if voice is not None:
            voice.save()
    except SinkError as error:
        complain(str(error))
        return error.exit_code
    return 0
