"""The overlay for OBS: what it shows, and that it opens and shows nothing else than what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browser import BARS_SHOW_NOTHING, SPOKEN, Page, kept
from server_process import Server

pytestmark = pytest.mark.slow
MakeServer = Callable[..., Server]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server("--also", "cnn", "--set", "stream.max_lag_s=60")
    yield one
    assert one.stop()[0] == 0


def test_the_overlay(browser: Any, server: Server) -> None:
    page = Page(browser, server.url, path="overlay")
    page.until(SPOKEN)
    assert page.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert page.faults == []
    page.close()


def test_the_overlay_is_interrupted(browser: Any, server: Server) -> None:
    page = kept(browser, server.url, "overlay")
    page.until(SPOKEN)
    page.page.evaluate("window.contexts.at(-1).suspend()")
    page.until("document.querySelector('#word').textContent === 'interrupted'")
    assert page.page.evaluate(BARS_SHOW_NOTHING)
    page.toggle().until(SPOKEN)
    assert page.page.evaluate("document.querySelector('#fault').hidden && document.querySelector('#toggle').hidden")
    assert page.messages("gap")
    page.close()


def test_the_overlay_opens_no_other_microphone(browser: Any, server: Server) -> None:
    page = kept(browser, server.url, "overlay?device=No%20Such")
    page.until("document.querySelector('#fault').textContent === 'There is no microphone named No Such.'")
    assert page.page.evaluate("window.contexts.length") == 0
    assert page.page.evaluate("window.microphones.every((one) => one.readyState === 'ended')")
    assert page.sent == []
    page.close()


def test_the_overlay_takes_no_other_model_than_the_one_named(browser: Any, server: Server) -> None:
    page = kept(browser, server.url, "overlay?model=larg")
    page.until("!document.getElementById('fault').hidden")
    assert page.text("#fault") == "This server has no model larg, it offers mlp, cnn."
    assert not page.sent
    page.close()


def test_the_overlay_opens_the_microphone_that_is_named(browser: Any, server: Server) -> None:
    page = kept(browser, server.url, "overlay?device=audio%20input%202")
    page.until("window.microphones.some((one) => one.readyState === 'live' && one.label === 'Fake Audio Input 2')")
    page.until(SPOKEN)
    assert page.page.evaluate("window.microphones.filter((one) => one.readyState === 'live').length") == 1
    page.page.evaluate("window.microphones.at(-1).dispatchEvent(new Event('ended'))")
    page.until("document.querySelector('#fault').textContent.includes('gone')")
    assert page.page.evaluate(BARS_SHOW_NOTHING)
    assert page.text("#word") == "ready"
    page.close()


def test_the_overlay_loses_its_connection(browser: Any, serve: MakeServer) -> None:
    server = serve()
    page = kept(browser, server.url, "overlay")
    page.until(SPOKEN)
    server.process.kill()
    server.process.wait()
    page.until("document.querySelector('#word').textContent === 'no connection'")
    assert page.page.evaluate(BARS_SHOW_NOTHING)
    page.close()
