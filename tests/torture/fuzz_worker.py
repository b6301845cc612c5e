"""The command line, many times in one process: reads JSON arguments from standard input, answers on the descriptor it is given.

Faults of the process itself (a crash in a native library, a hang) are seen by ``fuzz.py``, which runs this.
"""

from __future__ import annotations

import copy
import faulthandler
import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

# What a run may take beyond an idle worker. Address space is more than memory, so this is the stricter measure.
_EXTRA_BYTES = 500 * 2**20


def main(answers: int, folder: Path) -> None:
    """Serve until standard input ends."""
    from realtime_ser.cli.main import main as command_line

    _remember_what_no_input_changes()
    log = (folder / "stacks.txt").open("w")
    faulthandler.enable(log)
    faulthandler.register(signal.SIGUSR1, log)
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    captured = {name: (folder / name).open("w+b", buffering=0) for name in ("stdout", "stderr")}
    os.dup2(captured["stdout"].fileno(), 1)
    os.dup2(captured["stderr"].fileno(), 2)
    limited = False
    for line in requests:
        answer = _run(command_line, json.loads(line), captured)
        os.write(answers, (json.dumps(answer) + "\n").encode())
        if not limited:
            # The first run has loaded everything that loads late (the voice detector, for one).
            _limit()
            limited = True


def _remember_what_no_input_changes() -> None:
    """Load the voice detector and the shipped settings once: they are half of a short run's time."""
    from realtime_ser import config
    from realtime_ser.engine import gate

    detector, shipped = gate.SileroDetector(), str(config.resource("config.yaml"))
    read, values = config.read_yaml, config.read_yaml(config.resource("config.yaml"))

    def fresh() -> gate.SileroDetector:
        detector.reset()
        return detector

    gate.SileroDetector = fresh  # type: ignore[assignment, misc]
    config.read_yaml = lambda path, *rest: copy.deepcopy(values) if str(path) == shipped else read(path, *rest)


def _run(command_line: Any, arguments: list[str], captured: dict[str, Any]) -> dict[str, Any]:
    for file in captured.values():
        file.seek(0)
        file.truncate()
    fault = None
    began = time.process_time()
    try:
        code = command_line(arguments)
    except SystemExit as end:
        code = end.code
    except BaseException:
        code, fault = None, traceback.format_exc()
    seconds = time.process_time() - began
    sys.stdout.flush()
    sys.stderr.flush()
    texts = {}
    for name, file in captured.items():
        file.seek(0)
        texts[name] = file.read().decode("utf-8", "backslashreplace")
    rss_mb = _peak_mb()
    return {"code": code, "fault": fault, "seconds": seconds, "rss_mb": rss_mb, **texts}


def _peak_mb() -> float:
    # Not getrusage: its maximum is handed down by the process that started this one, and a test run is a large one.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _limit() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + _EXTRA_BYTES, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
