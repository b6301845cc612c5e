"""Run the command line as a user does: a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parents[1] / "realtime_ser" / "sample" / "demo.flac"
_TIMEOUT_S = 120


def realtime_ser(
    *arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end; nothing may be left on standard input, and no traceback may ever show."""
    result = subprocess.run(
        [sys.executable, "-m", "realtime_ser", *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        env=None if env is None else {**os.environ, **env},
        cwd=cwd,
        check=False,
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result


def start(*arguments: str | Path, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    """Start in the background, with pipes for both outputs by default."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen(
        [sys.executable, "-m", "realtime_ser", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        env=None if env is None else dict(env),
        preexec_fn=_hear_hang_up if os.name == "posix" else None,
        **pipes,
    )


def _hear_hang_up() -> None:
    # A test run under nohup hands down an ignored SIGHUP, and the program respects that.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def interrupt(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str, str]:
    """Send a signal and wait: exit code, standard output, standard error."""
    process.send_signal(number)
    out, err = process.communicate(timeout=_TIMEOUT_S)
    assert "Traceback" not in (err or ""), err
    return process.returncode, out or "", err or ""


def records(text: str) -> list[dict[str, Any]]:
    """The objects of JSON Lines; every line must be one."""
    return [json.loads(line) for line in text.splitlines()]


def of_type(rows: Sequence[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    """Those of one type."""
    return [row for row in rows if row["type"] == kind]


def wait_for_lines(path: Path, count: int, *, kind: str | None = None, timeout_s: float = 60.0) -> list[dict[str, Any]]:
    """Wait until a JSONL file that is being written holds ``count`` lines (of one type)."""
    deadline = time.monotonic() + timeout_s
    rows: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        if path.exists():
            rows = [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            if len([row for row in rows if kind in (None, row["type"])]) >= count:
                return rows
        time.sleep(0.05)
    raise AssertionError(f"only {len(rows)} lines in {path} after {timeout_s} s: {rows[-3:]}")


def assert_accounted(summary: Mapping[str, Any]) -> None:
    """Nothing is lost in silence."""
    parts = ("classified_samples", "gated_samples", "dropped_samples", "pending_samples")
    assert summary["captured_samples"] == sum(summary[part] for part in parts), summary
