"""A server in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


class Server:
    """``realtime-ser serve`` in a process of its own.

    Attributes
    ----------
    port, url, said : where it listens, its page's address, and what it printed
    """

    def __init__(self, *arguments: str | Path, env: dict[str, str] | None = None, port: int = 0) -> None:
        self._arguments, self._env = arguments, env
        self._start(port)

    def again(self) -> None:
        """Start one like it on the same port, after this one has ended."""
        assert self.process.stderr is not None
        self.process.stderr.close()
        self._start(self.port)

    def _start(self, port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "realtime_ser", "serve", "--port", str(port), *map(str, self._arguments)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(self._env or {})},
        )
        assert self.process.stderr is not None
        self.said: list[str] = []
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))
            if line.startswith("models"):
                break
        else:
            raise AssertionError(f"no server: {self.said}")
        self.url = self.said[0].split()[1].partition("#")[0]
        self.port = int(self.url.rstrip("/").rpartition(":")[2])

    @property
    def socket(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 20.0) -> tuple[int, str]:
        """Exit code and what was printed after the greeting."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            _, said = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert "Traceback" not in said, said
        return self.process.returncode, said
