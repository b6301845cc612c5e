"""The command that does a run again, as a shell takes it: what cards and results say of themselves."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path


def command(options: argparse.Namespace, asked: str) -> str:
    """``python -m train ASKED`` with the settings file and the settings that the run had.

    Parameters
    ----------
    asked : verb and options, such as "export --system mlp"; of a settings file only the name is told, not the machine's path
    """
    config = f" --config {shlex.quote(Path(options.config).name)}" if options.config else ""
    return f"python -m train {asked}{config}" + "".join(f" --set {shlex.quote(change)}" for change in options.set)
