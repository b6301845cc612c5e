"""A real audio server that fails at random moments, and monitors that outlive it."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audio_server import PulseServer, pulse_server
from command import SAMPLE, assert_accounted, of_type, records, start, wait_for_lines

pytestmark = [pytest.mark.audio_server, pytest.mark.slow]
__all__ = ["pulse_server"]

RESUME_S = 2.0
# What a busy machine may take longer.
_SLACK_S = 0.5
SEED = int(os.environ.get("TORTURE_SEED", "1"))


class Watch:
    """Follows a JSONL file as it grows and notes when each line came."""

    def __init__(self, path: Path) -> None:
        self.rows: list[tuple[float, dict[str, Any]]] = []
        self._path = path
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._path.exists():
            if self._done.wait(0.01):
                return
        with self._path.open() as file:
            rest = ""
            while not self._done.wait(0.01):
                rest += file.read()
                *lines, rest = rest.split("\n")
                self.rows += [(time.monotonic(), json.loads(line)) for line in lines]

    def first_window(self, after: float, timeout_s: float) -> float | None:
        """When the first window came that ends with audio captured after a moment; None when none does in time.

        A window that comes after the moment may still be the rest of what was heard before a pause.
        """
        while time.monotonic() < after + timeout_s:
            for came, row in list(self.rows):
                if row["type"] == "window" and came - row["latency_ms"] / 1000 > after:
                    return came
            time.sleep(0.02)
        return None

    def close(self) -> None:
        self._done.set()
        self._thread.join()


class Trouble:
    """What may happen to an audio server; each returns the moment at which the device was there again."""

    def __init__(self, server: PulseServer, luck: random.Random) -> None:
        self._server = server
        self._luck = luck
        self._defaults = itertools.cycle(["other.monitor", "virtual.monitor"])

    def _pause(self) -> None:
        time.sleep(self._luck.uniform(0.2, 3.0))

    def killed_and_restarted(self) -> float:
        self._server.kill()
        self._pause()
        self._server.start()
        return time.monotonic()

    def unloaded_and_loaded(self) -> float:
        self._server.unplug("virtual")
        self._pause()
        self._server.plug("virtual")
        return time.monotonic()

    def all_unloaded_and_loaded(self) -> float:
        self._server.unplug("other")
        self._server.unplug("virtual")
        self._pause()
        self._server.plug("virtual")
        returned = time.monotonic()
        self._server.plug("other")
        return returned

    def sinks_suspended_and_resumed(self) -> float:
        for sink in ("virtual", "other"):
            self._server.pactl("suspend-sink", sink, "1")
        self._pause()
        for sink in ("virtual", "other"):
            self._server.pactl("suspend-sink", sink, "0")
        return time.monotonic()

    def source_suspended_and_resumed(self) -> float:
        # A sink's monitor cannot be suspended on its own. What everybody hears becomes a source that can be.
        if "\tdesk\t" not in self._server.pactl("list", "short", "sources"):
            self._server.pactl("load-module", "module-remap-source", "source_name=desk", "master=virtual.monitor")
        self._server.pactl("set-default-source", "desk")
        time.sleep(0.5)  # the streams move there
        self._server.pactl("suspend-source", "desk", "1")
        self._pause()
        self._server.pactl("suspend-source", "desk", "0")
        return time.monotonic()

    def default_changed(self) -> float:
        self._server.pactl("set-default-source", next(self._defaults))
        return time.monotonic()

    def frozen_and_thawed(self) -> float:
        assert self._server.pid is not None
        os.kill(self._server.pid, signal.SIGSTOP)
        self._pause()
        assert self._server.pid is not None
        os.kill(self._server.pid, signal.SIGCONT)
        return time.monotonic()


@pytest.fixture
def speaker(pulse_server: PulseServer) -> Iterator[None]:
    """Somebody speaks, whatever happens to the server."""
    done = threading.Event()

    def play() -> None:
        while not done.is_set():
            player = pulse_server.play(SAMPLE)
            while player.poll() is None and not done.wait(0.1):
                pass
            player.kill()
            player.wait()
            done.wait(0.3)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("speaker")
def test_a_monitor_outlives_its_server(pulse_server: PulseServer, tmp_path: Path, torture: Any) -> None:
    seconds = torture.pick(40.0, 180.0)
    out, heard = tmp_path / "out.jsonl", tmp_path / "heard.flac"
    env = {name: value for name, value in pulse_server.env.items() if name != "PULSE_SOURCE"}
    luck = random.Random(SEED)
    trouble = Trouble(pulse_server, luck)
    kinds = [name for name in dir(Trouble) if not name.startswith("_")]
    luck.shuffle(kinds)
    process = start(
        *("monitor", "--duration", str(seconds), "--jsonl", out, "--record", heard, "--no-dashboard", "--retry-for", "30"),
        env=env,
        stdout=subprocess.DEVNULL,
    )
    watch = Watch(out)
    figures: list[tuple[str, float, float | None, float | None]] = []
    try:
        wait_for_lines(out, 2, kind="window")
        began = time.monotonic()
        for kind in itertools.cycle(kinds):
            if time.monotonic() - began > seconds - 9:
                break
            time.sleep(luck.uniform(0.2, 2.0))
            struck = time.monotonic()
            returned = getattr(trouble, kind)()
            # Where the server moved the stream to another device, or it was only still for a moment, nothing says "back".
            window = watch.first_window(returned, 10.0)
            assert window is not None, f"{kind}: no window within 10 s of the device's return; {watch.rows[-3:]}"
            back = [came for came, row in watch.rows if row.get("kind") == "device_back" and came > struck]
            figures.append((kind, returned - struck, back[-1] - returned if back else None, window - returned))
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        watch.close()
        for figure in figures:
            print(*figure)
    assert process.returncode == 0, errors
    rows = records(out.read_text())
    summary = rows[-1]
    assert summary["type"] == "summary"
    assert_accounted(summary)
    for kind, away, back, window in figures:
        assert back is None or back <= RESUME_S, (kind, away, back, window)
        # After a gap a window needs its shortest second of new audio and a hop, which leaves the device the rest.
        assert window <= RESUME_S + _SLACK_S, (kind, away, back, window)
    # The timeline is real time, absences included.
    wall_s = watch.rows[-1][0] - watch.rows[0][0]
    assert summary["captured_samples"] / rows[0]["sample_rate"] == pytest.approx(wall_s, abs=2.0)
    lost, returned = (sum(row["kind"] == kind for row in of_type(rows, "event")) for kind in ("device_lost", "device_back"))
    assert lost == returned
    print("summary", summary, "wall", wall_s)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("speaker")
def test_two_monitors_do_not_disturb_each_other(pulse_server: PulseServer, tmp_path: Path, torture: Any) -> None:
    """One listens all the time; another comes and goes, on the same device and on another, politely and killed."""
    steady = tmp_path / "steady.jsonl"
    seconds = torture.pick(14.0, 60.0)
    listener = start("monitor", "--duration", str(seconds), "--jsonl", steady, "--no-dashboard", env=pulse_server.env)
    try:
        wait_for_lines(steady, 2, kind="window")
        began = time.monotonic()
        for number, device in enumerate(itertools.cycle(["default", "virtual_mic", "other_mic"])):
            if time.monotonic() - began > seconds - 6:
                break
            out = tmp_path / f"{number}.jsonl"
            guest = start("monitor", "--device", device, "--jsonl", out, "--no-dashboard", env=pulse_server.env)
            try:
                wait_for_lines(out, 2, kind="window")
                guest.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
                guest.communicate(timeout=30)
            finally:
                guest.kill()
                guest.communicate()
            assert not of_type(records(out.read_text()), "event")
        _, errors = listener.communicate(timeout=60)
    finally:
        listener.kill()
        listener.communicate()
    assert number >= 1, "no guest ever came"
    assert listener.returncode == 0, errors
    rows = records(steady.read_text())
    assert_accounted(rows[-1])
    assert of_type(rows, "event") == []
    assert rows[-1]["dropped_samples"] == 0


@pytest.mark.usefixtures("speaker")
def test_a_pause_too_short_for_a_lost_device_is_counted(pulse_server: PulseServer, tmp_path: Path) -> None:
    """The system reports no overflow for it, and yet nobody heard what was said meanwhile."""
    out = tmp_path / "out.jsonl"
    process = start("monitor", "--duration", "8", "--jsonl", out, "--no-dashboard", env=pulse_server.env)
    try:
        wait_for_lines(out, 2, kind="window")
        pulse_server.pactl("suspend-sink", "virtual", "1")
        time.sleep(1.0)
        pulse_server.pactl("suspend-sink", "virtual", "0")
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    rows = records(out.read_text())
    assert_accounted(rows[-1])
    assert of_type(rows, "event") == []
    assert 0.8 <= rows[-1]["dropped_samples"] / rows[0]["sample_rate"] <= 2.5
