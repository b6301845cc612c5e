"""What ``docs/protocol.md`` and the how-to say is what the server does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from server_process import Server
from socket_client import SocketClient

from command import SAMPLE, assert_accounted, records

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text()
HOW_TO = (ROOT / "docs" / "how-to" / "python-client.md").read_text()
MakeServer = Callable[..., Server]

LABELS = {"angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised"}


def examples(kind: str, text: str = PAGE) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server("--set", "stream.max_lag_s=600")
    yield one
    assert one.stop() == (0, "")


@pytest.fixture(scope="module")
def conversation(server: Server) -> list[dict[str, Any]]:
    """The client's examples in their order, with audio after the first, and everything that the server sent."""
    audio, _ = soundfile.read(SAMPLE, dtype="int16")
    start, gap, stop = examples("json client")
    client = SocketClient(server.socket)
    client.send(json.loads(start)).send(audio[: 8 * 16000].tobytes()).send(audio[:320].tobytes() + b"\0").send(json.loads(gap))
    client.send(audio[:16000].tobytes()).send(json.loads(stop))
    assert client.rest() == 1000
    return client.received


def test_every_message_of_the_server_is_shown_with_its_fields(conversation: list[dict[str, Any]]) -> None:
    shown = {example["type"]: example for example in map(json.loads, examples("json server"))}
    sent: dict[str, dict[str, Any]] = {}
    for message in conversation:
        sent.setdefault(message["type"], message)
    assert set(sent) - set(shown) == set()
    assert set(shown) - set(sent) == {"event"}
    for kind, message in sent.items():
        assert set(shown[kind]) <= set(message), kind
        missing = [name for name in message if name not in shown[kind] and f"`{name}`" not in PAGE]
        assert not missing, f"{kind}: the page does not say what {missing} are"
    for kind, message in sent.items():
        for name, value in shown[kind].items():
            if value is not None and message[name] is not None:
                assert type(message[name]) is type(value) or {type(value), type(message[name])} == {int, float}, (kind, name)


def test_the_conversation_is_accounted_for(conversation: list[dict[str, Any]]) -> None:
    assert_accounted(conversation[-1])
    assert conversation[-1]["captured_samples"] == 9 * 16000 + 320 + 4800


def test_every_code_and_option_is_on_the_page() -> None:
    code = "".join(path.read_text() for path in (ROOT / "realtime_ser" / "serve").glob("*.py"))
    codes = set(re.findall(r'ProtocolError\(\s*"(\w+)"', code))
    assert codes
    assert codes <= set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)), codes
    routes = set(re.findall(r'(?:Route|WebSocketRoute)\(\s*"([^"]+)"', code))
    assert routes <= set(re.findall(r"`(?:GET|POST|WS) ([^`]+)`", PAGE))
    for name in re.findall(r'f"\{prefix\}_(\w+)"', code):
        assert f"_{name}" in PAGE, name


def test_health_is_as_described(server: Server) -> None:
    import urllib.request

    with urllib.request.urlopen(f"{server.url}health", timeout=10) as answer:
        health = json.load(answer)
    assert all(f"`{name}`" in PAGE for name in health)


def test_the_curl_example(server: Server, tmp_path: Path) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="int16")
    soundfile.write(tmp_path / "speech.wav", audio, rate)
    (command,) = examples("sh")
    command = command.replace("http://127.0.0.1:8765/", server.url).replace("curl ", "curl -sS ")
    result = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    row = json.loads(result.stdout)
    assert row["path"] == "speech.wav"
    assert row["label"] == "neutral"


@pytest.mark.slow
def test_the_python_client(server: Server, tmp_path: Path) -> None:
    audio, rate = soundfile.read(SAMPLE, dtype="int16")
    soundfile.write(tmp_path / "speech.wav", audio[: 3 * rate], rate, subtype="PCM_16")
    client, _ = examples("python", HOW_TO)
    assert len([line for line in client.splitlines() if line.strip()]) <= 30
    (tmp_path / "client.py").write_text(client)
    command = [sys.executable, "client.py", "speech.wav", server.socket]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    lines = result.stdout.splitlines()
    assert len(lines) >= 8
    assert any(label in lines[-2] for label in LABELS), lines[-2]
    assert "'captured_samples': 48000" in lines[-1]


def test_the_pipe_of_ffmpeg(server: Server, tmp_path: Path) -> None:
    import shutil

    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg here")
    audio, rate = soundfile.read(SAMPLE, dtype="float32")
    soundfile.write(tmp_path / "speech.ogg", np.tile(audio[: 3 * rate, None], (1, 2)), rate)
    _, pipe = examples("python", HOW_TO)
    (tmp_path / "pipe.py").write_text(pipe)
    (command,) = examples("sh", HOW_TO)
    command = command.strip().replace("python pipe.py", f"{sys.executable} pipe.py {server.socket}").replace("-re ", "")
    result = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    rows = records(result.stdout)
    assert rows[-1]["type"] == "summary"
    assert rows[-1]["captured_samples"] == pytest.approx(3 * 16000, abs=200)
    assert {row["label"] for row in rows if row["type"] == "window"} & LABELS
