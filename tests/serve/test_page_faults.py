"""The page where something goes wrong or is changed: channels, interruptions, lost connections, other choices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browser import Page, chromium, playing, write_clip
from server_process import Server

from command import SAMPLE

pytestmark = pytest.mark.slow
MakeServer = Callable[..., Server]
SPEAKS = "['angry','calm','disgust','fearful','happy','neutral','sad','surprised']"


@pytest.fixture(scope="module")
def voice() -> tuple[Any, int]:
    audio, rate = soundfile.read(SAMPLE, dtype="float32")
    return audio[: 12 * rate], rate


@pytest.fixture(scope="module")
def player() -> Iterator[Any]:
    with playing() as one:
        yield one


@pytest.fixture(scope="module")
def browser(player: Any, voice: tuple[Any, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(player, write_clip(tmp_path_factory.mktemp("clip") / "clip.wav", *voice)) as one:
        yield one


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server("--also", "cnn", "--set", "stream.max_lag_s=60")
    yield one
    assert one.stop()[0] == 0


@pytest.mark.parametrize("path", ["", "overlay"])
def test_a_voice_on_the_right_channel_alone(
    player: Any, server: Server, voice: tuple[Any, int], tmp_path: Path, path: str
) -> None:
    audio, rate = voice
    both = np.stack((np.zeros_like(audio), audio), axis=1)
    with chromium(player, write_clip(tmp_path / "right.wav", both, rate)) as own:
        page = Page(own, server.url, path=path)
        if not path:
            page.ready().toggle()
        page.until(f"{SPEAKS}.includes(document.querySelector('#word').textContent)")
        if not path:
            assert page.text("#level-text").endswith("dBFS")
            page.toggle().until("document.querySelector('#account').textContent.includes('classified')")
        left, right = np.abs(page.samples().astype(float)).mean(axis=0)
        assert right > 100
        assert left < 1
        page.close()
