"""The microphone for real: PortAudio on a PulseAudio server whose sink the test plays into."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_server import PulseServer, pulse_server

pytestmark = [pytest.mark.audio_server, pytest.mark.timeout(90)]
__all__ = ["pulse_server"]

ROOT = Path(__file__).parents[2]

# Runs in its own process, as PortAudio reads its environment once. Prints a line for each notice and each tenth of a second.
LISTENER = """
import json, sys, time
import numpy as np
from realtime_ser.audio.microphone import MicSource
from realtime_ser.config import CaptureConfig
from realtime_ser.errors import SerError
from realtime_ser.records import Notice

device, seconds, retry_for_s = sys.argv[1] or None, float(sys.argv[2]), float(sys.argv[3])

def say(kind, **values):
    print(json.dumps({"kind": kind, "now": time.monotonic(), **values}), flush=True)

try:
    with MicSource(device, CaptureConfig(retry_for_s=retry_for_s, stall_s=1.0)) as source:
        say("open", name=source.name, rate=source.rate)
        held, start, until = [], 0, time.monotonic() + seconds
        for item in source.blocks():
            if isinstance(item, Notice):
                held = []
                say(item.kind, message=item.message, at_s=item.at_s)
                continue
            if not held:
                start = item.start
            held.append(item.samples)
            heard = np.concatenate(held)
            if len(heard) >= source.rate / 10:
                spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
                say("heard", start=start, end=item.end, captured_at=item.captured_at, xruns=item.xruns,
                    rms=float(np.sqrt(np.mean(heard**2))), hz=float(np.argmax(spectrum) * source.rate / len(heard)))
                held = []
            if time.monotonic() > until:
                source.stop()
        say("done")
except SerError as error:
    say("error", message=str(error), code=error.exit_code)
