"""Streams without a network, and a server of its own in a process."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
from browser import chromium, playing, write_clip

from command import SAMPLE

EXTRA = ("starlette", "uvicorn", "websockets", "prometheus_client")
if all(importlib.util.find_spec(name) for name in EXTRA):
    from server_process import Server
    from wire import Clock, MakeWire, Wire

    from realtime_ser.config import Config, load_config
    from realtime_ser.serve.auth import Access
    from realtime_ser.serve.limits import Limits
    from realtime_ser.serve.metrics import Metrics
    from realtime_ser.serve.models import Models
    from realtime_ser.serve.session import ClientStream
else:  # test_serve_extra.py says that the others are left out
    collect_ignore_glob = [
        "test_browser.py",
        "test_overlay.py",
        "test_page_*.py",
        "test_protocol_page.py",
        "test_reader.py",
        "test_serve_session.py",
        "test_server*.py",
    ]


@pytest.fixture(scope="session")
def tiny_config(bundles: dict[str, Path]) -> Config:
    return replace(load_config(), model=str(bundles["flatstats"]))


@pytest.fixture(scope="session")
def tiny_models(tiny_config: Config) -> Models:
    return Models(tiny_config)


@pytest.fixture(scope="session")
def shipped_models() -> Models:
    return Models(load_config())


@pytest.fixture
def wire(tiny_models: Models) -> MakeWire:
    """``wire(token=..., models=..., limit=...) -> Wire`` of a new stream."""

    def make(*, token: str | None = None, models: Models = tiny_models, **limits: Any) -> Wire:
        clock, metrics = Clock(), Metrics()
        access = Access("127.0.0.1", token)
        return Wire(ClientStream(1, models, access, replace(Limits(), **limits), metrics, clock), clock, metrics)

    return make


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of eight streams, which must end without a word."""
    # On a busy machine nothing is skipped: that is tested elsewhere.
    one = Server("--max-streams", "8", "--burst-s", "100", "--set", "stream.max_lag_s=600")
    yield one
    assert one.stop() == (0, "")


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """``serve(*options) -> Server``; all are ended with the test."""
    servers: list[Server] = []

    def start(*arguments: str | Path, env: dict[str, str] | None = None) -> Server:
        servers.append(Server(*arguments, env=env))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of the sample, for a browser's microphone."""
    audio, rate = soundfile.read(SAMPLE, dtype="float32")
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.wav", audio[: 12 * rate], rate)


@pytest.fixture(scope="module")
def player() -> Iterator[Any]:
    with playing() as one:
        yield one


@pytest.fixture(scope="module")
def browser(player: Any, clip: Path) -> Iterator[Any]:
    """A browser whose microphone plays ``clip``."""
    with chromium(player, clip) as one:
        yield one
