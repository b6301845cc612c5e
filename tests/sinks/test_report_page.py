"""The report's page in a browser: it fits the screen, and the note on its use comes before the long card."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_ser.records import Record
from realtime_ser.sinks.report.sink import ReportSink

pytestmark = pytest.mark.slow
CARD = {
    "headline": "69.1 % UAR, unseen speakers",
    "training": {f"a_long_name_{index}": {"of_a_setting": ", ".join(["value"] * 30)} for index in range(60)},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as player:
        one = player.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture
def report(tmp_path: Path, stream: Callable[..., list[Record]]) -> str:
    """The address of the report on two recordings."""
    sink = ReportSink(tmp_path / "report.html")
    for record in [*stream(64, source="one.wav", card=CARD), *stream(64, source="two.wav", card=CARD)]:
        sink.write(record)
    sink.close()
    return (tmp_path / "report.html").as_uri()


@pytest.mark.parametrize(("width", "height", "most"), [(360, 740, 8000), (1280, 900, 5500)])
def test_the_page_fits_the_screen(browser: Any, report: str, width: int, height: int, most: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(report)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.documentElement.scrollHeight") < most  # without the card, which is closed
    text = "[...document.querySelectorAll('svg text')].map((one) => one.getBoundingClientRect().height)"
    assert min(page.evaluate(text)) > 9  # px, of a line
    page.evaluate("document.querySelector('details').open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    narrow = "[...document.querySelectorAll('details td')].map((cell) => cell.clientWidth)"
    assert min(page.evaluate(narrow)) > width / 4
    page.close()


def test_the_note_on_its_use_is_above_the_card(browser: Any, report: str) -> None:
    page = browser.new_page()
    page.goto(report)
    top = "(element) => element.getBoundingClientRect().top"
    note, card = page.get_by_text("Do not use this to decide about people"), page.get_by_text("The model's card")
    assert note.evaluate(top) < card.evaluate(top)
    assert not page.locator("details table").is_visible()
    page.close()
