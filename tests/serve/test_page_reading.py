"""What the page says: to a screen reader, to the keyboard, on a narrow screen, and of a file that has no answer."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
import soundfile
from browser import SPOKEN, Page
from server_process import Server

from command import SAMPLE

pytest.importorskip("uvicorn", reason="the 'serve' extra is not installed")
pytestmark = pytest.mark.slow
ENDED = "document.querySelector('#account').textContent.includes('captured:')"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server("--set", "stream.max_lag_s=60")
    yield one
    assert one.stop()[0] == 0


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Page]:
    one = Page(browser, server.url).ready()
    yield one
    one.close()


def upload(page: Page, name: str, data: bytes) -> None:
    page.page.set_input_files("#file", {"name": name, "mimeType": "audio/wav", "buffer": data})


def test_what_a_screen_reader_reads_from_start_to_stop(page: Page) -> None:
    def label() -> str:
        return str(page.page.get_attribute("#timeline", "aria-label")).lower()

    def level() -> tuple[str | None, str | None]:
        return page.page.get_attribute("#level", "aria-valuenow"), page.page.get_attribute("#level", "aria-valuetext")

    assert "no audio yet" in label()
    assert level() == ("-60", "no audio")
    page.toggle().until("document.querySelector('#level').getAttribute('aria-valuetext').endsWith('dBFS')")
    page.until(SPOKEN)
    assert "no audio yet" not in label()
    assert page.page.get_attribute("#toggle", "aria-pressed") is None  # its text says it
    page.page.wait_for_timeout(2500)
    page.toggle().until(ENDED)
    assert level() == ("-60", "no audio")
    captured = float(page.text("#account").split()[0])
    assert captured > 2.5
    assert sum(map(float, re.findall(r"(\d+) s", label()))) == pytest.approx(captured, abs=1.6)


def test_the_focus_on_the_file_outlines_its_button_alone(page: Page) -> None:
    for _ in range(20):
        page.page.keyboard.press("Tab")
        if page.page.evaluate("document.activeElement.id") == "file":
            break
    outlined = """() => [...document.querySelectorAll('.file-card *')]
      .filter((one) => one.id !== 'file' && getComputedStyle(one).outlineStyle !== 'none').map((one) => one.textContent)"""
    assert page.page.evaluate(outlined) == ["Choose a file"]


def test_the_answer_to_a_file_is_announced(page: Page) -> None:
    page.page.set_input_files("#file", str(SAMPLE))
    page.until("!document.querySelector('#file-result').hidden")
    said = page.page.locator(".file-card [role=status]").inner_text()
    assert "25.3 s" in said
    assert page.text("#file-word") in said
    assert "%" in said


def test_a_file_without_an_answer_says_why(page: Page) -> None:
    page.page.set_input_files("#file", str(SAMPLE))
    page.until("!document.querySelector('#file-result').hidden")
    audio, rate = soundfile.read(SAMPLE, dtype="int16")
    soundfile.write(short := io.BytesIO(), audio[: round(0.3 * rate)], rate, format="WAV")
    m4a = b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom" + bytes(200)
    for name, data, reason in (
        ("short.wav", short.getvalue(), "0.3 s are too short to classify"),
        ("empty.wav", b"", "is empty (0 bytes)"),
        ("my talk.m4a", m4a, "convert it first to WAV, as with ffmpeg -i 'my talk.m4a' 'my talk.wav'"),
    ):
        upload(page, name, data)
        page.until(f'document.querySelector("#file-status").textContent.includes("{reason}")')
        assert page.text("#file-status").startswith(name)
        assert "curl" not in page.text("#file-status")
        assert not page.page.is_visible("#file-answer")
        assert not page.page.is_visible("#file-timeline")


def test_the_level_is_one_line_on_a_narrow_screen(browser: Any, server: Server) -> None:
    page = Page(browser, server.url, viewport={"width": 320, "height": 640}).ready()
    lines, over, width = page.page.evaluate(
        """() => {
          const text = document.querySelector('#level-text');
          text.textContent = '−101.5 dBFS';
          const range = document.createRange();
          range.selectNodeContents(text);
          const { scrollWidth, clientWidth } = text;
          return [range.getClientRects().length, scrollWidth - clientWidth, document.documentElement.scrollWidth];
        }"""
    )
    assert (lines, over, width) == (1, 0, 320)
    page.close()


@pytest.mark.parametrize("width", [320, 360, 390, 431])
def test_the_longest_label_stays_on_its_card_on_a_narrow_screen(browser: Any, server: Server, width: int) -> None:
    page = Page(browser, server.url, viewport={"width": width, "height": 640}).ready()
    room = page.page.evaluate(
        """() => {
          document.querySelector('#word').textContent = 'surprised';
          document.querySelector('#remark').textContent = 'speech';
          document.querySelector('#confidence').textContent = '100 %';
          const right = (selector) => document.querySelector(selector).getBoundingClientRect().right;
          return right('#level-text') - right('#confidence');
        }"""
    )
    assert room >= 0  # px
    page.close()


def test_the_account_leaves_out_what_is_nothing(page: Page) -> None:
    text = page.page.evaluate(
        """async () => {
          const { Account } = await import('/page/account.js');
          const account = new Account();
          account.captured = 3;
          const one = account.begin();
          one.send(3);
          one.record({ type: 'session', sample_rate: 100 });
          one.record({ type: 'summary', captured_samples: 300, classified_samples: 296, gated_samples: 0, dropped_samples: 0,
            pending_samples: 4 });
          return account.final();
        }"""
    )
    assert text == "3.0 s captured: 3.0 s classified, nothing lost"
