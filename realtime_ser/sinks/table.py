"""Every output that a user can ask for, one row each. To add one: write its sink, and add its row here.

The command line makes its options from this table and its sinks from what the user chose. A sink's module is imported only when
it is asked for, so that ``--help`` stays quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime_ser.sinks.sink import Sink


@dataclass(frozen=True, slots=True)
class Output:
    """One kind of output.

    Attributes
    ----------
    name : the option without its dashes
    metavar, help : what ``--help`` says of it
    make : (the option's value, all options by name) -> an open sink; raises SinkError or ConfigError
    standard_output : whether "-" stands for standard output
    """

    name: str
    metavar: str
    help: str
    make: Callable[[str, Mapping[str, Any]], Sink]
    standard_output: bool = False

    @property
    def option(self) -> str:
        """As the user types it."""
        return f"--{self.name}"

    @property
    def attribute(self) -> str:
        """Where the parser leaves its value."""
        return self.name.replace("-", "_")


def _jsonl(target: str, _: Mapping[str, Any]) -> Sink:
    from realtime_ser.sinks.jsonl import JsonlSink

    return JsonlSink(target)


def _csv(target: str, _: Mapping[str, Any]) -> Sink:
    from realtime_ser.sinks.csv import CsvSink

    return CsvSink(target)


def _record(target: str, _: Mapping[str, Any]) -> Sink:
    from realtime_ser.sinks.recorder import RecorderSink

    return RecorderSink(target)


def _report(target: str, _: Mapping[str, Any]) -> Sink:
    from realtime_ser.sinks.report import ReportSink

    return ReportSink(target)


OUTPUTS = (
    Output("jsonl", "FILE|-", "one JSON object a line; - is standard output", _jsonl, standard_output=True),
    Output("csv", "FILE", "one row a window", _csv),
    Output("record", "FILE", "FLAC (or WAV) of exactly what was heard", _record),
    Output("report", "FILE.html", "one self-contained HTML page", _report),
)
