"""The outputs that the command line's options ask for: files, and what the person at the terminal sees."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from realtime_ser.errors import ConfigError
from realtime_ser.sinks.group import SinkGroup
from realtime_ser.sinks.same_file import Place, check_files, same_file, standard_output
from realtime_ser.sinks.table import OUTPUTS, Output, Run
from realtime_ser.text import for_screen, printable

if TYPE_CHECKING:
    from realtime_ser.config import Config
    from realtime_ser.sinks.base import Sink

RECORDING = "recording"
"""What an input is called that is audio."""
_LONG_FILE_S = 20.0


@dataclass(slots=True)
class Shown:
    """What the user has read of a run where messages on standard error appear, too.

    Attributes
    ----------
    plainly : plain lines go there, so that they show every notice
    messages : of the notices that were shown there
    """

    plainly: bool = False
    messages: set[str] = field(default_factory=set)


def open_outputs(
    options: argparse.Namespace,
    config: Config,
    inputs: Iterable[tuple[str, Place]],
    *,
    live: bool,
    about: str = "",
    shown: Shown | None = None,
) -> SinkGroup:
    """Open everything that the options ask for.

    Parameters
    ----------
    options : parsed; ``arguments`` made them from ``sinks.table``
    config : how the dashboard is drawn
    inputs : (what it is, where) of every file that the run reads; none of them may be an output
    live : the source is a microphone
    about : a line on the model for the person at the terminal; empty: none
    shown : is kept up to date

    Raises
    ------
    ConfigError : an output is an input or another output; nothing was opened
    SinkError : an output cannot be opened; those before it were closed
    """
    if options.format is not None and not options.output:
        raise ConfigError("--format says what -o FILE writes; give -o too")
    inputs = list(inputs)
    run = Run(vars(options), [_recording_name(place) for what, place in inputs if what == RECORDING])
    chosen = [(output, target) for output in OUTPUTS for target in _targets(options, output)]
    places = [(output.short or output.option, place) for output, target in chosen for place in _places(output, target, run)]
    check_inputs(inputs, places)
    stdout = standard_output()
    taken = any(target == "-" and output.standard_output for output, target in chosen)
    taken = taken or (stdout is not None and any(same_file(place, stdout) for _, place in places))
    sinks: list[Sink] = []
    sent_to: list[str] = []
    try:
        for output, target in chosen:
            sinks.append(output.make(target, run))
            if output.sends:
                sent_to.append(sinks[-1].name)
        screens = _screens(options, config, live=live, stdout_taken=taken, sent_to=sent_to, about=about, shown=shown or Shown())
        sinks += screens
    except BaseException:
        SinkGroup(sinks).close()
        raise
    return SinkGroup(sinks)


def check_inputs(inputs: Iterable[tuple[str, Place]], outputs: Iterable[tuple[str, Place]]) -> None:
    """``check_files``, with standard output among what is written.

    Raises
    ------
    ConfigError : an output is an input or another output
    """
    outputs, inputs = list(outputs), list(inputs)
    check_files(inputs, outputs)
    stdout = standard_output()
    # An output of that name leaves standard output to itself, see ``open_outputs``.
    if stdout is not None:
        check_files(inputs, [("standard output", stdout)])


def _recording_name(place: Place) -> str:
    """As its source is called."""
    return "standard input" if isinstance(place, int) else os.fspath(place)


def _targets(options: argparse.Namespace, output: Output) -> list[str]:
    value = getattr(options, output.attribute, None)
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _places(output: Output, target: str, run: Run) -> list[Place]:
    stdout = standard_output()
    if output.standard_output and target == "-" and stdout is not None:
        return [stdout]
    return list(output.check(target, run))


def _one_place(one: TextIO, other: TextIO) -> bool:
    try:
        return same_file(one.fileno(), other.fileno())
    except (AttributeError, ValueError, OSError):
        return False


def _screens(
    options: argparse.Namespace,
    config: Config,
    *,
    live: bool,
    stdout_taken: bool,
    sent_to: Sequence[str],
    about: str,
    shown: Shown,
) -> list[Sink]:
    """What the person at the terminal sees: dashboard, plain lines or a progress bar."""
    if options.quiet:
        return []
    paced = live or options.speed is not None
    drawable = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if paced and drawable and not options.no_dashboard and not stdout_taken:
        from realtime_ser.sinks.dashboard.sink import DashboardSink

        if about:
            # Above the dashboard, which has a screen of its own: it is there again when that ends.
            print(for_screen(printable(about), sys.stdout), flush=True)
        return [DashboardSink(config.dashboard, recording=options.record, sent_to=sent_to)]
    screens: list[Sink] = []
    if not stdout_taken:
        from realtime_ser.sinks.console import PlainSink

        shown.plainly = _one_place(sys.stdout, sys.stderr)
        kept = shown.messages if shown.plainly else None
        screens.append(PlainSink(sys.stdout, recording=options.record, sent_to=sent_to, about=about, shown=kept))
    if not live and sys.stderr.isatty() and (stdout_taken or not sys.stdout.isatty()):
        from realtime_ser.sinks.progress import ProgressSink

        screens.append(ProgressSink(shortest_s=_LONG_FILE_S))
    return screens
