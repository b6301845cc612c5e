"""A script that lets a shell complete commands, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from realtime_ser.errors import ConfigError
from realtime_ser.text import to_install

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for one of ``SHELLS``.

    Raises
    ------
    ConfigError : the package that writes it is not installed, or too old for this shell
    """
    try:
        import shtab
    except ImportError as error:
        raise ConfigError(f"shell completion needs shtab; {to_install('completion')}") from error
    if shell not in shtab.SUPPORTED_SHELLS:
        raise ConfigError(f"shtab {shtab.__version__} does not know {shell}: python -m pip install --upgrade shtab")
    for action in _actions(parser):
        if any(word in str(action.metavar) for word in ("FILE", "PATH")):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell=shell))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
