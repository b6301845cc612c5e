"""The command line: the only place that catches ``SerError``.

Exit codes: 0 done, 1 a runtime fault (said in one line), 2 wrong usage or configuration, 130 interrupted with everything
flushed. Heavy modules are imported by the command that needs them: ``--help`` needs none.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO

from realtime_ser import __version__
from realtime_ser.errors import ConfigError, SerError, SourceError

if TYPE_CHECKING:
    from realtime_ser.audio.source import Source
    from realtime_ser.config import Config
    from realtime_ser.sinks.group import SinkGroup

INTERRUPTED = 130
_LONG_FILE_S = 20.0
_LONGEST_MESSAGE = 600


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _use_one_thread()
    # Started without standard output (a service, pythonw, ">&-"): what is said goes nowhere, and no file that we open gets the
    # number of standard output, where libraries print.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 (for the life of the process)
    # Names of files and devices may hold bytes that are no text; they are shown with escapes and never stop a run.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    options = _parser().parse_args(arguments)
    try:
        # Signals are ours before anything heavy is imported: Ctrl-C during an import is easily lost in it.
        with (
            _signals() if options.hears else contextlib.nullcontext(_Interrupt()) as options.interrupt,
            _native_stderr_silenced() if options.native else contextlib.nullcontext(),
        ):
            return int(options.run(options))
    except SerError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return 0


def _use_one_thread() -> None:
    """Keep numpy's matrix library from starting a thread per core; numpy must not have been imported yet.

    The products of a hop are too small to share: measured on two cores, the second thread spun for a third of the time, made
    nothing faster, and took the core that the audio callback needs. A user's own setting is kept.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def _monitor(options: argparse.Namespace) -> int:
    from realtime_ser.audio.mic import MicSource

    config = _config(options)
    device = config.capture.device if options.device is None else options.device
    source = MicSource(device, config.capture)
    if not options.duration:
        return _hear([source], options, config, live=True)
    # Stream time stands still while a device is away, and --duration must end the run all the same.
    alarm = threading.Timer(options.duration + 1.0, source.stop)
    alarm.daemon = True
    alarm.start()
    try:
        return _hear([source], options, config, live=True)
    finally:
        alarm.cancel()


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
        _complain(fault)
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

    interrupt: _Interrupt = options.interrupt
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
                _complain(str(error))
    finally:
        sinks.close()
        for failure in sinks.failures:
            if not failure.closed_by_reader:
                _complain(str(failure))
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


