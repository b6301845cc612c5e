"""The commands about the command line itself: ``config``, ``completion``, ``help`` and ``version``."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from realtime_ser import __version__
from realtime_ser.cli.completion import SHELLS
from realtime_ser.cli.json_output import json_output, show
from realtime_ser.cli.options import common
from realtime_ser.cli.parser import PROGRAM, Commands
from realtime_ser.cli.settings import overrides

commands = Commands()


@commands.add(
    "config",
    "list the settings, their values and where each comes from",
    options=(common, json_output),
    examples=("config --json", "config --config mine.yaml"),
)
@commands.add(
    "config show",
    "list the settings, their values and where each comes from",
    options=(common, json_output),
    examples=("config show", "config show --config mine.yaml --set stream.hop_s=0.5 --json"),
)
def _show_config(options: argparse.Namespace) -> int:
    from realtime_ser.cli.settings import settings
    from realtime_ser.cli.tables import show_settings

    found = settings(options.config, overrides(options))
    show(options, [asdict(setting) for setting in found], lambda: show_settings(found))
    return 0


@commands.add(
    "completion",
    "print a script for the shell, which then completes commands, options and files",
    options=(lambda parser: parser.add_argument("shell", choices=SHELLS, help="which shell"),),
    examples=(
        "completion bash > ~/.local/share/bash-completion/completions/realtime-ser",
        "completion zsh > ~/.zfunc/_realtime-ser",
    ),
)
def _completion(options: argparse.Namespace) -> int:
    from realtime_ser.cli.completion import completion

    print(completion(options.commands.parser(), options.shell))
    return 0


@commands.add(
    "help",
    "describe a command",
    options=(lambda parser: parser.add_argument("topic", metavar="COMMAND", nargs="*", help="which (default: all of them)"),),
    examples=("help monitor", "help models add"),
)
def _help(options: argparse.Namespace) -> int:
    options.commands.parser().parse_args([*options.topic, "--help"])
    return 0


@commands.add("version", "show the version", examples=("version", "--version"))
def _version(options: argparse.Namespace) -> int:  # noqa: ARG001 (every command takes them)
    print(f"{PROGRAM} {__version__}")
    return 0
