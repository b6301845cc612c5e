"""What belongs to the process: descriptors are given back, and faults of ours are one line."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from command import SAMPLE, assert_accounted, realtime_ser, records
from realtime_ser.audio.source import Source
from realtime_ser.cli.process import Interrupt, signals


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_only_a_second_wish_ends_at_once() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with signals() as interrupt:
            for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
                signal.raise_signal(number)
                assert interrupt.happened
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        # A late one does not end the process with another exit code.
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with signals():
            pass
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, hang_up)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_a_source_is_stopped_once() -> None:
    class Counting:
        stops = 0

        def stop(self) -> None:
            self.stops += 1
            if self.stops == 1:
                interrupt(signal.SIGHUP, None)  # in the midst of it

    interrupt, source = Interrupt(), Counting()
    with interrupt.stopping(cast(Source, source)):
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
            interrupt(number, None)
    assert source.stops == 1


_CLOSED_PIPE = """
import os, sys
from realtime_ser.cli.main import main
read, write = os.pipe()
os.dup2(write, 1); os.close(write); os.close(read)
codes = [main(["models", "--json"])]
before = len(os.listdir("/proc/self/fd"))  # what libraries open once is open now
codes += [main(["models", "--json"]) for _ in range(2)]
for _ in range(3):
    from realtime_ser.sinks.file_lines import silence_stdout
    silence_stdout()
sys.stderr.write(f"{codes} {len(os.listdir('/proc/self/fd')) - before}")
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_closed_pipe_leaves_no_descriptor_behind() -> None:
    result = subprocess.run([sys.executable, "-c", _CLOSED_PIPE], capture_output=True, text=True, timeout=60, check=False)
    assert result.stderr == "[0, 0, 0] 0"


_BROKEN_SINK = """
import sys
from realtime_ser.sinks.csv_file import CsvSink
from realtime_ser.sinks.report.sink import ReportSink
def broken(self, *_):
    raise TypeError("a fault\\nin two lines")
{patch}
from realtime_ser.cli.main import main
sys.exit(main({arguments!r}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("patch", ["CsvSink.write = broken", "CsvSink.close = broken", "ReportSink.close = broken"])
def test_a_sink_that_raises_anything_loses_nothing_of_the_others(patch: str, tmp_path: Path, bundles: dict[str, Path]) -> None:
    out = {name: str(tmp_path / f"o.{name}") for name in ("jsonl", "csv", "flac", "html")}
    arguments = ["replay", str(SAMPLE), "--speed", "max", "--duration", "4", "--model", str(bundles["flatstats"])]
    arguments += ["--csv", out["csv"], "--jsonl", out["jsonl"], "--record", out["flac"], "--report", out["html"]]
    program = _BROKEN_SINK.format(patch=patch, arguments=arguments)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1, result.stderr
    assert "TypeError: a fault in two lines" in result.stderr
    assert out["csv" if "Csv" in patch else "html"] in result.stderr
    rows = records(Path(out["jsonl"]).read_text())
    assert_accounted(rows[-1])
    assert rows[-1]["captured_samples"] == 64000
    assert Path(out["flac"]).stat().st_size > 10_000
    if "Csv" in patch:
        assert Path(out["html"]).read_text().rstrip().endswith("</html>")


def test_an_unexpected_fault_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import realtime_ser.model.classifier as model\n"
        "def broken():\n    raise KeyError('x\\ny')\n"
        "model.list_bundles = broken\n"
    )
    result = realtime_ser("models", env={"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "unexpected KeyError in sitecustomize.py:3" in result.stderr
