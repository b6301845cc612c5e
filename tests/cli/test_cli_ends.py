"""How a run of the command line ends otherwise than well: bad input, signals, closed pipes, full disks, missing libraries."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from command import SAMPLE, assert_accounted, interrupt, of_type, realtime_ser, records, start, wait_for_lines


@pytest.mark.slow
def test_one_bad_file_of_two_loses_nothing_of_the_other(tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF....this is no audio")
    result = realtime_ser("replay", bad, SAMPLE, "--speed", "max", "--jsonl", tmp_path / "out.jsonl", "--no-dashboard")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "bad.wav" in result.stderr
    rows = records((tmp_path / "out.jsonl").read_text())
    assert Path(str(of_type(rows, "session")[-1]["source"])).name == "demo.flac"
    assert rows[-1]["windows"] > 80


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
@pytest.mark.parametrize("option", ["--csv", "--jsonl", "-o", "--record"])
def test_one_signal_ends_the_wait_for_a_reader(option: str, tmp_path: Path) -> None:
    pipe = tmp_path / f"pipe.{'flac' if option == '--record' else 'csv'}"
    os.mkfifo(pipe)
    process = start("replay", SAMPLE, "--report", tmp_path / "r.html", option, pipe)
    time.sleep(4)  # by then it waits: it begins with the outputs
    assert process.poll() is None
    code, out, said = interrupt(process, signal.SIGINT)
    assert (code, out, said) == (130, "", "")
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", "nope.wav"],
        ["replay", "notes.txt", "nope.wav"],
        ["replay", str(SAMPLE), "--channel", "2"],
        ["monitor", "-d", "no such device"],
    ],
)
def test_a_source_that_does_not_open_leaves_earlier_outputs(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no audio")
    outputs = {"--jsonl": "o.jsonl", "--csv": "o.csv", "--report": "o.html", "-o": "o.rttm", "--record": "o.flac"}
    if "notes.txt" in arguments:
        del outputs["--record"]  # takes one recording
    for name in outputs.values():
        (tmp_path / name).write_text("worth keeping")
    result = realtime_ser(*arguments, *(word for pair in outputs.items() for word in pair), cwd=tmp_path)
    assert result.returncode in (1, 2), result.stderr
    assert {(tmp_path / name).read_text() for name in outputs.values()} == {"worth keeping"}
    fresh = realtime_ser(*arguments, "--jsonl", "new.jsonl", "--csv", "new.csv", "--report", "new.html", cwd=tmp_path)
    assert fresh.returncode in (1, 2)
    assert not list(tmp_path.glob("new.*"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["replay", "no-such-file.wav"], None, ["no-such-file.wav"]),
        (["replay", str(SAMPLE), "--set", "stream.hop=0.5"], 2, ["stream.hop", "stream.hop_s"]),
        (["replay", str(SAMPLE), "--set", "stream.hop_s=fast"], 2, ["stream.hop_s", "float", "fast"]),
        (["replay", str(SAMPLE), "--set", "stream.hop_s=0"], 2, ["stream.hop_s", "0.01"]),
        (["replay", str(SAMPLE), "--config", "missing.yaml"], 2, ["missing.yaml"]),
        (["replay", str(SAMPLE), "--model", "nlp"], 2, ["nlp", "mlp"]),
        (["replay", str(SAMPLE), "--speed", "fast"], 2, ["--speed", "fast", "max"]),
        (["replay", str(SAMPLE), "--duration", "-1"], 2, ["--duration"]),
        (["replay", str(SAMPLE), "--record", "out.mp3"], 2, ["out.mp3", ".flac"]),
        (["replay", str(SAMPLE), "--set", "stream.window_s=30"], 1, ["window"]),
        (["replay", str(SAMPLE), "--channel", "2"], 2, ["has no channel 2", "leave --channel out"]),
        (["replay", str(SAMPLE), "--jsonl", "/no/such/folder/out.jsonl"], 1, ["/no/such/folder/out.jsonl"]),
        (["rewind"], 2, ["rewind", "monitor"]),
        ([], 2, ["COMMAND"]),
    ],
)
def test_bad_input_is_one_clear_line(arguments: list[str], code: int | None, words: list[str], tmp_path: Path) -> None:
    result = realtime_ser(*arguments, cwd=tmp_path)
    assert result.returncode == code if code is not None else result.returncode in (1, 2)
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("realtime-ser: ")
    for word in words:
        assert word in result.stderr
    assert result.stdout == ""


def test_a_fault_is_said_once_where_both_outputs_are_one_place(tmp_path: Path) -> None:
    cut, profile = tmp_path / "cut.wav", tmp_path / "voice.json"
    audio, rate = soundfile.read(SAMPLE, dtype="float32")
    soundfile.write(cut, audio[: 4 * rate], rate)
    cut.write_bytes(cut.read_bytes()[:99_000])
    profile.write_text("{}")
    run = [sys.executable, "-m", "realtime_ser", "replay", str(cut), "--speed", "max", "--profile", str(profile)]
    one = subprocess.run(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert one.returncode == 1
    assert one.stdout.count("is cut short") == one.stdout.count("is not used") == 1
    apart = realtime_ser(*run[3:])
    assert apart.returncode == 1
    for text in (apart.stdout, apart.stderr):
        assert text.count("is cut short") == text.count("is not used") == 1
    missing = subprocess.run(
        [*run[:4], "none.wav", *run[5:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
    )
    assert missing.stdout.count("none.wav") == missing.stdout.count("is not used") == 1


def test_record_takes_one_recording(tmp_path: Path) -> None:
    (tmp_path / "copy.flac").write_bytes(SAMPLE.read_bytes())
    result = realtime_ser("replay", SAMPLE, tmp_path / "copy.flac", "--record", tmp_path / "out.flac")
    assert result.returncode == 2
    assert "--record" in result.stderr
    assert not (tmp_path / "out.flac").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_flush_everything(number: int, tmp_path: Path) -> None:
    outputs = {name: tmp_path / f"out.{name}" for name in ("jsonl", "csv", "html", "flac")}
    process = start(
        *("replay", SAMPLE, "--no-dashboard", "--jsonl", outputs["jsonl"], "--csv", outputs["csv"]),
        *("--report", outputs["html"], "--record", outputs["flac"]),
    )
    wait_for_lines(outputs["jsonl"], 5, kind="window")
    code, _, _ = interrupt(process, number)
    assert code == 130
    rows = records(outputs["jsonl"].read_text())
    assert rows[-1]["type"] == "summary"
    assert_accounted(rows[-1])
    assert outputs["csv"].read_text().count("\n") == rows[-1]["windows"] + 1
    assert outputs["html"].read_text().rstrip().endswith("</html>")
    assert soundfile.info(outputs["flac"]).frames == rows[-1]["captured_samples"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
@pytest.mark.parametrize("apart_s", [0.0, 0.02, 0.06])
def test_the_two_hang_ups_of_a_closed_terminal_flush_everything(apart_s: float, tmp_path: Path) -> None:
    outputs = {name: tmp_path / f"out.{name}" for name in ("jsonl", "srt", "html")}
    process = start(
        *("replay", SAMPLE, "-q", "--jsonl", outputs["jsonl"], "-o", outputs["srt"], "--report", outputs["html"]),
    )
    wait_for_lines(outputs["jsonl"], 5, kind="window")
    process.send_signal(signal.SIGHUP)
    time.sleep(apart_s)
    code, _, _ = interrupt(process, signal.SIGHUP)
    assert code == 130
    rows = records(outputs["jsonl"].read_text())
    assert rows[-1]["type"] == "summary"
    assert_accounted(rows[-1])
    assert outputs["srt"].exists()
    assert outputs["html"].read_text().rstrip().endswith("</html>")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_closed_terminal_leaves_the_summary_last(tmp_path: Path) -> None:
    import pty

    out = tmp_path / "out.jsonl"
    ours, theirs = pty.openpty()
    process = start("replay", SAMPLE, "--no-dashboard", "--jsonl", out, stdout=theirs, stderr=theirs)
    os.close(theirs)
    wait_for_lines(out, 5, kind="window")
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 130
    rows = records(out.read_text())
    assert rows[-1]["type"] == "summary"
    assert not [row for row in of_type(rows, "event") if "Input/output" in str(row["message"])]


def test_closed_pipe_is_no_fault() -> None:
    command = f"{sys.executable} -m realtime_ser replay {SAMPLE} --speed max --jsonl - | head -1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    first, status = result.stdout.splitlines()
    assert json.loads(first)["type"] == "session"
    assert status == "0"
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_ends_one_output_and_is_said(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = realtime_ser("replay", SAMPLE, "--speed", "max", "--jsonl", out, "--csv", "/dev/full", "--no-dashboard")
    assert result.returncode == 1
    assert "/dev/full" in result.stderr
    rows = records(out.read_text())
    assert rows[-1]["windows"] == len(of_type(rows, "window")) > 80
    assert [row["kind"] for row in of_type(rows, "event")] == ["sink_failed"]


@pytest.mark.slow
def test_without_portaudio_only_the_microphone_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    env = {"PYTHONPATH": str(tmp_path)}
    for command in (["monitor"], ["devices"]):
        result = realtime_ser(*command, env=env)
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert "PortAudio" in result.stderr
        if sys.platform == "linux":
            assert "libportaudio2" in result.stderr
    assert realtime_ser("replay", SAMPLE, "--speed", "max", "--duration", "2", env=env).returncode == 0
    assert realtime_ser("models", env=env).returncode == 0
