"""The options that commands share, and the types of their values."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from realtime_ser.sinks.formats import FORMATS
from realtime_ser.sinks.table import OUTPUTS

SAMPLE = Path(__file__).parents[1] / "sample" / "demo.flac"


def common(parser: argparse.ArgumentParser) -> None:
    """Settings and model."""
    group = parser.add_argument_group("settings")
    group.add_argument(
        "-m", "--model", metavar="NAME|PATH", help="a model that 'models' lists, or the path of a bundle (default: mlp)"
    )
    group.add_argument("--config", metavar="FILE", type=file_name, help="YAML settings over the shipped ones (default: none)")
    group.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="one setting, e.g. stream.hop_s=0.5 (default: none)"
    )


def outputs(parser: argparse.ArgumentParser) -> None:
    """Where the records go."""
    group = parser.add_argument_group("outputs")
    for output in OUTPUTS:
        names = [output.short, output.option] if output.short else [output.option]
        action = "append" if output.repeats else Once
        kind = receiver if output.sends else file_name
        group.add_argument(*names, metavar=output.metavar, help=f"{output.help} (default: none)", action=action, type=kind)
    known = ", ".join(kind.name for kind in FORMATS)
    group.add_argument("--format", metavar="NAME", help=f"what -o writes: {known} (default: what its suffix says)")
    group.add_argument(
        "--no-dashboard", action="store_true", help="plain lines (default: a dashboard where there is a terminal)"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="show only faults (default: no)")
    parser.add_argument("--duration", metavar="S", type=seconds, help="stop after this much stream time (default: at the end)")


def profile(parser: argparse.ArgumentParser) -> None:
    """Whose voice it is."""
    parser.add_argument(
        "--profile",
        metavar="NAME|PATH",
        help="begin with what earlier runs learned of this voice and microphone, and keep it at the end (default: none)",
    )


def profile_name(parser: argparse.ArgumentParser) -> None:
    """Which profile."""
    parser.add_argument("name", metavar="NAME", help="a profile that 'profiles list' lists")


def device(parser: argparse.ArgumentParser) -> None:
    """Which microphone."""
    parser.add_argument(
        "-d",
        "--device",
        metavar="NAME|INDEX",
        type=device_name,
        help="input device: index or unique part of its name (default: the system's)",
    )


def microphone(parser: argparse.ArgumentParser) -> None:
    """Which microphone, and for how long to miss it."""
    device(parser)
    channel(parser)
    parser.add_argument(
        "--retry-for", metavar="S", type=wait, help="how long to wait for a vanished device (default: 30 seconds)"
    )
    parser.add_argument("--list-devices", action="store_true", help="show the input devices, as 'devices' does")


def channel(parser: argparse.ArgumentParser) -> None:
    """Which channel."""
    parser.add_argument(
        "--channel", metavar="N", type=channel_number, help="the only channel to classify, from 1 (default: all of them, mixed)"
    )


def raw(parser: argparse.ArgumentParser) -> None:
    """What samples without a header are."""
    group = parser.add_argument_group("samples without a header")
    group.add_argument("--raw", metavar="FORMAT", help="s16le, f32le, s24le, u8, mulaw, ... (default: the file has a header)")
    group.add_argument("--rate", metavar="HZ", type=hertz, help="samples a second, with --raw (default: none)")
    group.add_argument(
        "--channels",
        metavar="N|split",
        type=channels,
        help="how many channels, with --raw (default: 1); split: each channel is a stream of its own, with --raw split:N",
    )


def recordings(parser: argparse.ArgumentParser) -> None:
    """Which files."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="audio files, folders of them, or - (standard input)")


def many_recordings(parser: argparse.ArgumentParser) -> None:
    """What to classify, where to, and with how many processes."""
    parser.add_argument(
        "files", metavar="PATH", nargs="+", help="files, folders, patterns, @LIST (a file name a line), or - (standard input)"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE|FOLDER",
        action="append",
        type=file_name,
        default=[],
        help="write a file, or with --format a file a recording (default: none)",
    )
    parser.add_argument("--format", metavar="NAME", help="what -o writes (default: what its suffix says)")
    parser.add_argument(
        "--channels", metavar="split", choices=("split",), help="a row for each channel (default: one, of all of them mixed)"
    )
    parser.add_argument("--jobs", metavar="N", type=count, help="processes (default: 1; with --ray: one a processor)")
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        nargs="?",
        const="",
        help="on a Ray cluster, or without ADDRESS on this machine; needs the 'ray' extra (default: no)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run (default: begin again)")
    parser.add_argument("-q", "--quiet", action="store_true", help="draw no progress (default: no)")


