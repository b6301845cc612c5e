"""The command line: the only place that catches ``SerError``.

Exit codes: 0 done, 1 a runtime fault (reported in one line), 2 wrong usage or configuration, 130 interrupted with everything
flushed. Heavy modules are imported by the command that needs them: ``--help`` needs none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from realtime_ser.cli.commands import commands
from realtime_ser.cli.parser import Command
from realtime_ser.cli.process import Interrupt, complain, native_stderr_silenced, signals, use_one_thread
from realtime_ser.cli.run_sources import INTERRUPTED
from realtime_ser.errors import SerError

# Of an OSError that names no file: a write to standard output failed. Files that we write have errors of their own.
_STREAM_FAULTS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    use_one_thread()
    # Started without standard output (a service, pythonw, ">&-"): messages go nowhere, and no file that we open gets the
    # number of standard output, where libraries print.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 (for the life of the process)
    # Names of files and devices may hold bytes that are no text; they are shown with escapes and never stop a run.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = 0
    try:
        try:
            code = _run(arguments)
        finally:
            sys.stdout.flush()  # not left to the interpreter's end, where a fault would be a traceback
    except OSError as error:
        from realtime_ser.sinks.file_lines import silence_stdout

        if not isinstance(error, BrokenPipeError):  # that is the reader's choice
            complain(f"cannot write to standard output: {error.strerror or error}")
            code = code or SerError.exit_code
        silence_stdout()
    return code


def _run(arguments: Sequence[str] | None) -> int:
    options = commands.parse(arguments)
    command: Command = options.command
    try:
        # Signals are ours before anything heavy is imported: Ctrl-C during an import is easily lost in it.
        with (
            signals() if command.interruptible else contextlib.nullcontext(Interrupt()) as options.interrupt,
            native_stderr_silenced() if command.native else contextlib.nullcontext(),
        ):
            return command.run(options)
    except SerError as error:
        if options.verbose:
            traceback.print_exc()
        if not error.shown:
            complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in _STREAM_FAULTS:
            raise
        if options.verbose:
            traceback.print_exc()
        # A fault of ours: one line all the same, with the place that a report of it needs.
        complain(f"unexpected {_placed(error)}; please report it with the command that led to it")
        return SerError.exit_code


def _placed(error: Exception) -> str:
    """Kind, message and place of an exception."""
    where = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(where[-1].filename).name}:{where[-1].lineno}" if where else ""
    return f"{type(error).__name__}{place}: {error}"
