"""Start-up time and memory, measured on fresh processes because this process has already loaded everything."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from realtime_ser.config import Config
from realtime_ser.errors import SourceError

_REPLAY_S = 60.0
# A small process starts the measured one and reads its peak, because Linux counts the starting process's memory towards the
# peak of the program that it starts.
_PEAK = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
sys.exit(child.returncode)
"""


def measure_processes(config: Config, audio: Path, launches: int) -> dict[str, Any]:
    """``startup_s`` (median of ``launches``), ``startup_max_s`` and ``rss_mb``; see ``run_bench``.

    Raises
    ------
    SourceError : the replay failed or gave no estimate
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings.yaml"
        settings.write_text(json.dumps(config.as_dict()), encoding="utf-8")  # JSON is YAML
        command = [sys.executable, "-m", "realtime_ser", "replay", str(audio), "--speed", "max", "--jsonl", "-"]
        command += ["--config", str(settings), "--duration", str(_REPLAY_S)]
        starts = [_seconds_to_first_estimate(command) for _ in range(launches)]
        return {"startup_s": median(starts), "startup_max_s": max(starts), "rss_mb": _peak_mb(command)}


def describe_machine() -> dict[str, Any]:
    """The machine, the versions and the load (``load``: runnable processes over the last minute)."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _seconds_to_first_estimate(command: list[str]) -> float:
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith(b'{"type":"window"') or json.loads(line)["type"] == "window":
                taken = time.perf_counter() - start
                process.kill()
                return taken
        reason = _last_line(process.stderr.read())
    raise SourceError(f"a fresh replay gave no estimate: {reason or 'the recording is too short'}")


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _peak_mb(command: list[str]) -> float | None:
    if sys.platform == "win32":
        return None  # Windows has no wait4
    done = subprocess.run([sys.executable, "-S", "-c", _PEAK, *command], capture_output=True, check=False)
    if done.returncode != 0:
        raise SourceError(f"a fresh replay failed: {_last_line(done.stderr)}")
    return int(done.stdout) / 1e6