def pace(parser: argparse.ArgumentParser) -> None:
    """How a file is played."""
    parser.add_argument("--speed", metavar="1|N|max", type=speed, default=1.0, help="times real time (default: 1)")
    parser.add_argument(
        "--faults",
        metavar="FILE.yaml",
        type=file_name,
        help="inject the faults of a scenario, see docs/faults.yaml (default: none)",
    )


def bench(parser: argparse.ArgumentParser) -> None:
    """What to measure."""
    parser.add_argument(
        "--against-librosa", action="store_true", help="time the usual way too, with the 'bench' extra (default: no)"
    )
    parser.add_argument(
        "--live", metavar="SECONDS", type=seconds, help="also measure capture-to-estimate latency in real time (default: no)"
    )
    parser.add_argument("--audio", metavar="FILE", help="recording to use (default: the shipped sample)")


def own_model(parser: argparse.ArgumentParser) -> None:
    """What a network's file does not say. What an exporter wrote beside it (config.json) is the default."""
    parser.add_argument("network", metavar="FILE.onnx", help="takes float32 (batch, samples), gives (batch, labels)")
    parser.add_argument("--labels", metavar="A,B,...", type=labels, help="in the order of its outputs (default: config.json's)")
    parser.add_argument("--rate", metavar="HZ", type=rate, help="of its input (default: preprocessor_config.json's, or 16000)")
    parser.add_argument(
        "--input",
        choices=("standardised", "raw"),
        help="samples at zero mean and unit variance, as wav2vec2 takes them, or as they are (default:"
        " preprocessor_config.json's, or standardised)",
    )
    parser.add_argument("--output", choices=("logits", "probabilities"), help="what it returns (default: found by running it)")
    parser.add_argument("--window", metavar="S", type=seconds, help="longest window (default: 3, or what it is fixed to)")
    parser.add_argument("--min-window", metavar="S", type=seconds, help="shortest window (default: 1, or the longest)")
    parser.add_argument("--nobody", action="store_true", help="its last output, after the labels', says that nobody speaks")
    parser.add_argument("--licence", metavar="TEXT", default="not stated", help="of its weights (default: not stated)")
    parser.add_argument("--replace", action="store_true", help="write over a card that is there (default: no)")


class Once(argparse.Action):
    """Keeps a value, and refuses a second one: the first would be lost."""

    def __call__(self, _: object, namespace: argparse.Namespace, values: object, __: str | None = None) -> None:
        """Raises ArgumentError where the option has a value already."""
        if getattr(namespace, self.dest, self.default) is not self.default:
            raise argparse.ArgumentError(self, "given twice, and it takes one value")
        setattr(namespace, self.dest, values)


def file_name(text: str) -> str:
    """A name; an empty one would be taken for none."""
    if not text:
        raise argparse.ArgumentTypeError("'' names no file")
    return text


def receiver(text: str) -> str:
    """Where labels are sent."""
    if not text:
        raise argparse.ArgumentTypeError("'' names nobody to send to")
    return text


def device_name(text: str) -> int | str:
    """An index or a name."""
    # isdecimal() is true for the digits of every script, which int() reads, and false for superscripts, which it does not.
    return int(text) if text.isdecimal() and len(text) < 10 else text


def channel_number(text: str) -> int:
    """A channel's number, from 1."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= 256):
        raise argparse.ArgumentTypeError(f"{text!r} is no channel; the first one is 1")
    return int(text)


@dataclass(frozen=True, slots=True)
class Channels:
    """The meaning of ``--channels``.

    Attributes
    ----------
    count : of samples without a header; None: not given
    split : each channel is a stream of its own
    """

    count: int | None
    split: bool


def channels(text: str) -> Channels:
    """A number of channels, "split", or both."""
    word, colon, number = text.partition(":")
    if word == "split":
        return Channels(count(number) if colon else None, split=True)
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of channels nor 'split'")
    return Channels(count(text), split=False)


def hertz(text: str) -> int:
    """A sample rate of any kind."""
    if not (text.isdecimal() and len(text) < 8 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of Hz")
    return int(text)


def count(text: str) -> int:
    """How many, from 1."""
    if not (text.isdecimal() and len(text) < 5 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def labels(text: str) -> list[str]:
    """Names between commas."""
    names = [name.strip() for name in text.split(",")]
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of two or more different names, such as neutral,happy,sad")
    return names


def rate(text: str) -> int:
    """A sample rate."""
    if not (text.isascii() and text.isdecimal() and 4000 <= int(text[:9]) <= 192_000):
        raise argparse.ArgumentTypeError(f"{text!r} is no sample rate from 4000 to 192000 Hz")
    return int(text)


def seconds(text: str) -> float:
    """A length of time."""
    value = wait(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be more than 0 seconds")
    return value


def wait(text: str) -> float:
    """A length of time that may be 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def speed(text: str) -> float | None:
    """Times real time; None for "max"."""
    if text == "max":
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number above 0 nor 'max'")
    return value