class _Interrupt:
    """What a signal does: the first stops the source and everything is flushed, a second ends at once."""

    def __init__(self) -> None:
        self.happened = False
        self._source: Source | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (a signal handler's signature)
        if self.happened:
            raise KeyboardInterrupt
        self.happened = True
        if self._source is not None:
            self._source.stop()

    @contextlib.contextmanager
    def stopping(self, source: Source) -> Iterator[None]:
        """While inside, a signal stops this source."""
        self._source = source
        try:
            if self.happened:
                source.stop()
            yield
        finally:
            self._source = None


@contextlib.contextmanager
def _signals() -> Iterator[_Interrupt]:
    interrupt = _Interrupt()
    # SIGHUP does not exist on Windows; a command run from another thread gets no signals at all.
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    previous = {}
    if threading.current_thread() is threading.main_thread():
        # Under nohup SIGHUP is ignored, and must stay so.
        numbers = [n for n in numbers if n != getattr(signal, "SIGHUP", None) or signal.getsignal(n) != signal.SIG_IGN]
        previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield interrupt
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _config(options: argparse.Namespace) -> Config:
    from realtime_ser.config import load_config

    overrides = list(options.set)
    if options.model is not None:
        overrides.append(f"model={_quoted(options.model)}")
    if getattr(options, "retry_for", None) is not None:
        overrides.append(f"capture.retry_for_s={options.retry_for}")
    return load_config(options.config, overrides)


@contextlib.contextmanager
def _native_stderr_silenced() -> Iterator[None]:
    """PortAudio's host APIs and the MP3 decoder print to file descriptor 2, across the dashboard and between our one-line
    messages; we say what matters ourselves.
    """
    stream = sys.stderr
    try:
        kept = os.dup(2)
    except OSError:  # started without a standard error
        yield
        return
    if _descriptor(stream) == 2:  # else it leads elsewhere already, as in a notebook
        sys.stderr = os.fdopen(os.dup(kept), "w", buffering=1, errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        if sys.stderr is not stream:
            sys.stderr.close()
            sys.stderr = stream
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _quoted(text: str) -> str:
    """``text`` as a YAML string, whatever it looks like."""
    import json

    return json.dumps(text)


def _complain(message: str) -> None:
    from realtime_ser.sinks.text import printable

    with contextlib.suppress(OSError, ValueError):
        line = printable(" ".join(message.split()))
        if len(line) > _LONGEST_MESSAGE:  # it quotes what somebody's file holds
            line = f"{line[:_LONGEST_MESSAGE]}…"
        print(f"realtime-ser: {line}", file=sys.stderr)


def _tell(step: str) -> None:
    print(f"measuring {step} ...", file=sys.stderr, flush=True)


def _silence_stdout() -> None:
    """The reader of our output went away: nothing more can be said there, not even by the interpreter's last flush."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line and exit code 2, without the usage text that hides it."""
        _complain(f"{message} (see '{self.prog} --help')")
        raise SystemExit(ConfigError.exit_code)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="realtime-ser", description="Real-time speech-emotion classification. Audio stays on this machine.")
    parser.add_argument("--version", action="version", version=f"realtime-ser {__version__}")
    parser.set_defaults(native=False, hears=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    common = _Parser(add_help=False)
    common.add_argument("--config", metavar="FILE", help="YAML settings laid over the shipped config.yaml")
    common.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="one setting, e.g. stream.hop_s=0.5")
    common.add_argument("--model", metavar="mlp|cnn|PATH", help="a shipped model or the path of a bundle")

    outputs = _Parser(add_help=False)
    group = outputs.add_argument_group("outputs")
    group.add_argument("--jsonl", metavar="FILE|-", help="one JSON object a line; - is standard output")
    group.add_argument("--csv", metavar="FILE", help="one row a window")
    group.add_argument("--record", metavar="FILE", help="FLAC (or WAV) of exactly what was heard")
    group.add_argument("--report", metavar="FILE.html", help="one self-contained HTML page")
    group.add_argument("--no-dashboard", action="store_true", help="plain lines instead")
    group.add_argument("--duration", metavar="S", type=_seconds, help="stop after this much stream time")

    command = commands.add_parser("monitor", parents=[common, outputs], help="listen to a microphone")
    command.add_argument("--device", metavar="NAME|INDEX", type=_device, help="input device: index or unique part of its name")
    command.add_argument("--retry-for", metavar="S", type=_wait, help="how long to wait for a vanished device")
    command.set_defaults(run=_monitor, native=True, hears=True)

    command = commands.add_parser("replay", parents=[common, outputs], help="replay recordings through the same path")
    command.add_argument("files", metavar="FILE", nargs="+", help="WAV, FLAC, OGG or MP3 files, or folders of them")
    command.add_argument("--speed", metavar="1|N|max", type=_speed, default=1.0, help="times real time (default 1)")
    command.add_argument("--faults", metavar="FILE.yaml", help="inject the faults of a scenario (see docs/faults.yaml)")
    command.set_defaults(run=_replay, native=True, hears=True)

    command = commands.add_parser("demo", parents=[common, outputs], help="replay the shipped sample")
    command.add_argument("--speed", metavar="1|N|max", type=_speed, default=1.0, help="times real time (default 1)")
    command.add_argument("--faults", metavar="FILE.yaml", help="inject the faults of a scenario (see docs/faults.yaml)")
    command.set_defaults(run=_demo, native=True, hears=True)

    command = commands.add_parser("bench", parents=[common], help="measure latency and throughput on this machine")
    command.add_argument("--json", metavar="FILE", help="write the figures")
    command.add_argument("--against-librosa", action="store_true", help="time the usual way too (needs the 'bench' extra)")
    command.add_argument(
        "--live", metavar="SECONDS", type=_seconds, help="also measure capture-to-estimate latency in real time"
    )
    command.add_argument("--audio", metavar="FILE", help="recording to use (default: the shipped sample)")
    command.set_defaults(run=_bench)

    command = commands.add_parser("devices", help="list input devices")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=_devices, native=True)

    command = commands.add_parser("doctor", parents=[common], help="check audio, models and speed, and say what to do")
    command.add_argument("--device", metavar="NAME|INDEX", type=_device, help="input device to check")
    command.set_defaults(run=_doctor, native=True)

    command = commands.add_parser("models", help="list the shipped models with their honest scores")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=_models)
    return parser


def _device(text: str) -> int | str:
    # isdecimal() is true for the digits of every script, which int() reads, and false for superscripts, which it does not.
    return int(text) if text.isdecimal() and len(text) < 10 else text


def _seconds(text: str) -> float:
    value = _wait(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be more than 0 seconds")
    return value


def _wait(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def _speed(text: str) -> float | None:
    """None for "max"."""
    if text == "max":
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number above 0 nor 'max'")
    return value