"""


class Listener:
    """A process that hears the server's microphone, and what it says."""

    def __init__(self, server: PulseServer, device="", seconds=60.0, retry_for_s=20.0):
        command = [sys.executable, "-c", LISTENER, device, str(seconds), str(retry_for_s)]
        self.process = subprocess.Popen(
            command, env=server.env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.said: list[dict] = []
        self._queue: queue.Queue[dict | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def until(self, condition, timeout=15.0):
        """The first thing said that fits; fails when nothing does in time."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if event is None:
                break
            self.said.append(event)
            if condition(event):
                return event
        raise AssertionError(f"not said in {timeout} s; last: {self.said[-5:]}")

    def kind(self, kind, timeout=15.0):
        return self.until(lambda event: event["kind"] == kind, timeout)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def listen(pulse_server):
    with contextlib.ExitStack() as stack:

        def start(**options):
            listener = Listener(pulse_server, **options)
            stack.callback(listener.close)
            return listener

        yield start


@pytest.fixture
def play(pulse_server, tmp_path):
    """Play a tone into the server's sink, until the test ends."""
    with contextlib.ExitStack() as stack:

        def start(hz, amplitude=0.25, seconds=40, sink="virtual"):
            path = tmp_path / f"{hz}.wav"
            samples = amplitude * np.sin(2 * np.pi * hz * np.arange(seconds * 48_000) / 48_000)
            soundfile.write(path, samples.astype(np.float32), 48_000)
            player = pulse_server.play(path, sink)
            stack.callback(player.wait)
            stack.callback(player.kill)

        yield start


def loud(event):
    return event["kind"] == "heard" and event["rms"] > 0.1


def test_it_hears_what_is_played(listen, play):
    play(1_000)
    listener = listen(seconds=3.0)
    assert listener.kind("open")["name"] == "default"
    listener.until(loud)
    listener.kind("done")
    heard = [event for event in listener.said if event["kind"] == "heard"][5:]
    assert len(heard) > 15
    for event in heard:
        assert event["rms"] == pytest.approx(0.25 / np.sqrt(2), rel=0.1)
        assert event["hz"] == pytest.approx(1_000, abs=20)
        assert event["now"] - event["captured_at"] < 0.3
    assert [event["start"] for event in heard[1:]] == [event["end"] for event in heard[:-1]]


def test_a_device_is_found_by_part_of_its_name(listen, play):
    play(500, sink="virtual")
    play(2_000, sink="other")
    listener = listen(device="OTHER_m", seconds=20.0)
    assert listener.kind("open")["name"] == "other_mic"
    listener.until(lambda event: loud(event) and event["hz"] == pytest.approx(2_000, abs=40))


def test_a_wrong_name_lists_the_devices(listen):
    message = listen(device="othr_mic").kind("error")
    assert message["code"] == 2
    assert "other_mic" in message["message"]


def test_a_server_that_dies_and_returns(listen, play, pulse_server):
    play(1_000)
    listener = listen()
    listener.until(loud)
    pulse_server.kill()
    killed = time.monotonic()
    lost = listener.kind("device_lost")
    assert lost["now"] - killed < 2.0
    assert "default is gone" in lost["message"]
    time.sleep(1.5)
    pulse_server.start()
    started = time.monotonic()
    play(2_000)
    back = listener.kind("device_back")
    assert back["now"] - started < 2.0
    before = next(event for event in reversed(listener.said) if event["kind"] == "heard")
    after = listener.until(lambda event: loud(event) and event["hz"] == pytest.approx(2_000, abs=40))
    assert after["start"] / 44_100 > before["end"] / 44_100 + 1.5
    # The timeline is real time: both clocks say the same about the absence.
    assert (after["end"] - before["end"]) / 44_100 == pytest.approx(after["captured_at"] - before["captured_at"], abs=0.15)


def test_a_server_that_stays_away_ends_the_run(listen, pulse_server):
    listener = listen(retry_for_s=2.0)
    listener.kind("heard")
    pulse_server.kill()
    killed = time.monotonic()
    error = listener.kind("error")
    assert error["code"] == 1
    assert "did not return within 2 s" in error["message"]
    assert 1.9 < error["now"] - killed < 5.0
    listener.process.wait(5)


def test_a_suspended_source_is_lost_and_comes_back(listen, play, pulse_server):
    play(1_000)
    listener = listen()
    listener.until(loud)
    pulse_server.pactl("suspend-sink", "virtual", "1")
    suspended = time.monotonic()
    lost = listener.kind("device_lost")
    assert lost["now"] - suspended < 3.0
    time.sleep(1.0)
    pulse_server.pactl("suspend-sink", "virtual", "0")
    resumed = time.monotonic()
    back = listener.kind("device_back")
    assert back["now"] - resumed < 2.0
    listener.until(loud)


def test_an_unplugged_device_is_lost_and_comes_back(listen, play, pulse_server):
    pulse_server.unplug("other")  # else the server moves us there
    listener = listen(device="virtual_mic")
    listener.kind("heard")
    pulse_server.unplug("virtual")
    unplugged = time.monotonic()
    lost = listener.kind("device_lost")
    assert lost["now"] - unplugged < 2.0
    time.sleep(1.0)
    pulse_server.plug("virtual")
    plugged = time.monotonic()
    assert listener.kind("device_back")["now"] - plugged < 2.0
    play(1_000)
    listener.until(loud)


def test_a_frozen_server_is_lost_and_comes_back(listen, play, pulse_server):
    """Calls into PortAudio hang while the server does; the listener must not."""
    play(1_000)
    listener = listen()
    listener.until(loud)
    os.kill(pulse_server.pid, signal.SIGSTOP)
    frozen = time.monotonic()
    lost = listener.kind("device_lost")
    assert lost["now"] - frozen < 2.0
    time.sleep(2.0)
    os.kill(pulse_server.pid, signal.SIGCONT)
    thawed = time.monotonic()
    assert listener.kind("device_back")["now"] - thawed < 2.0
    listener.until(loud)


def test_a_frozen_server_cannot_keep_the_run_from_ending(listen, pulse_server):
    listener = listen(retry_for_s=2.0)
    listener.kind("heard")
    os.kill(pulse_server.pid, signal.SIGSTOP)
    error = listener.kind("error")
    assert "did not return" in error["message"]
    listener.process.wait(6)


def test_the_list_of_devices(pulse_server):
    code = (
        "import json, dataclasses; from realtime_ser.audio.devices import list_devices;"
        "print(json.dumps([dataclasses.asdict(device) for device in list_devices()]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env=pulse_server.env, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    devices = {device["name"]: device for device in json.loads(run.stdout)}
    assert {"virtual_mic", "other_mic", "default"} <= set(devices)
    assert [name for name, device in devices.items() if device["is_default"]] == ["default"]
    assert {16_000, 44_100, 48_000} <= set(devices["virtual_mic"]["rates"])
    assert devices["virtual_mic"]["host_api"] == "ALSA"
