"""``monitor`` hears a real audio server through PortAudio, and survives its death."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from audio_server import PulseServer, pulse_server  # noqa: F401 (a fixture)
from command import SAMPLE, assert_accounted, interrupt, of_type, records, start, wait_for_lines

pytestmark = pytest.mark.audio_server


def test_monitor_hears_speech(pulse_server: PulseServer, tmp_path: Path) -> None:  # noqa: F811
    out, heard = tmp_path / "out.jsonl", tmp_path / "heard.flac"
    process = start("monitor", "--duration", "12", "--jsonl", out, "--record", heard, "--no-dashboard", env=pulse_server.env)
    wait_for_lines(out, 1)
    player = pulse_server.play(SAMPLE)
    try:
        printed, errors = process.communicate(timeout=60)
    finally:
        player.kill()
        player.wait()
    assert process.returncode == 0, errors
    assert printed.splitlines()[1].startswith("on people never met, four emotions (guessing 25 %): mlp is right ")
    rows = records(out.read_text())
    windows = of_type(rows, "window")
    spoken = [row for row in windows if row["state"] != "no_speech"]
    assert len(spoken) >= 15
    assert all(row["probs"] for row in spoken)
    summary = rows[-1]
    assert_accounted(summary)
    assert summary["captured_samples"] == 12 * rows[0]["sample_rate"]
    assert summary["latency_ms"]["p50"] < 1000
    assert heard.stat().st_mode & 0o777 == 0o600


def test_monitor_outlives_the_audio_server(pulse_server: PulseServer, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "out.jsonl"
    # A busy test machine may fall behind, which is another test: here only the device is to be heard of.
    options = ("--retry-for", "60", "--set", "stream.max_lag_s=9")
    process = start("monitor", "--jsonl", out, "--no-dashboard", *options, env=pulse_server.env)
    wait_for_lines(out, 4, kind="window")
    pulse_server.kill()
    wait_for_lines(out, 1, kind="event")
    before = len(of_type(records(out.read_text()), "window"))
    time.sleep(1.0)
    pulse_server.start()
    rows = wait_for_lines(out, 2, kind="event")
    devices = [row for row in of_type(rows, "event") if str(row["kind"]).startswith("device")]
    assert [row["kind"] for row in devices] == ["device_lost", "device_back"]
    player = pulse_server.play(SAMPLE)
    try:
        wait_for_lines(out, before + 16, kind="window")
    finally:
        player.kill()
        player.wait()
    code, _, errors = interrupt(process, signal.SIGINT)
    assert code == 130, errors
    rows = records(out.read_text())
    assert_accounted(rows[-1])
    # The time that nobody heard is in the timeline, as lost.
    assert rows[-1]["dropped_samples"] >= rows[0]["sample_rate"]
    returned = rows.index(devices[1])
    assert any(row["type"] == "window" and row["state"] != "no_speech" for row in rows[returned:])


def test_monitor_gives_up_after_retry_for(pulse_server: PulseServer, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "out.jsonl"
    process = start("monitor", "--jsonl", out, "--no-dashboard", "--retry-for", "1", env=pulse_server.env)
    wait_for_lines(out, 2, kind="window")
    pulse_server.kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1, errors
    rows = records(out.read_text())
    assert rows[-1]["type"] == "summary"
    assert_accounted(rows[-1])
    assert rows[-1]["dropped_samples"] >= rows[0]["sample_rate"]


@pytest.mark.parametrize("end", ["duration", "interrupt"])
def test_a_microphone_that_is_gone_at_the_end_has_lost_that_time(
    pulse_server: PulseServer,  # noqa: F811
    tmp_path: Path,
    end: str,
) -> None:
    pulse_server.unplug("other")  # else the server moves the listener there
    out = tmp_path / "out.jsonl"
    options = ("--duration", "8") if end == "duration" else ()
    process = start("monitor", "--jsonl", out, "--no-dashboard", *options, env=pulse_server.env)
    wait_for_lines(out, 6, kind="window")
    pulse_server.unplug()
    if end == "interrupt":
        wait_for_lines(out, 1, kind="event")
        time.sleep(2.0)
        process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == (0 if end == "duration" else 130), errors
    summary = records(out.read_text())[-1]
    assert_accounted(summary)
    assert summary["dropped_samples"] > 2 * 16_000
    assert " s lost" in printed
    if end == "duration":
        assert summary["captured_samples"] == 8 * 16_000


def test_duration_counts_from_the_first_block(pulse_server: PulseServer, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "out.jsonl"
    pulse_server.pactl("suspend-sink", "virtual", "1")
    process = start("monitor", "--duration", "2", "--jsonl", out, "--no-dashboard", env=pulse_server.env)
    wait_for_lines(out, 1)
    time.sleep(3.2)  # longer than the duration and its margin
    pulse_server.pactl("suspend-sink", "virtual", "0")
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    rows = records(out.read_text())
    assert rows[-1]["captured_samples"] == 2 * rows[0]["sample_rate"]
    assert not of_type(rows, "event")


def test_a_device_that_never_wakes_ends_the_run_and_says_why(pulse_server: PulseServer, tmp_path: Path) -> None:  # noqa: F811
    pulse_server.pactl("suspend-sink", "virtual", "1")
    options = ("--duration", "1", "--no-dashboard", "--retry-for", "1")
    started = time.monotonic()
    _, errors = start("monitor", *options, env=pulse_server.env).communicate(timeout=60)
    assert time.monotonic() - started < 20
    assert errors.count("\n") == 1
    assert "it opens and delivers nothing" in errors
