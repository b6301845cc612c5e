"""The exceptions of this package.

SerError
├── ConfigError   wrong usage: config file, ``--set`` value, command-line argument   (exit code 2)
├── SourceError   microphone, file or array that cannot be read                      (exit code 1)
├── ModelError    bundle that is missing, damaged or contradicts the config          (exit code 1)
└── SinkError     output that cannot be written: full disk, closed pipe              (exit code 1)

A message is one line: problem, place and remedy. Only ``cli`` catches ``SerError``.
"""

from __future__ import annotations


class SerError(Exception):
    """Base class; ``exit_code`` is the exit code of the command line, ``shown`` whether the user has read the message already.

    Line breaks, escape codes and half characters in quoted names and values are escaped, so that a message is one line that any
    terminal can show (``\\n``, ``\\x1b``, ``\\udcff``).
    """

    exit_code = 1
    shown = False

    def __init__(self, message: str = "") -> None:
        escaped = (char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in message)
        super().__init__("".join(escaped))


class ConfigError(SerError):
    """Wrong usage or configuration."""

    exit_code = 2


class SourceError(SerError):
    """Audio cannot be captured or read."""


class ModelError(SerError):
    """A model bundle is missing, damaged or contradicts the configuration."""


class SinkError(SerError):
    """An output cannot be written.

    ``closed_by_reader`` is true when the reader of a pipe went away (``| head``), which is not reported as an error.
    """

    def __init__(self, message: str, *, closed_by_reader: bool = False) -> None:
        super().__init__(message)
        self.closed_by_reader = closed_by_reader
