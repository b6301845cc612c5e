"""The command line's commands and options. What a command does lives in ``cli``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import NoReturn

from realtime_ser import __version__
from realtime_ser.cli.process import complain
from realtime_ser.errors import ConfigError
from realtime_ser.sinks.formats import FORMATS
from realtime_ser.sinks.table import OUTPUTS


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line and exit code 2, without the usage text that hides it."""
        complain(f"{message} (see '{self.prog} --help')")
        raise SystemExit(ConfigError.exit_code)


def make_parser(run: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """The parser; ``run`` holds the function of every command, which becomes ``options.run``.

    ``options.native`` says that libraries print to file descriptor 2 in it, ``options.hears`` that a signal must stop a source.
    """
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
    for output in OUTPUTS:
        names = [output.short, output.option] if output.short else [output.option]
        action = "append" if output.repeats else "store"
        group.add_argument(*names, metavar=output.metavar, help=output.help, action=action)
    group.add_argument(
        "--format", metavar="NAME", help=f"what -o writes, whatever the suffix: {', '.join(known.name for known in FORMATS)}"
    )
    group.add_argument("--no-dashboard", action="store_true", help="plain lines instead")
    group.add_argument("--duration", metavar="S", type=_seconds, help="stop after this much stream time")

    command = commands.add_parser("monitor", parents=[common, outputs], help="listen to a microphone")
    command.add_argument("--device", metavar="NAME|INDEX", type=_device, help="input device: index or unique part of its name")
    command.add_argument(
        "--channel", metavar="N", type=_count, help="read this channel alone, from 1 (left); default: all, mixed"
    )
    command.add_argument("--retry-for", metavar="S", type=_wait, help="how long to wait for a vanished device")
    command.set_defaults(run=run["monitor"], native=True, hears=True)

    command = commands.add_parser("replay", parents=[common, outputs], help="replay recordings through the same path")
    command.add_argument("files", metavar="FILE", nargs="+", help="audio files, folders of them, or - (standard input)")
    command.add_argument(
        "--channel", metavar="N", type=_count, help="read this channel alone, from 1 (left); default: all, mixed"
    )
    command.add_argument("--raw", metavar="FORMAT", help="samples without a header: s16le, f32le, s24le, u8, mulaw, ...")
    command.add_argument("--rate", metavar="HZ", type=_hertz, help="with --raw: samples a second")
    command.add_argument("--channels", metavar="N", type=_count, help="with --raw: how many channels (default 1)")
    command.add_argument("--speed", metavar="1|N|max", type=_speed, default=1.0, help="times real time (default 1)")
    command.add_argument("--faults", metavar="FILE.yaml", help="inject the faults of a scenario (see docs/faults.yaml)")
    command.set_defaults(run=run["replay"], native=True, hears=True)

    command = commands.add_parser("demo", parents=[common, outputs], help="replay the shipped sample")
    command.add_argument("--speed", metavar="1|N|max", type=_speed, default=1.0, help="times real time (default 1)")
    command.add_argument("--faults", metavar="FILE.yaml", help="inject the faults of a scenario (see docs/faults.yaml)")
    command.set_defaults(run=run["demo"], native=True, hears=True)

    command = commands.add_parser("classify", parents=[common], help="one answer for each recording, at full speed")
    command.add_argument(
        "files", metavar="PATH", nargs="+", help="files, folders, patterns, @LIST (a file name a line), or - (standard input)"
    )
    command.add_argument(
        "-o", "--output", metavar="FILE|FOLDER", action="append", default=[], help="write a file; its suffix says the format"
    )
    command.add_argument("--format", metavar="NAME", help="the format, whatever the suffix; for -o FOLDER, a file a recording")
    command.add_argument("--jobs", metavar="N", type=_count, help="processes (default 1; with --ray: one a processor)")
    command.add_argument(
        "--ray", metavar="ADDRESS", nargs="?", const="", help="on a Ray cluster (default: this machine); needs the 'ray' extra"
    )
    command.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    command.set_defaults(run=run["classify"], native=True, hears=True)

    command = commands.add_parser("bench", parents=[common], help="measure latency and throughput on this machine")
    command.add_argument("--json", metavar="FILE", help="write the figures")
    command.add_argument("--against-librosa", action="store_true", help="time the usual way too (needs the 'bench' extra)")
    command.add_argument(
        "--live", metavar="SECONDS", type=_seconds, help="also measure capture-to-estimate latency in real time"
    )
    command.add_argument("--audio", metavar="FILE", help="recording to use (default: the shipped sample)")
    command.set_defaults(run=run["bench"])

    command = commands.add_parser("devices", help="list input devices")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=run["devices"], native=True)

    command = commands.add_parser("doctor", parents=[common], help="check audio, models and speed, and say what to do")
    command.add_argument("--device", metavar="NAME|INDEX", type=_device, help="input device to check")
    command.set_defaults(run=run["doctor"], native=True)

    command = commands.add_parser("models", help="list the shipped models with their honest scores")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=run["models"])
    return parser


def _device(text: str) -> int | str:
    # isdecimal() is true for the digits of every script, which int() reads, and false for superscripts, which it does not.
    return int(text) if text.isdecimal() and len(text) < 10 else text


def _count(text: str) -> int:
    if not (text.isdecimal() and len(text) < 5 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def _hertz(text: str) -> int:
    if not (text.isdecimal() and len(text) < 8 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of Hz")
    return int(text)


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
