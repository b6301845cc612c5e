"""What differs on Windows and macOS, with fakes where this machine is neither."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from command import SAMPLE, of_type, records, wait_for_lines
from realtime_ser.audio import file as audio_file
from realtime_ser.cli import process
from realtime_ser.errors import SinkError
from realtime_ser.records import Block, Notice, Session
from realtime_ser.sinks import console as plain
from realtime_ser.sinks import file_lines as lines
from realtime_ser.sinks import files, recorder
from realtime_ser.sinks.console import PlainSink
from realtime_ser.sinks.jsonl import JsonlSink
from realtime_ser.sinks.recorder import RecorderSink
from realtime_ser.sinks.report.sink import ReportSink

SESSION = Session("0", "tiny", ("a", "b"), 16000, 2.0, 0.25, "mic", "2026-01-01T00:00:00+00:00")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What our modules ask of ``sys`` and ``os`` is answered as on Windows; paths stay this machine's."""
    for module in (lines, plain, recorder):
        monkeypatch.setattr(module, "sys", SimpleNamespace(platform="win32", stdout=sys.stdout))
    for name in ("fchmod", "statvfs", "O_CLOEXEC"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(os, "O_BINARY", 0, raising=False)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    return monkeypatch


class _Signals(SimpleNamespace):
    """The ``signal`` module of a system with some signals and not others."""

    SIG_IGN, SIG_DFL = signal.SIG_IGN, signal.SIG_DFL

    def __init__(self, **numbers: int) -> None:
        super().__init__(**numbers)
        self.handlers: dict[int, Any] = dict.fromkeys(numbers.values(), self.SIG_DFL)

    def getsignal(self, number: int) -> Any:
        return self.handlers[number]

    def signal(self, number: int, handler: Any) -> Any:
        before, self.handlers[number] = self.handlers[number], handler
        return before


@pytest.mark.parametrize(
    "system",
    [
        _Signals(SIGINT=2, SIGTERM=15, SIGBREAK=21),  # Windows
        _Signals(SIGINT=2, SIGTERM=15, SIGHUP=1),
    ],
    ids=["windows", "posix"],
)
def test_every_signal_that_there_is_stops_and_is_given_back(system: _Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "signal", system)
    for number in list(system.handlers):
        stopped = []
        with (
            process.signals() as interrupt,
            interrupt.stopping(SimpleNamespace(stop=lambda stopped=stopped: stopped.append(1))),
        ):
            system.handlers[number](number, None)
            assert stopped == [1]
            assert interrupt.happened
            hang_up = number == getattr(system, "SIGHUP", None)
            with contextlib.nullcontext() if hang_up else pytest.raises(KeyboardInterrupt):
                system.handlers[number](number, None)
        assert system.handlers.pop(number) == (signal.SIG_IGN if hang_up else signal.SIG_DFL)
        assert set(system.handlers.values()) <= {signal.SIG_DFL}
        system.handlers[number] = signal.SIG_DFL


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_nohup_stays_in_force(tmp_path: Path, bundles: dict[str, Path]) -> None:
    out = tmp_path / "out.jsonl"
    command = [
        sys.executable,
        "-m",
        "realtime_ser",
        "replay",
        str(SAMPLE),
        "--model",
        str(bundles["flatstats"]),
        "--jsonl",
        str(out),
    ]
    process = subprocess.Popen(
        ["nohup", *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_lines(out, 2, kind="window")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    before = len(of_type(wait_for_lines(out, 1), "window"))
    wait_for_lines(out, before + 2, kind="window")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 130
    assert records(out.read_text())[-1]["type"] == "summary"


def test_outputs_are_written_without_posix_calls(windows: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # On Windows soundfile takes a str; here it takes both.
    with (
        contextlib.closing(RecorderSink(tmp_path / "heard.flac")) as record,
        contextlib.closing(JsonlSink(tmp_path / "o.jsonl")) as log,
        contextlib.closing(ReportSink(tmp_path / "r.html")) as report,
    ):
        for sink in (record, log, report):
            sink.write(SESSION)
            sink.write(Block(np.full(20_000, 0.25, np.float32), 16000, 0))
            sink.write(Notice("xrun", "x"))
    assert soundfile.info(tmp_path / "heard.flac").frames == 20_000
    assert len(records((tmp_path / "o.jsonl").read_text())) == 2
    assert (tmp_path / "r.html").read_text().rstrip().endswith("</html>")


def test_text_is_not_translated_on_windows(windows: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    real = os.open
    windows.setattr(os, "O_BINARY", 1 << 30, raising=False)
    windows.setattr(os, "open", lambda path, flags, *mode: asked.append(flags) or real(path, flags & ~(1 << 30), *mode))
    for new in (True, False):
        fd, is_new = files.open_untouched(tmp_path / "x")
        os.close(fd)
        assert is_new == new
    assert all(flags & 1 << 30 for flags in asked)
    assert len(asked) == 3


def test_a_reader_that_left_on_windows(windows: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        encoding = "cp1252"

        def flush(self) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

    windows.setattr(plain, "silence_stdout", lambda: None)
    sink = PlainSink(Gone())
    with pytest.raises(SinkError) as error:
        sink.write(SESSION)
    assert error.value.closed_by_reader


def test_a_full_disk_without_statvfs_is_still_said(windows: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sink = RecorderSink(tmp_path / "heard.wav")
    windows.setattr(recorder.soundfile.SoundFile, "write", _refuse)
    with pytest.raises(SinkError, match=r"heard\.wav: .*check the disk and the path"):
        sink.write(Block(np.zeros(20_000, np.float32), 16000, 0))
    sink.close()


def _refuse(*_: Any) -> None:
    raise soundfile.LibsndfileError(2)


def test_a_report_that_another_program_holds_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows does not replace an open file: the old report stays whole and nothing is left beside it."""
    path = tmp_path / "r.html"
    path.write_text("the old one")
    sink = ReportSink(path)
    sink.write(SESSION)

    def held(self: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "The process cannot access the file", str(target))

    monkeypatch.setattr(Path, "replace", held)
    with pytest.raises(SinkError, match=r"cannot write .*r\.html"):
        sink.close()
    assert path.read_text() == "the old one"
    assert os.listdir(tmp_path) == ["r.html"]  # noqa: PTH208


def test_files_are_opened_by_text_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "größe 聲.wav"
    soundfile.write(path, np.zeros(16000, np.float32), 16000)
    opened = []
    real = soundfile.SoundFile
    monkeypatch.setattr(audio_file, "os", SimpleNamespace(**{**vars(os), "name": "nt"}))
    monkeypatch.setattr(soundfile, "SoundFile", lambda name, **options: opened.append(name) or real(name, **options))
    with audio_file.FileSource(path) as source:
        assert sum(len(block.samples) for block in source.blocks()) == 16000
    assert not isinstance(opened[0], bytes)


def test_a_terminal_that_cannot_show_every_character() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    sink = PlainSink(stream)
    sink.write(Session("0", "tiny", ("怒",), 16000, 2.0, 0.25, "Mikrofon (聲) ü", "2026-01-01T00:00:00+00:00"))
    stream.flush()
    shown = stream.buffer.getvalue().decode("cp1252")
    assert "Mikrofon (?) ü" in shown


@pytest.mark.parametrize("stderr", [None, io.StringIO()], ids=["pythonw", "notebook"])
def test_native_chatter_is_silenced_only_where_there_is_a_descriptor(stderr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program without a console has no standard error, and a notebook's is no descriptor: neither may be replaced."""
    monkeypatch.setattr(sys, "stderr", stderr)
    with process.native_stderr_silenced():
        assert sys.stderr is stderr
    assert sys.stderr is stderr


def test_no_standard_error_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: int) -> int:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with process.native_stderr_silenced():
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
def test_with_standard_output_closed_no_output_takes_its_place(bundles: dict[str, Path], tmp_path: Path) -> None:
    command = f"{sys.executable} -m realtime_ser replay {SAMPLE} --speed max --duration 3 --model {bundles['flatstats']}"
    result = subprocess.run(["sh", "-c", f"{command} --jsonl {tmp_path}/o.jsonl >&- 2>&-"], check=False, timeout=120)
    assert result.returncode == 0
    rows = records((tmp_path / "o.jsonl").read_text())
    assert rows[-1]["type"] == "summary"


def test_without_standard_output_and_error_nothing_is_said_and_nothing_breaks(bundles: dict[str, Path], tmp_path: Path) -> None:
    """As ``pythonw`` runs on Windows, or a service does."""
    program = f"""
import sys
sys.stdout = sys.stderr = None
from realtime_ser.cli.main import main
sys.exit(main(["replay", {str(SAMPLE)!r}, "--speed", "max", "--duration", "3", "--model", {str(bundles["flatstats"])!r},
               "--jsonl", {str(tmp_path / "o.jsonl")!r}]))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    assert records((tmp_path / "o.jsonl").read_text())[-1]["type"] == "summary"
