"""``replay -``: audio by a pipe, with and without a header, whole, growing, cut and silent."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from command import SAMPLE, assert_accounted, realtime_ser, records
from realtime_ser.cli.main import main

SECONDS = 6.0


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    assert rate == 16_000
    return samples[: round(SECONDS * rate)]


def encoded(samples: np.ndarray, kind: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format=kind, subtype=subtype)
    return file.getvalue()


def replay(content: bytes, bundle: Path, *options: str, speed: str = "max") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "realtime_ser", "replay", "-", "--speed", speed, "--model", str(bundle), "--jsonl", "-"]
    result = subprocess.run([*command, *options], input=content, capture_output=True, timeout=60, check=False)
    assert b"Traceback" not in result.stderr
    return result


def windows(text: bytes) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in text.splitlines()]
    assert rows[-1]["type"] == "summary"
    assert_accounted(rows[-1])
    return [{key: row[key] for key in ("end_s", "state", "probs")} for row in rows if row["type"] == "window"]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_16"), ("FLAC", None), ("AIFF", "PCM_16"), ("W64", "PCM_16")])
def test_a_pipe_gives_what_the_file_gives(
    kind: str, subtype: str | None, talk: np.ndarray, tmp_path: Path, bundles: dict[str, Path]
) -> None:
    bundle = bundles["flatstats"]
    (tmp_path / "talk.flac").write_bytes(encoded(talk, "FLAC"))
    file = realtime_ser("replay", tmp_path / "talk.flac", "--speed", "max", "--model", bundle, "--jsonl", "-")
    result = replay(encoded(talk, kind, subtype), bundle)
    assert result.returncode == 0, result.stderr
    assert windows(result.stdout) == windows(file.stdout.encode())
    assert json.loads(result.stdout.splitlines()[0])["source"] == "standard input"


@pytest.mark.parametrize(("kind", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)])
def test_lossy_codecs_by_a_pipe(kind: str, subtype: str | None, talk: np.ndarray, bundles: dict[str, Path]) -> None:
    result = replay(encoded(talk, kind, subtype), bundles["flatstats"])
    assert result.returncode == 0, result.stderr
    assert records(result.stdout.decode())[-1]["captured_samples"] == pytest.approx(SECONDS * 16_000, abs=2_000)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s16le", lambda x: (x * 32767).astype("<i2").tobytes()),
        ("S16_BE", lambda x: (x * 32767).astype(">i2").tobytes()),
        ("f32le", lambda x: x.astype("<f4").tobytes()),
        ("s32le", lambda x: (x * 2147483000.0).astype("<i4").tobytes()),
        ("u8", lambda x: (x * 127 + 128).astype("u1").tobytes()),
    ],
)
def test_samples_without_a_header(
    name: str, content: Callable[[np.ndarray], bytes], talk: np.ndarray, bundles: dict[str, Path]
) -> None:
    stereo = np.stack([talk, talk], axis=1)
    result = replay(content(stereo), bundles["flatstats"], "--raw", name, "--rate", "16000", "--channels", "2")
    assert result.returncode == 0, result.stderr
    summary = records(result.stdout.decode())[-1]
    assert summary["captured_samples"] == len(talk)
    assert summary["classified_samples"] > 0


@pytest.mark.slow
def test_a_channel_of_a_pipe(talk: np.ndarray, bundles: dict[str, Path]) -> None:
    call = np.stack([np.zeros_like(talk), talk], axis=1)
    content = encoded(call, "WAV")
    left = replay(content, bundles["flatstats"], "--channel", "1")
    right = replay(content, bundles["flatstats"], "--channel", "2")
    assert records(left.stdout.decode())[-1]["classified_samples"] == 0
    assert records(right.stdout.decode())[-1]["classified_samples"] > 0
    third = replay(content, bundles["flatstats"], "--channel", "3")
    assert third.returncode == 2
    assert third.stderr.count(b"\n") == 1
    assert b"has no channel 3: it has channels 1 to 2" in third.stderr


def test_a_growing_pipe_is_processed_as_it_comes(talk: np.ndarray, bundles: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "realtime_ser", "replay", "-", "--speed", "max", "--model", str(bundles["flatstats"])]
    command += ["--jsonl", "-", "--raw", "s16le", "--rate", "16000"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write((talk[: 3 * 16_000] * 32767).astype("<i2").tobytes())
    found = b""
    deadline = time.monotonic() + 30
    while b'"window"' not in found and time.monotonic() < deadline:
        found += process.stdout.readline()
    assert b'"window"' in found  # while the writer has not closed its end
    process.stdin.write((talk[3 * 16_000 :] * 32767).astype("<i2").tobytes())
    rest, complaints = process.communicate(timeout=30)
    assert process.returncode == 0, complaints
    assert json.loads(rest.splitlines()[-1])["captured_samples"] == len(talk)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("speed", ["1", "max"])
@pytest.mark.parametrize("sent", [b"", b"header"])
def test_a_signal_ends_a_silent_pipe(speed: str, sent: bytes, talk: np.ndarray, bundles: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "realtime_ser", "replay", "-", "--speed", speed, "--model", str(bundles["flatstats"])]
    process = subprocess.Popen(
        [*command, "--jsonl", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    if sent:
        process.stdin.write(encoded(talk[:16_000], "WAV"))
        process.stdin.flush()
        assert b'"session"' in process.stdout.readline()
    else:
        time.sleep(3)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, complaints = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in complaints
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--raw", "s16le"], "--raw s16le needs --rate HZ"),
        (["--raw", "q7", "--rate", "8000"], "unknown sample format; one of s8"),
        (["--rate", "8000"], "--rate is for samples without a header"),
        (["--channels", "2"], "--channels is for samples without a header"),
        (["--raw", "s16le", "--rate", "no"], "not a whole number of Hz"),
        (["--channel", "0"], "is no channel; the first one is 1"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: object = main(["replay", "-", *options])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "standard input is empty"), (b"hello\n" * 90, "standard input is not audio that can be read")]
)
def test_no_audio_on_standard_input(content: bytes, words: str, bundles: dict[str, Path]) -> None:
    result = replay(content, bundles["flatstats"])
    assert result.returncode == 1
    assert result.stderr.count(b"\n") == 1
    assert words in result.stderr.decode()


def test_audio_too_short_to_classify_is_said(talk: np.ndarray, tmp_path: Path, bundles: dict[str, Path]) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, talk[:4_000], 16_000)
    result = realtime_ser("replay", path, "--speed", "max", "--model", bundles["flatstats"])
    assert result.returncode == 0
    assert "short.wav: 0.25 s are too short to classify; a window takes 0.501 s or more" in result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("name", ["talk.m4a", "talk.webm", "talk.aac", "talk.mkv"])
def test_other_codecs_go_through_ffmpeg(name: str, talk: np.ndarray, tmp_path: Path, bundles: dict[str, Path]) -> None:
    soundfile.write(tmp_path / "talk.wav", talk, 16_000)
    path = tmp_path / name
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "talk.wav", path]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    before = set(tmp_path.iterdir())
    result = realtime_ser("replay", path, "--speed", "max", "--model", bundles["flatstats"], "--jsonl", "-")
    assert result.returncode == 0, result.stderr
    assert records(result.stdout)[-1]["captured_samples"] >= len(talk)
    assert set(tmp_path.iterdir()) == before
    cut = tmp_path / f"cut-{name}"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = realtime_ser("replay", cut, "--speed", "max", "--model", bundles["flatstats"], "--jsonl", "-")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert cut.name in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_without_ffmpeg_the_command_that_converts_is_said(talk: np.ndarray, tmp_path: Path, bundles: dict[str, Path]) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    soundfile.write(tmp_path / "talk.wav", talk, 16_000)
    soundfile.write(folder / "kept.aifc", talk, 16_000, format="AIFF")
    for name in ("a.m4a", "b b.m4a", "c.webm"):
        command = ["ffmpeg", "-v", "error", "-i", tmp_path / "talk.wav", folder / name]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    nowhere = {"PATH": str(tmp_path / "nothing")}
    model = ["--speed", "max", "--model", bundles["flatstats"], "--jsonl", "-"]
    alone = realtime_ser("replay", folder / "b b.m4a", *model, env=nowhere)
    assert alone.returncode == 1
    assert alone.stderr.count("\n") == 1
    assert "install ffmpeg, or convert it first: ffmpeg -i" in alone.stderr
    together = realtime_ser("replay", folder, *model, env=nowhere)
    assert together.returncode == 0
    assert "3 files left out (.m4a, .webm)" in together.stderr
    assert "ffmpeg -i" in together.stderr
    assert records(together.stdout)[-1]["captured_samples"] == len(talk)
