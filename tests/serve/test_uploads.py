"""``POST /v1/classify``: a file's bytes, and the row that comes back."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import soundfile
from server_process import Server
from server_request import request

from command import SAMPLE, realtime_ser, records

MakeServer = Callable[..., Server]


def test_an_upload(server: Server) -> None:
    status, _, body = request(server, "POST", "/v1/classify?name=demo.flac&timeline=1", SAMPLE.read_bytes())
    row = json.loads(body)
    assert status == 200
    assert row["path"] == "demo.flac"
    assert row["error"] is None
    assert row["duration_s"] == pytest.approx(25.25, abs=0.01)
    assert row["windows"]
    assert row["segments"]
    assert sum(value for name, value in row.items() if name.startswith("probability_")) == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_the_row_is_that_of_classify(server: Server, tmp_path: Path) -> None:
    result = realtime_ser("classify", SAMPLE, "-o", tmp_path / "rows.jsonl")
    assert result.returncode == 0, result.stderr
    (expected,) = records((tmp_path / "rows.jsonl").read_text())
    row = json.loads(request(server, "POST", "/v1/classify?name=demo.flac", SAMPLE.read_bytes())[2])
    assert {**row, "path": None} == {**expected, "path": None}


@pytest.mark.parametrize(
    ("body", "query", "status"),
    [
        (b"", "", 400),
        (b"no audio at all" * 100, "", 422),
        (b"RIFF", "?model=other", 400),
        (SAMPLE.read_bytes()[:2000], "", 422),
    ],
)
def test_a_bad_upload(server: Server, body: bytes, query: str, status: int) -> None:
    got, _, text = request(server, "POST", f"/v1/classify{query}", body)
    row = json.loads(text)
    assert got == status
    assert row["error"]
    assert "/tmp" not in row["error"]


def test_a_recording_that_is_too_short_says_so(server: Server) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="int16")
    soundfile.write(short := io.BytesIO(), audio[: round(0.3 * rate)], rate, format="WAV")
    status, _, text = request(server, "POST", "/v1/classify?name=short.wav&timeline=1", short.getvalue())
    row = json.loads(text)
    assert status == 200  # all of it was read
    assert row["error"].startswith("short.wav: 0.3 s are too short to classify")
    assert (row["duration_s"], row["label"], row["windows"], row["segments"]) == (0.3, None, [], [])


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("short.m4a", "ffmpeg -i short.m4a short.wav"),
        ("a talk.wav", "ffmpeg -i 'a talk.wav' 'converted-a talk.wav'"),
        ("..", "ffmpeg -i .. ...wav"),
        ("/", "ffmpeg -i / talk.wav"),
    ],
)
def test_the_command_that_converts_a_file_names_the_senders_files(server: Server, name: str, command: str) -> None:
    m4a = b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom" + bytes(200)
    status, _, text = request(server, "POST", f"/v1/classify?name={quote(name)}", m4a)
    assert status == 422
    assert json.loads(text)["error"].endswith(f"convert it first to WAV, as with {command}")


@pytest.mark.slow
def test_a_large_upload_is_refused(serve: MakeServer) -> None:
    server = serve("--max-upload-bytes", "20000", "--max-upload-s", "5")
    status, _, body = request(server, "POST", "/v1/classify", bytes(20001))
    assert (status, json.loads(body)["code"]) == (413, "too_large")


def test_a_recording_whose_header_hides_its_length_is_too_long(serve: MakeServer, tmp_path: Path) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="int16")
    soundfile.write(tmp_path / "long.flac", np.tile(audio[: 4 * rate], 2), rate)
    soundfile.write(tmp_path / "short.flac", audio[: 4 * rate], rate)
    stated, short = (tmp_path / "long.flac").read_bytes(), (tmp_path / "short.flac").read_bytes()
    # STREAMINFO's number of samples (36 bits from the 21st byte on) is 0 where an encoder wrote to a pipe.
    unstated = stated[:21] + bytes([stated[21] & 0xF0]) + bytes(4) + stated[26:]
    server = serve("--max-upload-s", "5")
    for body in (stated, unstated, short + short):
        status, _, text = request(server, "POST", "/v1/classify", body)
        assert (status, json.loads(text)["code"]) == (413, "too_long")
    assert request(server, "POST", "/v1/classify", short)[0] == 200


@pytest.mark.slow
def test_a_client_that_leaves_gives_its_place_up(serve: MakeServer, tmp_path: Path) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="int16")
    soundfile.write(tmp_path / "long.flac", np.tile(audio, 60), rate)
    body = (tmp_path / "long.flac").read_bytes()
    server = serve("--max-uploads", "1")
    head = f"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(head.encode() + body)
        deadline = time.monotonic() + 20
        while request(server, "POST", "/v1/classify", b"")[0] != 503:
            assert time.monotonic() < deadline, "the upload never took its place"
            time.sleep(0.05)
    deadline = time.monotonic() + 5  # the whole recording takes longer
    while (answer := request(server, "POST", "/v1/classify", SAMPLE.read_bytes())[0]) == 503:
        assert time.monotonic() < deadline, "its place is still taken"
        time.sleep(0.1)
    assert answer == 200


def test_a_chosen_channel_is_taken_from_uploads_too(serve: MakeServer, tmp_path: Path) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="int16")
    soundfile.write(tmp_path / "two.flac", np.stack((audio[: 6 * rate], np.zeros_like(audio[: 6 * rate])), axis=1), rate)
    server = serve("--set", "capture.channel=2")
    row = json.loads(request(server, "POST", "/v1/classify", (tmp_path / "two.flac").read_bytes())[2])
    assert row["error"] is None
    assert row["speech_s"] == 0  # the second channel is silent


def test_an_upload_starts_no_other_program(serve: MakeServer, tmp_path: Path) -> None:
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    ffmpeg.chmod(0o755)
    server = serve(env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    m4a = b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom" + bytes(200)
    for body in (m4a, b"RIFF" + bytes(200)):
        status, _, text = request(server, "POST", "/v1/classify?name=talk.m4a", body)
        assert status == 422
        assert "install ffmpeg" not in json.loads(text)["error"]
    assert not (tmp_path / "started").exists()


@pytest.mark.slow
def test_a_long_upload_does_not_keep_the_server_from_ending(serve: MakeServer, tmp_path: Path) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="int16")
    soundfile.write(tmp_path / "long.flac", np.tile(audio, 60), rate)
    server = serve()
    answers: list[int] = []
    body = (tmp_path / "long.flac").read_bytes()
    thread = threading.Thread(target=lambda: answers.append(request(server, "POST", "/v1/classify", body)[0]))
    thread.start()
    deadline = time.monotonic() + 20
    while not list(Path(tempfile.gettempdir()).glob("realtime-ser-*/upload")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    began = time.monotonic()
    assert server.stop() == (0, "")
    assert time.monotonic() - began < 5
    thread.join()
    assert answers == [503]


def test_curl_uploads(server: Server) -> None:
    command = ["curl", "-sS", "--data-binary", f"@{SAMPLE}", f"{server.url}v1/classify?name=demo.flac"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(result.stdout)["label"]


@pytest.mark.slow
def test_no_file_of_an_upload_is_left(serve: MakeServer, tmp_path: Path) -> None:
    server = serve(env={"TMPDIR": str(tmp_path)})
    assert request(server, "POST", "/v1/classify", SAMPLE.read_bytes())[0] == 200
    assert request(server, "POST", "/v1/classify", b"nonsense")[0] == 422
    assert not list(tmp_path.glob("realtime-ser*"))
