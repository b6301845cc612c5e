"""``--json``: the option, and what it means. The same for every command that has it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def json_output(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        nargs="?",
        const="-",
        help="JSON on standard output, or in a file beside the table (default: a table)",
    )


def show(options: argparse.Namespace, value: Any, table: Callable[[], None]) -> None:
    """Show a value as the options say: alone, ``--json`` replaces the table on standard output; with a file, it adds one.

    Raises
    ------
    SinkError : the file cannot be written
    """
    if options.json != "-":
        table()
    if options.json is not None:
        from realtime_ser.cli.tables import show_json

        show_json(value, options.json)
