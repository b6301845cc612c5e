"""Hostile input by the thousand: what every run of the command line must keep to, and what broke it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("fuzz_worker.py")
# CPU time, so that a busy machine is no hang; one that waits for what never comes is given up after some real time.
HANG_S = 5.0
_GIVE_UP_S = 60.0
MOST_MB = 500.0
_LONGEST_MESSAGE = 1000


class Worker:
    """A process that runs the command line again and again; a crash or hang costs it, and the next run gets a new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1

    def run(self, arguments: list[str]) -> dict[str, Any]:
        """The answer of one run: code, stdout, stderr, seconds, rss_mb, and fault (a traceback, a signal or a hang) or None."""
        if self._process is None:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        process.stdin.flush()
        text, deadline = b"", time.monotonic() + _GIVE_UP_S
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._answers, 1 << 20) if ready else b""
            if not piece:
                return self._lost(process, hung=not ready)
            text += piece
        answer: dict[str, Any] = json.loads(text)
        return answer

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()
            os.close(self._answers)

    def _start(self) -> None:
        self._answers, theirs = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), str(theirs), str(self._folder)], stdin=subprocess.PIPE, pass_fds=[theirs], bufsize=0
        )
        os.close(theirs)

    def _lost(self, process: subprocess.Popen[bytes], *, hung: bool) -> dict[str, Any]:
        if hung:
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
            fault = "hang"
        else:
            fault = f"ended by signal {-process.wait()}"
        stacks = (self._folder / "stacks.txt").read_text()[-3000:]
        self.close()
        return {"code": None, "fault": f"{fault}\n{stacks}", "seconds": _GIVE_UP_S, "rss_mb": 0.0, "stdout": "", "stderr": ""}


@dataclass
class Tally:
    """What came out of many runs."""

    codes: dict[int, int] = field(default_factory=dict)
    slowest_s: float = 0.0
    most_mb: float = 0.0
    findings: list[str] = field(default_factory=list)

    def add(self, case: str, answer: dict[str, Any], named: str) -> bool:
        """Count one run; true when it kept every rule. ``named`` must stand in its message, if it gave one."""
        found = list(broken_rules(answer, named))
        self.findings += [f"{case}: {rule}" for rule in found]
        if answer["code"] is not None:
            self.codes[answer["code"]] = self.codes.get(answer["code"], 0) + 1
        self.slowest_s = max(self.slowest_s, answer["seconds"])
        self.most_mb = max(self.most_mb, answer["rss_mb"])
        return not found

    def report(self, what: str) -> str:
        """The figures in one line."""
        runs = sum(self.codes.values())
        codes = ", ".join(f"exit {code}: {count}" for code, count in sorted(self.codes.items()))
        return f"{what}: {runs} runs ({codes}), slowest {self.slowest_s:.2f} s, most {self.most_mb:.0f} MB"


def broken_rules(answer: dict[str, Any], named: str) -> list[str]:
    """The rules that a run broke, in words."""
    if answer["fault"]:
        return [f"fault: {answer['fault']}"]
    rules = []
    code, message = answer["code"], answer["stderr"]
    if code not in (0, 1, 2):
        rules.append(f"exit code {code}")
    if "Traceback" in message:
        rules.append(f"traceback: {message[-2000:]}")
    elif code == 0:
        if message:
            rules.append(f"a message and exit code 0: {message[:500]!r}")
    elif message.count("\n") != 1 or not message.startswith("realtime-ser: ") or len(message) > _LONGEST_MESSAGE:
        rules.append(f"not one line: {message[:500]!r}")
    elif named not in message:
        rules.append(f"does not name {named}: {message!r}")
    if answer["seconds"] > HANG_S:
        rules.append(f"took {answer['seconds']:.1f} s")
    if answer["rss_mb"] > MOST_MB:
        rules.append(f"took {answer['rss_mb']:.0f} MB")
    return rules + _broken_lines(answer["stdout"])


def _broken_lines(text: str) -> list[str]:
    """What is wrong with the JSON Lines on standard output."""
    rows = []
    for line in text.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            return [f"standard output is no JSON: {line[:200]!r}"]
    if not rows:
        return []
    summary = rows[-1]
    if rows[0]["type"] != "session" or summary["type"] != "summary":
        return [f"standard output is {rows[0]['type']} ... {summary['type']}"]
    parts = ("classified", "gated", "dropped", "pending")
    if summary["captured_samples"] != sum(summary[f"{part}_samples"] for part in parts):
        return [f"samples do not add up: {summary}"]
    return []
