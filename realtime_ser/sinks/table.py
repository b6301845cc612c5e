"""Every output that a user can ask for, one row each. To add one: write its sink, and add its row here.

The command line makes its options from this table and its sinks from what the user chose. A sink's module is imported only when
it is used, so that ``--help`` stays fast.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime_ser.errors import ConfigError

if TYPE_CHECKING:
    from realtime_ser.sinks.base import Sink


@dataclass(frozen=True, slots=True)
class Run:
    """What an output may need to know of the run.

    Attributes
    ----------
    options : all options by name
    recordings : the names of the files that will be read, in order; empty for a microphone
    """

    options: Mapping[str, Any]
    recordings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One kind of output.

    Attributes
    ----------
    option : as the user types it
    metavar, help : for ``--help``
    make : (the option's value, run) -> an open sink; raises SinkError or ConfigError
    check : (value, run) -> the files that will be written; raises ConfigError for what cannot work, before anything is opened
    short : one letter with a dash, or empty
    repeats : whether it may be given several times
    standard_output : whether "-" stands for standard output
    sends : whether it sends labels to another program, which the first line on the screen must say
    """

    option: str
    metavar: str
    help: str
    make: Callable[[str, Run], Sink]
    check: Callable[[str, Run], list[str]] = lambda target, _: [target]
    short: str = ""
    repeats: bool = False
    standard_output: bool = False
    sends: bool = False

    @property
    def attribute(self) -> str:
        """Where the parser leaves its value."""
        return self.option.lstrip("-").replace("-", "_")


def _jsonl(target: str, _: Run) -> Sink:
    from realtime_ser.sinks.jsonl import JsonlSink

    return JsonlSink(target)


def _csv(target: str, _: Run) -> Sink:
    from realtime_ser.sinks.csv_file import CsvSink

    return CsvSink(target)


def _record(target: str, _: Run) -> Sink:
    from realtime_ser.sinks.recorder import RecorderSink

    return RecorderSink(target)


def _check_record(target: str, run: Run) -> list[str]:
    if len(run.recordings) > 1:
        raise ConfigError("--record takes one recording at a time; replay the files one by one")
    return [target]


def _report(target: str, _: Run) -> Sink:
    from realtime_ser.sinks.report.sink import ReportSink

    path = Path(target)
    # A device or a pipe has no suffix, nor has what standard output is sent to.
    special = path.parts[:2] == ("/", "dev") or (path.exists() and not path.is_file() and not path.is_dir())
    if not special and path.suffix.casefold() not in _REPORTS:
        raise ConfigError(f"--report {target}: a report is an HTML page; the name must end in .html or .htm")
    return ReportSink(target)


def _output(target: str, run: Run) -> Sink:
    from realtime_ser.sinks.formats import format_of
    from realtime_ser.sinks.segments import FolderSink, names_in

    chosen = format_of(target, run.options["format"])
    if _is_folder(target):
        return FolderSink(target, names_in(run.recordings, chosen.suffix), chosen.suffix, chosen.open)
    return chosen.open(target)


def _check_output(target: str, run: Run) -> list[str]:
    from realtime_ser.sinks.formats import format_of
    from realtime_ser.sinks.segments import names_in

    if target == "-":
        raise ConfigError("-o - is no file; for standard output there are --jsonl - and --csv -")
    if _is_folder(target):
        if run.options["format"] is None:
            raise ConfigError(f"-o {target} is a folder; say with --format NAME what to write into it")
        chosen = format_of(target, run.options["format"])
        files = [os.path.join(target, name) for name in names_in(run.recordings, chosen.suffix).values()]  # noqa: PTH118
    else:
        chosen = format_of(target, run.options["format"])
        files = [target]
        if len(run.recordings) > 1 and not chosen.many:
            raise ConfigError(
                f"-o {target}: a {chosen.title} file holds one recording; name a folder, and --format {chosen.name}"
            )
    chosen.check()
    return files


def _osc(target: str, _: Run) -> Sink:
    from realtime_ser.sinks.background import BackgroundSink
    from realtime_ser.sinks.osc import OscSink

    return BackgroundSink(OscSink(target))


def _check_osc(target: str, _: Run) -> list[str]:
    from realtime_ser.sinks.osc import check_osc

    check_osc(target)
    return []


def _mqtt(target: str, _: Run) -> Sink:
    from realtime_ser.sinks.background import BackgroundSink
    from realtime_ser.sinks.mqtt import MqttSink

    return BackgroundSink(MqttSink(target), patience_s=3.0)


def _check_mqtt(target: str, _: Run) -> list[str]:
    from realtime_ser.sinks.mqtt import check_mqtt

    check_mqtt(target)
    return []


_REPORTS = (".html", ".htm")


def _is_folder(target: str) -> bool:
    return target.endswith(("/", os.sep)) or Path(target).is_dir()


OUTPUTS = (
    Output("--jsonl", "FILE|-", "one JSON object a line; - is standard output", _jsonl, standard_output=True),
    Output("--csv", "FILE|-", "one row a window; - is standard output", _csv, standard_output=True),
    Output("--record", "FILE", "FLAC (or WAV) of exactly the audio that was processed", _record, _check_record),
    Output("--report", "FILE.html", "one self-contained HTML page", _report),
    Output(
        "--output",
        "FILE",
        "by its suffix: segments as .rttm .vtt .srt .TextGrid .eaf .txt (Audacity), windows as .csv .jsonl .parquet",
        _output,
        _check_output,
        "-o",
        repeats=True,
    ),
    Output("--osc", "HOST:PORT", "labels as Open Sound Control (needs the 'osc' extra)", _osc, _check_osc, sends=True),
    Output("--mqtt", "URL", "labels to an MQTT broker, mqtt://HOST (needs the 'mqtt' extra)", _mqtt, _check_mqtt, sends=True),
)
