"""The command line: the only place that catches ``SerError``.

Exit codes: 0 done, 1 a runtime fault (said in one line), 2 wrong usage or configuration, 130 interrupted with everything
flushed. Heavy modules are imported by the command that needs them: ``--help`` needs none.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from realtime_ser.cli.parser import make_parser
from realtime_ser.cli.process import Interrupt, complain, native_stderr_silenced, signals, use_one_thread
from realtime_ser.errors import ConfigError, SerError, SourceError

if TYPE_CHECKING:
    from realtime_ser.audio.raw import Raw
    from realtime_ser.audio.source import Source
    from realtime_ser.config import Config
    from realtime_ser.sinks.same_file import Place

INTERRUPTED = 130
_SAMPLE = Path(__file__).parents[1] / "sample" / "demo.flac"


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
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    options = make_parser(
        {
            "monitor": _monitor,
            "replay": _replay,
            "demo": _demo,
            "devices": _devices,
            "doctor": _doctor,
            "models": _models,
            "classify": _classify,
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
        from realtime_ser.sinks.file_lines import silence_stdout

        silence_stdout()
        return 0
    except Exception as error:  # a fault of ours: one line all the same, with the place that a report of it needs
        complain(f"unexpected {_placed(error)}; please report it with the command that led to it")
        return SerError.exit_code


def _monitor(options: argparse.Namespace) -> int:
    from realtime_ser.audio.open import open_source

    config = _config(options)
    # The limit of stream time cuts exactly; the clock's, a moment later, ends a run whose device is away by then.
    ends_after_s = None if options.duration is None else options.duration + 1.0
    source = open_source(None, config.capture, device=options.device, ends_after_s=ends_after_s)
    return _hear([source], options, config, [], live=True)


def _replay(options: argparse.Namespace) -> int:
    from realtime_ser.audio.ffmpeg import find_ffmpeg
    from realtime_ser.audio.folder import find_files
    from realtime_ser.audio.open import STANDARD_INPUT, open_source

    config = _config(options)
    raw = _raw(options)
    found = find_files(options.files, with_ffmpeg=find_ffmpeg() is not None)
    if (note := found.note()) is not None:
        complain(note)
    names = [str(path) for path in found.files]
    inputs: list[tuple[str, Place]] = [("recording", 0 if name == STANDARD_INPUT else name) for name in names]
    files = [open_source(name, config.capture, speed=options.speed, raw=raw) for name in names]
    if options.faults:
        from realtime_ser.faults.scenario import load_scenario
        from realtime_ser.faults.source import FaultySource

        scenario = load_scenario(options.faults)
        files = [FaultySource(file, scenario) for file in files]
        inputs.append(("file of faults", options.faults))
    return _hear(files, options, config, inputs, live=False)


def _raw(options: argparse.Namespace) -> Raw | None:
    """The format that --raw, --rate and --channels say, or None: the files have headers."""
    from realtime_ser.audio.raw import raw_format

    if options.raw is None:
        if options.rate is not None or options.channels is not None:
            given = "--rate" if options.rate is not None else "--channels"
            raise ConfigError(f"{given} is for samples without a header and needs --raw FORMAT; --channel N chooses a channel")
        return None
    if options.rate is None:
        raise ConfigError(f"--raw {options.raw} needs --rate HZ: samples without a header do not say it")
    return raw_format(options.raw, options.rate, 1 if options.channels is None else options.channels)


def _demo(options: argparse.Namespace) -> int:
    options.files = [str(_SAMPLE)]
    options.raw = options.rate = options.channels = None
    return _replay(options)


def _devices(options: argparse.Namespace) -> int:
    from realtime_ser.audio.devices import list_devices
    from realtime_ser.cli.tables import show_devices

    devices = list_devices()
    if not devices:
        raise SourceError(
            "no input device found; plug in a microphone, or start the sound server, and run 'realtime-ser doctor'"
        )
    show_devices(devices, as_json=options.json)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from realtime_ser.cli.doctor import run_checks
    from realtime_ser.cli.tables import show_check

    config = _config(options)
    failed = 0
    for check in run_checks(config, device=options.device):
        show_check(check)
        failed += check.ok is False
    return 1 if failed else 0


def _models(options: argparse.Namespace) -> int:
    from realtime_ser.cli.tables import show_models
    from realtime_ser.errors import ModelError
    from realtime_ser.model.classifier import list_bundles, load_model

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


def _classify(options: argparse.Namespace) -> int:
    from realtime_ser.cli.classify import classify_recordings

    return classify_recordings(options, _config(options), options.interrupt)


def _bench(options: argparse.Namespace) -> int:
    from realtime_ser.bench import run_bench
    from realtime_ser.cli.outputs import check_inputs
    from realtime_ser.cli.tables import show_bench
    from realtime_ser.model.classifier import load_model

    config = _config(options)
    if options.json:
        inputs = _settings_and_model(options, load_model(config.model).card.path)
        check_inputs([*inputs, ("recording", options.audio or _SAMPLE)], [("--json", options.json)])
    figures = run_bench(
        config,
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


def _hear(
    sources: Sequence[Source], options: argparse.Namespace, config: Config, inputs: list[tuple[str, Place]], *, live: bool
) -> int:
    """Run sources one after the other through one engine into one set of sinks.

    ``inputs`` are (what it is, where) of the files that the sources read.
    """
    from realtime_ser.cli.outputs import open_outputs
    from realtime_ser.engine.engine import Engine
    from realtime_ser.model.classifier import load_model
    from realtime_ser.pipeline.run import run

    interrupt: Interrupt = options.interrupt
    model = load_model(config.model)
    engine = Engine(model, config)
    sinks = open_outputs(options, config, [*inputs, *_settings_and_model(options, model.card.path)], live=live)
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


def _config(options: argparse.Namespace) -> Config:
    from realtime_ser.config import load_config

    overrides = list(options.set)
    if options.model is not None:
        overrides.append(f"model={_quoted(options.model)}")
    if getattr(options, "channel", None) is not None:
        overrides.append(f"capture.channel={options.channel}")
    if getattr(options, "retry_for", None) is not None:
        overrides.append(f"capture.retry_for_s={options.retry_for}")
    return load_config(options.config, overrides)


def _settings_and_model(options: argparse.Namespace, card: Path) -> list[tuple[str, Place]]:
    """What every run reads beside its audio, for the check that no output is among it."""
    from realtime_ser.config import resource

    read: list[tuple[str, Place]] = [("settings", resource("config.yaml"))]
    if options.config is not None:
        read.append(("--config file", options.config))
    return [*read, ("model card", card), ("model", card.with_suffix(".onnx"))]


def _placed(error: Exception) -> str:
    """Kind, message and place of an exception."""
    where = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(where[-1].filename).name}:{where[-1].lineno}" if where else ""
    return f"{type(error).__name__}{place}: {error}"


def _quoted(text: str) -> str:
    """``text`` as a YAML string, whatever it looks like."""
    import json

    return json.dumps(text)


def _tell(step: str) -> None:
    print(f"measuring {step} ...", file=sys.stderr, flush=True)
