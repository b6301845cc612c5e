"""A program that ends while a generator over a source is still bound: it ends at once and in order."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from audio_server import PulseServer, pulse_server

pytestmark = pytest.mark.timeout(90)
__all__ = ["pulse_server"]

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "realtime_ser" / "sample" / "demo.flac"

# Registered first, so it runs last: who still reads the microphone then?
PRELUDE = """
import atexit, subprocess
def readers():
    listed = subprocess.run(["pactl", "list", "short", "source-outputs"], capture_output=True, text=True, timeout=20).stdout
    print("readers left:", len(listed.splitlines()), flush=True)
atexit.register(readers)
from realtime_ser import stream
"""
PROGRAMS = {
    "bound": "estimates = stream(mic=True)\nnext(estimates)\nreaders()\n",
    "break": "estimates = stream(mic=True)\nfor estimate in estimates:\n    break\nreaders()\n",
    "cycle": "class Kept: pass\nkept = Kept()\nkept.itself, kept.estimates = kept, stream(mic=True)\nnext(kept.estimates)\n"
    "del kept\nreaders()\n",
    "daemon thread": "import threading\nready = threading.Event()\ndef work():\n    for estimate in stream(mic=True):\n"
    "        ready.set()\nthreading.Thread(target=work, daemon=True).start()\nready.wait(30)\nreaders()\n",
    "thread pool": "from concurrent.futures import ThreadPoolExecutor\nestimates = stream(mic=True)\n"
    "pool = ThreadPoolExecutor(1)\npool.submit(next, estimates).result()\nreaders()\n",
}


def end(program: str, env: dict[str, str] | None = None) -> tuple[list[str], float]:
    """Run a program that prints a line when it is about to end: all lines, and seconds from that line to the end."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        late = threading.Timer(30, process.kill)
        late.start()
        try:
            first = process.stdout.readline()
            since = time.monotonic()
            # Not communicate(): it would miss a line that came with the first one.
            rest = process.stdout.read()
            process.wait()
        finally:
            late.cancel()
            process.kill()
        errors.seek(0)
        assert (process.returncode, errors.read()) == (0, "")
    return [first.strip(), *rest.splitlines()], time.monotonic() - since


@pytest.mark.audio_server
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_microphone_is_closed_and_the_program_ends(pulse_server: PulseServer, name):
    lines, took_s = end(PRELUDE + PROGRAMS[name], pulse_server.env)
    assert lines == ["readers left: 1", "readers left: 0"]
    assert took_s < 5.0


@pytest.mark.audio_server
def test_a_frozen_server_does_not_keep_the_program_from_ending(pulse_server: PulseServer):
    freeze = f"import os, signal\nestimates = stream(mic=True)\nnext(estimates)\nos.kill({pulse_server.pid}, signal.SIGSTOP)\n"
    _, took_s = end(f"from realtime_ser import stream\n{freeze}print('frozen', flush=True)\n", pulse_server.env)
    assert took_s < 8.0


@pytest.mark.slow
def test_a_file_at_the_pace_of_a_microphone_too():
    program = f"from realtime_ser import stream\nestimates = stream({str(SAMPLE)!r}, speed=1)\nnext(estimates)\nprint('end')\n"
    lines, took_s = end(program, dict(os.environ))
    assert lines == ["end"]
    assert took_s < 5.0
