"""Headless Chromium with a microphone that plays a file, and a network between it and the server that can break."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
SPEAKS = "['angry','calm','disgust','fearful','happy','neutral','sad','surprised']"
SPOKEN = f"{SPEAKS}.includes(document.querySelector('#word').textContent)"
LISTENS = "document.querySelector('#status').textContent.startsWith('Listening')"
CAPTURED = "/[1-9]\\.\\d s captured/.test(document.querySelector('#account').textContent)"
ENDED = "document.querySelector('#account').textContent.includes('captured:')"
# Keeps the audio contexts and microphones that the page opens, and everything that its status said.
KEEPS = """
  window.contexts = []; window.microphones = []; window.said = [];
  const Context = AudioContext;
  window.AudioContext = class extends Context { constructor(...a) { super(...a); window.contexts.push(this); } };
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (...a) => {
    const stream = await open(...a);
    window.microphones.push(stream.getAudioTracks()[0]);
    return stream;
  };
  addEventListener('DOMContentLoaded', () => new MutationObserver(() => window.said.push(document.body.innerText))
    .observe(document.body, { subtree: true, childList: true, characterData: true }));
"""
BARS_SHOW_NOTHING = "[...document.querySelectorAll('#bars .share')].every((share) => share.textContent === '–')"
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream"),
)


def write_clip(path: Path, samples: Any, rate: int, *, pause_s: float = 0.0) -> Path:
    """A WAV of (N,) or (N, channels) samples for the fake microphone, which plays it again and again."""
    audio = np.concatenate((samples, np.zeros((round(pause_s * rate), *samples.shape[1:]), samples.dtype)))
    soundfile.write(path, audio, rate, subtype="PCM_16")
    return path


@contextlib.contextmanager
def chromium(player: Any, clip: Path, *, allowed: bool = True) -> Iterator[Any]:
    """A browser of Playwright's ``player``; without ``allowed`` it refuses the microphone as a person would."""
    grant = "--use-fake-ui-for-media-stream" if allowed else "--deny-permission-prompts"
    browser = player.chromium.launch(
        executable_path=CHROMIUM, args=[*_FLAGS, grant, f"--use-file-for-fake-audio-capture={clip}"]
    )
    try:
        yield browser
    finally:
        browser.close()


@contextlib.contextmanager
def playing() -> Iterator[Any]:
    """Playwright's player; skips where it or Chromium is absent."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip("no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as player:
        yield player


class Page:
    """Our page in a tab.

    Attributes
    ----------
    page : Playwright's page
    faults : what the page's console complained about
    records, sent : what came and went over its sockets, text and bytes
    """

    def __init__(self, browser: Any, url: str, *, path: str = "", **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.records: list[Any] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.faults.append(message.text))
        self.sent: list[Any] = []
        self.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: self.sent.append(frame)))
        self.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: self.records.append(frame)))
        self.page.goto(url + path)

    def ready(self) -> Page:
        self.page.wait_for_selector("body[data-state]", timeout=30_000)
        return self

    def toggle(self) -> Page:
        self.page.click("#toggle")
        return self

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def until(self, condition: str, timeout_s: float = 30.0) -> Page:
        """Wait until a JavaScript expression is true. (Playwright's own waiting evaluates text, which our policy forbids.)"""
        deadline = time.monotonic() + timeout_s
        while not self.page.evaluate(f"() => Boolean({condition})"):
            shown = "() => ['status', 'fault', 'word', 'account'].map((id) => document.getElementById(id)?.textContent)"
            assert time.monotonic() < deadline, f"never: {condition}; the page shows {self.page.evaluate(shown)}"
            self.page.wait_for_timeout(50)
        return self

    def messages(self, kind: str) -> list[dict[str, Any]]:
        """Of one type, those that the page sent."""
        entries = [json.loads(frame) for frame in self.sent if isinstance(frame, str)]
        return [entry for entry in entries if entry["type"] == kind]

    def samples(self) -> Any:
        """int16 (frames, channels): what the page sent."""
        data = b"".join(frame for frame in self.sent if isinstance(frame, bytes))
        return np.frombuffer(data, "<i2").reshape(-1, self.messages("start")[0]["channels"])

    def received(self, kind: str) -> list[dict[str, Any]]:
        """Of one type, the records that came."""
        return [record for record in map(json.loads, self.records) if record["type"] == kind]

    def close(self) -> None:
        self.context.close()


class Relay:
    """A network between the browser and a server, which can break as one does when a laptop changes its network.

    Attributes
    ----------
    url : of the server's page, through this
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._held: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._carry, "127.0.0.1", 0), self._loop)
        self._server = started.result(10)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._pairs.append((writer, far_writer))
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        if writer not in self._held:
            writer.close()

    def cut(self) -> None:
        """The browser's connections break; the server's stay open, and the server does not know."""
        self._do(self._cut)

    async def _cut(self) -> None:
        for near, far in self._pairs:
            self._held.append(far)
            near.transport.abort()
        self._pairs.clear()

    def let_go(self) -> None:
        """The server notices."""
        self._do(self._let_go)

    async def _let_go(self) -> None:
        for far in self._held:
            far.close()

    def _do(self, step: Any) -> None:
        asyncio.run_coroutine_threadsafe(step(), self._loop).result(10)

    def close(self) -> None:
        """End it and its connections."""
        self._do(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for one in (*self._held, *(writer for pair in self._pairs for writer in pair)):
            one.transport.abort()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


def kept(browser: Any, url: str, path: str = "") -> Page:
    """Our page with ``KEEPS``."""
    page = Page(browser, "about:blank")
    page.page.add_init_script(KEEPS)
    page.page.goto(url + path)
    return page


def account(page: Page) -> dict[str, float]:
    """The page's last line: seconds by what became of them."""
    fates = "captured|classified|without speech|lost|sent but not confirmed|too short"
    found = re.findall(rf"([\d.]+) s ({fates})", page.text("#account"))
    shown = {name: float(seconds) for seconds, name in found}
    return {"classified": 0.0, "without speech": 0.0, "lost": 0.0} | shown


def assert_complete(page: Page) -> dict[str, float]:
    """The account, whose parts give what was captured."""
    seconds = account(page)
    assert sum(value for name, value in seconds.items() if name != "captured") == pytest.approx(seconds["captured"], abs=0.3)
    return seconds
