"""No name from outside, of a file or a device, does harm in a terminal, a file or a page."""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command import SAMPLE, realtime_ser, records
from fake_portaudio import write_fake_portaudio

# Window title, colours, cursor, rich markup, HTML, line breaks, C1 controls, a reversed reading direction, half a UTF-16 pair.
HOSTILE = "\x1b]0;owned\x07\x1b[2J[bold red]x[/] </td><script>document.title='owned'</script>\n\r\x9b31m\u202egnp\udcff\u2028"


def _hostile_recording(folder: Path) -> Path:
    """The sample under a name of bytes that are no UTF-8, without "/" in it."""
    name = os.fsencode(HOSTILE.replace("/", "⁄")) + b".flac"
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    path.write_bytes(SAMPLE.read_bytes())
    return path


def _assert_harmless(text: str) -> None:
    assert "\x1b]" not in text, "a terminal title was set"
    assert "\x07" not in text
    assert "\x9b" not in text
    assert "\u202e" not in text
    assert "\x1b[2J[bold" not in text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file systems there refuse such names")
def test_a_hostile_file_name(tmp_path: Path, bundles: dict[str, Path]) -> None:
    path = _hostile_recording(tmp_path)
    run: list[str | Path] = ["replay", path, "--speed", "max", "--duration", "3", "--model", bundles["flatstats"]]
    plain = realtime_ser(*run, "--report", tmp_path / "r.html", "--csv", tmp_path / "o.csv")
    assert plain.returncode == 0
    assert "\x1b" not in plain.stdout + plain.stderr
    assert "[bold red]x" in plain.stdout, "markup is shown, not obeyed"
    _assert_harmless(plain.stdout)
    lines = realtime_ser(*run, "--jsonl", "-").stdout
    assert lines.isascii()
    assert lines.isprintable() or set(re.findall(r"[^\x20-\x7e]", lines)) == {"\n"}
    assert records(lines)[0]["source"].endswith(".flac")
    page = (tmp_path / "r.html").read_text()
    assert "<script" not in page
    _assert_harmless(page)
    table = (tmp_path / "o.csv").read_text()
    _assert_harmless(table)
    assert "\x1b" not in table
    path.write_bytes(b"no audio")
    failed = realtime_ser(*run)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "\x1b" not in failed.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="needs a POSIX terminal and such names")
def test_a_hostile_name_in_the_dashboard(tmp_path: Path, bundles: dict[str, Path]) -> None:
    path = _hostile_recording(tmp_path)
    command = [sys.executable, "-m", "realtime_ser", "replay", path, "--speed", "4", "--duration", "6"]
    screen = _in_a_terminal([*command, "--model", str(bundles["flatstats"])])
    assert "[bold red]x" in screen
    _assert_harmless(screen)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["monitor", "devices", "doctor"])
def test_a_hostile_device_name(command: str, tmp_path: Path, bundles: dict[str, Path]) -> None:
    write_fake_portaudio(tmp_path, HOSTILE)
    env = {"PYTHONPATH": str(tmp_path), "COLUMNS": "200"}
    options = ["--duration", "2", "--model", bundles["flatstats"], "--report", tmp_path / "r.html"]
    result = realtime_ser(command, *(options if command == "monitor" else []), env=env)
    assert result.returncode in ((0, 1) if command == "doctor" else (0,)), result.stderr
    assert "[bold red]x" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr
    _assert_harmless(result.stdout)
    if command == "monitor":
        assert "<script" not in (tmp_path / "r.html").read_text()


def _in_a_terminal(command: list[Any]) -> str:
    """What a program draws on a terminal of 100 x 30."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    env = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    drawn = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # Linux says EIO when the last writer is gone
            break
        if not piece:
            break
        drawn += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return drawn.decode("utf-8", "replace")


class _Listener(http.server.ThreadingHTTPServer):
    """Counts the requests that arrive."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listener.paths.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def listener() -> Iterator[_Listener]:
    server = _Listener()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _browse(page: Path, profile: Path) -> str:
    """The page's DOM after everything that a browser does with it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here: what a browser does with the report was not looked at")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--disable-background-networking", "--virtual-time-budget=3000", f"--user-data-dir={profile}"]
    dumped = profile.with_suffix(".dom")
    # Its helper processes would keep a pipe open, and outlive it: a file, and an end for the whole group.
    with dumped.open("wb") as output:
        process = subprocess.Popen(
            [chromium, *options, "--dump-dom", page.as_uri()], stdout=output, stderr=subprocess.DEVNULL, start_new_session=True
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    dom = dumped.read_text("utf-8")
    if "</html>" not in dom:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("Chromium gave no page within a minute: what a browser does with the report was not looked at")
    return dom


@pytest.mark.slow
def test_a_browser_runs_nothing_and_asks_nobody(listener: _Listener, make_bundle: Any, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{listener.server_address[1]}"
    evil = (
        f"'\"></style></title></svg></td><script>document.title='owned';fetch('{address}/script')</script>"
        f"<img src='{address}/image' onerror=\"document.title='owned'\"><svg onload=\"document.title='owned'\">"
        f"<link rel=stylesheet href='{address}/style'><iframe src='{address}/frame'></iframe>"
    )
    control = tmp_path / "control.html"
    control.write_text(f"<!doctype html><html><head><title>x</title></head><body>{evil}</body></html>")
    dom = _browse(control, tmp_path / "first")
    assert "<title>owned</title>" in dom, "the control page must be able to do what the report must not"
    assert {"/script", "/image"} <= set(listener.paths)
    listener.paths.clear()

    card = make_bundle(
        *("flatstats",),
        name=f"tiny {evil}",
        labels=[f"{label}{evil}" for label in ("neutral", "happy", "sad", "angry")],
        headline=evil,
        licence=evil,
        **{f"key {evil}": {evil: [evil, {evil: evil}]}},
    )
    recording = tmp_path / "talk.flac"
    recording.write_bytes(SAMPLE.read_bytes())
    if sys.platform not in ("win32", "darwin"):
        recording = recording.rename(tmp_path / "'\"><script>document.title='owned'<⁄script><img src=x onerror=alert(1)>.flac")
    report = tmp_path / "report.html"
    result = realtime_ser("replay", recording, "--speed", "max", "--model", card, "--report", report, "--duration", "8")
    assert result.returncode == 0, result.stderr
    dom = _browse(report, tmp_path / "second")
    assert "<title>owned</title>" not in dom
    assert listener.paths == []
    assert not re.search(r"<(script|img|iframe|link|object|embed|form|base)\b", dom), "an element that the report never makes"
    assert not re.search(r"<[^>]*\son\w+\s*=", re.sub(r'"[^"]*"', '""', dom)), "an event handler"
    assert "nobody speaks" in dom or "Seconds" in dom, "the report itself is there"
