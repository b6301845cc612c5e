"""The parser of the command line.

A command is one decorated function in ``commands/``::

    @commands.add("monitor", "listen to a microphone", options=(common, outputs), examples=("monitor", "monitor -d usb"))
    def _monitor(options: argparse.Namespace) -> int: ...

What its options are lives in ``options``. Nothing here may import anything heavy: ``--help`` and completion pay for it.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from realtime_ser import __version__
from realtime_ser.cli.process import complain
from realtime_ser.errors import ConfigError

PROGRAM = "realtime-ser"
Run = Callable[[argparse.Namespace], int]
AddOptions = Callable[[argparse.ArgumentParser], object]
_VERBOSE = "say which settings are used, and where a fault arose (default: no)"
_LIST_DEVICES = "--list-devices"  # an option in other programs, a command here: both work
_AUDIO = {".aac", ".aiff", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav", ".webm"}


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the command line.

    Attributes
    ----------
    name, help : as ``--help`` shows them; "models add" is a command below "models"
    run : does it and returns the exit code
    options : functions that add its options to a parser
    examples : what follows ``realtime-ser`` on two lines at the end of its help
    native : libraries print to file descriptor 2 in it
    interruptible : a signal ends it in order, with its summary
    more : sentences after ``help`` in its own help
    """

    name: str
    help: str
    run: Run
    options: tuple[AddOptions, ...]
    examples: tuple[str, str]
    native: bool = False
    interruptible: bool = False
    more: str = ""


class Commands:
    """Commands, in the order in which ``--help`` lists them.

    Parameters
    ----------
    parts : what they are joined from
    """

    def __init__(self, *parts: Commands) -> None:
        self._commands: dict[str, Command] = {}
        for part in parts:
            self._commands |= part._commands

    def add(
        self,
        name: str,
        help: str,
        *,
        examples: tuple[str, str],
        options: Sequence[AddOptions] = (),
        native: bool = False,
        interruptible: bool = False,
        more: str = "",
    ) -> Callable[[Run], Run]:
        """Make the decorated function a command; see ``Command``."""

        def register(run: Run) -> Run:
            self._commands[name] = Command(name, help, run, tuple(options), examples, native, interruptible, more)
            return run

        return register

    def parser(self) -> Parser:
        """A parser of them all; the chosen one becomes ``options.command``."""
        parser = Parser(
            prog=PROGRAM,
            description="Real-time speech-emotion classification. Audio stays on this machine.",
            epilog=_examples(("demo", "monitor --device usb --report today.html")),
            formatter_class=_Formatter,
        )
        parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}", help="show the version")
        parser.add_argument(_LIST_DEVICES, action="store_true", help="show the input devices, as 'devices' does")
        parser.set_defaults(command=None)
        groups: dict[str, Any] = {"": parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)}
        parsers: dict[str, Parser] = {}
        for command in sorted(self._commands.values(), key=lambda command: command.name.count(" ")):
            above, _, last = command.name.rpartition(" ")
            if above not in groups:
                groups[above] = parsers[above].add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
            own = parsers[command.name] = groups[above].add_parser(
                last,
                help=command.help,
                description=f"{command.help[:1].upper()}{command.help[1:]}. {command.more}".rstrip(),
                epilog=_examples(command.examples),
                formatter_class=_Formatter,
            )
            for add in command.options:
                add(own)
            own.add_argument(
                "-v",
                "--verbose",
                action="store_true",
                help="say which settings are used, and where a fault arose (default: no)",
            )
            own.set_defaults(command=command)
            for option in own._option_string_actions:
                parser.elsewhere.setdefault(option, []).append(command.name)
            own.elsewhere = parser.elsewhere
        return parser

    @property
    def names(self) -> list[str]:
        """Of all commands."""
        return list(self._commands)

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """The options of one call; ends the process at wrong usage.

        Returns
        -------
        the options; ``command`` is the ``Command`` to run, ``commands`` is this
        """
        given = list(sys.argv[1:] if arguments is None else arguments)
        if _LIST_DEVICES in given[: given.index("--") if "--" in given else None]:
            given = ["devices"]
        parser = self.parser()
        options = parser.parse_args(given)
        if options.command is None:
            parser.error(f"no COMMAND is given; to begin with: {PROGRAM} demo, or {PROGRAM} monitor")
        options.commands = self
        return options


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Examples keep their lines, and an option's value stands once beside all its names."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class Parser(argparse.ArgumentParser):
    """One line and exit code 2 instead of a usage text, with the nearest thing that exists.

    Attributes
    ----------
    elsewhere : option -> the commands that have it
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.elsewhere: dict[str, list[str]] = {}

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and which help describes it."""
        complain(f"{message} (see '{self.prog} --help')")
        raise SystemExit(ConfigError.exit_code)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, but what this parser does not know is its own error and not that of the parser above it."""
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown[0])
        return namespace, unknown

    def _refuse(self, word: str) -> NoReturn:
        if word.startswith("-") and len(word) > 1:
            name = word.partition("=")[0]
            if name in self.elsewhere:
                self.error(f"'{name}' belongs behind a command that has it: {', '.join(self.elsewhere[name])}")
            near = did_you_mean(name, self._option_string_actions) if name.startswith("--") else ""
            self.error(f"unknown option '{name}'{near}")
        hint = f"; to classify a recording: {PROGRAM} replay {word}" if _is_audio(word) else ""
        self.error(f"unexpected argument '{word}'{hint}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            hint = f"; to classify a recording: {self.prog} replay {value}" if _is_audio(value) else ""
            self.error(f"unknown command '{value}'{hint or did_you_mean(value, action.choices, always=True)}")
        super()._check_value(action, value)


def did_you_mean(word: str, known: Any, *, always: bool = False) -> str:
    """The nearest of what is known, as the end of a message; empty (or all of it, with ``always``) when nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there are {', '.join(known)}" if always else ""


def _is_audio(word: str) -> bool:
    return Path(word).suffix.lower() in _AUDIO


def _examples(lines: Sequence[str]) -> str:
    return "examples:\n" + "\n".join(f"  {PROGRAM} {line}" for line in lines)
