"""The command line: the only place that catches ``SerError``.

Exit codes: 0 done, 1 a runtime fault (said in one line), 2 wrong usage or configuration, 130 interrupted with everything
flushed. Heavy modules are imported by the command that needs them: ``--help`` needs none.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from realtime_ser.arguments import make_parser
from realtime_ser.errors import ConfigError, SerError, SourceError
from realtime_ser.process import Interrupt, complain, native_stderr_silenced, signals, silence_stdout, use_one_thread

if TYPE_CHECKING:
    from realtime_ser.audio.source import Source
    from realtime_ser.config import Config
    from realtime_ser.sinks.group import SinkGroup

INTERRUPTED = 130
_LONG_FILE_S = 20.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    use_one_thread()
    # Started without standard output (a service, pythonw, ">&-"): what is said goes nowhere, and no file that we open gets the
    # number of standard output, where libraries print.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 (for the life of the process)
    # Names of files and devices may hold bytes that are no text; they are shown with escapes and never stop a run.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    options = make_parser(
        {
            "monitor": _monitor,
            "replay": _replay,
            "demo": _demo,
            "devices": _devices,
            "doctor": _doctor,
            "models": _models,
            "bench": _bench,
        }
    ).parse_args(arguments)
    try:
        # Signals are ours before anything heavy is imported: Ctrl-C during an import is easily lost in it.
        with (
            signals() if options.hears else contextlib.nullcontext(Interrupt()) as options.interrupt,
            native_stderr_silenced() if options.native else contextlib.nullcontext(),
        ):
            return int(options.run(options))
    except SerError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        silence_stdout()
        return 0


def _monitor(options: argparse.Namespace) -> int:
    from realtime_ser.audio.mic import MicSource

    config = _config(options)
    device = config.capture.device if options.device is None else options.device
    # The limit of stream time cuts exactly; the clock's, a moment later, ends a run whose device is away by then.
    ends_after_s = None if options.duration is None else options.duration + 1.0
    return _hear([MicSource(device, config.capture, ends_after_s=ends_after_s)], options, config, live=True)


def _replay(options: argparse.Namespace) -> int:
    from realtime_ser.audio.file import FileSource, expand_paths
    from realtime_ser.audio.paced import PacedSource

    config = _config(options)
    files: list[Source] = [FileSource(path) for path in expand_paths(options.files)]
    if len(files) > 1 and options.record:
        raise ConfigError("--record takes one recording at a time; replay the files one by one")
    if options.speed is not None:
        files = [
            PacedSource(file, options.speed, block_ms=config.capture.block_ms, ring_s=config.capture.ring_s) for file in files
        ]
    if options.faults:
        from realtime_ser.audio.faults import FaultySource
        from realtime_ser.audio.scenario import load_scenario

        scenario = load_scenario(options.faults)
        files = [FaultySource(file, scenario) for file in files]
    return _hear(files, options, config, live=False)


def _demo(options: argparse.Namespace) -> int:
    sample = Path(__file__).parent / "sample" / "demo.flac"
    options.files = [str(sample)]
    return _replay(options)


def _devices(options: argparse.Namespace) -> int:
    from realtime_ser.audio.devices import list_devices
    from realtime_ser.screen import show_devices

    devices = list_devices()
    if not devices:
        raise SourceError(
            "no input device found; plug in a microphone, or start the sound server, and run 'realtime-ser doctor'"
        )
    show_devices(devices, as_json=options.json)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from realtime_ser.doctor import run_checks
    from realtime_ser.screen import show_check

    config = _config(options)
    failed = 0
    for check in run_checks(config, device=options.device):
        show_check(check)
        failed += check.ok is False
    return 1 if failed else 0


def _models(options: argparse.Namespace) -> int:
    from realtime_ser.errors import ModelError
    from realtime_ser.model import list_bundles, load_model
    from realtime_ser.screen import show_models

    rows, faults = [], []
    for path in list_bundles():
        try:
            rows.append(load_model(path).card)
        except ModelError as error:
            faults.append(str(error))
    show_models(rows, as_json=options.json)
    for fault in faults:
        complain(fault)
    return 1 if faults or not rows else 0


def _bench(options: argparse.Namespace) -> int:
    from realtime_ser.bench import run_bench
    from realtime_ser.screen import show_bench

    figures = run_bench(
        _config(options),
        against_librosa=options.against_librosa,
        live_s=options.live,
        audio=options.audio,
        progress=_tell if sys.stderr.isatty() else lambda _: None,
    )
    show_bench(figures)
    if options.json:
        from realtime_ser.bench import write_figures

        write_figures(figures, options.json)
    return 0


def _hear(sources: Sequence[Source], options: argparse.Namespace, config: Config, *, live: bool) -> int:
    """Run sources one after the other through one engine into one set of sinks."""
    from realtime_ser.engine import Engine
    from realtime_ser.model import load_model
    from realtime_ser.pipeline import run

    interrupt: Interrupt = options.interrupt
    engine = Engine(load_model(config.model), config)
    sinks = _sinks(options, config, live=live)
    status = 0
    try:
        for source in sources:
            if interrupt.happened or sinks.exhausted:
                break
            try:
                with source, interrupt.stopping(source):
                    run(source, engine, sinks, config, duration_s=options.duration)
            except SourceError as error:
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


def _sinks(options: argparse.Namespace, config: Config, *, live: bool) -> SinkGroup:
    from realtime_ser.sinks.group import SinkGroup

    chosen: list[object] = []
    try:
        if options.jsonl:
            from realtime_ser.sinks.jsonl import JsonlSink

            chosen.append(JsonlSink(options.jsonl))
        if options.csv:
            from realtime_ser.sinks.csv import CsvSink

            chosen.append(CsvSink(options.csv))
        if options.record:
            from realtime_ser.sinks.recorder import RecorderSink

            chosen.append(RecorderSink(options.record))
        if options.report:
            from realtime_ser.sinks.report import ReportSink

            chosen.append(ReportSink(options.report))
        chosen += _screens(options, config, live=live)
    except BaseException:
        SinkGroup(chosen).close()  # type: ignore[arg-type]
        raise
    return SinkGroup(chosen)  # type: ignore[arg-type]


def _screens(options: argparse.Namespace, config: Config, *, live: bool) -> list[object]:
    """What the person at the terminal sees: dashboard, plain lines or a progress bar."""
    stdout_taken = options.jsonl == "-"
    paced = live or options.speed is not None
    drawable = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if paced and drawable and not options.no_dashboard and not stdout_taken:
        from realtime_ser.sinks.dashboard import DashboardSink

        return [DashboardSink(config.dashboard, recording=options.record)]
    screens: list[object] = []
    if not stdout_taken:
        from realtime_ser.sinks.plain import PlainSink

        screens.append(PlainSink(sys.stdout, recording=options.record))
    if not live and sys.stderr.isatty() and (stdout_taken or not sys.stdout.isatty()):
        from realtime_ser.sinks.progress import ProgressSink

        screens.append(ProgressSink(shortest_s=_LONG_FILE_S))
    return screens


def _config(options: argparse.Namespace) -> Config:
    from realtime_ser.config import load_config

    overrides = list(options.set)
    if options.model is not None:
        overrides.append(f"model={_quoted(options.model)}")
    if getattr(options, "retry_for", None) is not None:
        overrides.append(f"capture.retry_for_s={options.retry_for}")
    return load_config(options.config, overrides)


def _quoted(text: str) -> str:
    """``text`` as a YAML string, whatever it looks like."""
    import json

    return json.dumps(text)


def _tell(step: str) -> None:
    print(f"measuring {step} ...", file=sys.stderr, flush=True)
