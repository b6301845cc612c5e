"""The page in a real browser: what it shows, what it sends, and that it lets the microphone go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browser import SPOKEN, Page, chromium, write_clip
from server_process import Server

from command import SAMPLE, assert_accounted, of_type, realtime_ser, records

pytestmark = pytest.mark.slow
MakeServer = Callable[..., Server]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server("--set", "stream.max_lag_s=60")
    yield one
    assert one.stop()[0] == 0


def streams_open(server: Server) -> int:
    import urllib.request

    with urllib.request.urlopen(f"{server.url}health", timeout=10) as answer:
        return int(json.load(answer)["streams"])


def wait_until(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_from_start_to_stop(browser: Any, server: Server) -> None:
    page = Page(browser, server.url).ready()
    assert "not kept" in page.text("#privacy")
    assert "UAR" in page.text(".model-card")
    assert page.page.locator("#bars li").count() == 8
    page.toggle().until(SPOKEN)
    page.until("document.querySelector('#account').textContent.includes('nothing lost')")
    assert page.text("#confidence").endswith("%")
    assert page.text("#toggle") == "Stop"
    page.toggle().until("document.querySelector('#account').textContent.includes('classified')")
    assert page.text("#word") == "ready"
    wait_until(lambda: streams_open(server) == 0)
    summary = json.loads(page.records[-1])
    assert_accounted(summary)
    assert page.faults == []
    page.close()


def mean_probs(windows: list[dict[str, Any]]) -> list[float]:
    """Of each label, over the windows that have an estimate."""
    spoken = [row["probs"] for row in windows if row["probs"]]
    return [float(np.mean([probs[label] for probs in spoken])) for label in sorted(spoken[0])]


def test_the_records_equal_replays_of_what_the_browser_heard(
    player: Any, server: Server, tmp_path: Path, corpora: Path
) -> None:
    """What the page sends is recorded at its socket and replayed."""
    clips = [path for path in sorted((corpora / "ravdess_speech").rglob("*.flac")) if path.stem.split("-")[2] == "05"]
    audio, rate = soundfile.read(clips[5], dtype="float32")
    pause = np.zeros(rate, np.float32)
    spoken = np.concatenate((audio, pause))
    with chromium(player, write_clip(tmp_path / "angry.wav", spoken, rate)) as own:
        page = Page(own, server.url).ready().toggle()
        page.until(SPOKEN)
        page.page.wait_for_timeout(4000)
        page.toggle().until("document.querySelector('#account').textContent.includes('classified')")
        received = [json.loads(text) for text in page.records]
        page.close()
    start = next(json.loads(frame) for frame in page.sent if isinstance(frame, str))
    soundfile.write(tmp_path / "sent.wav", page.samples(), start["rate"], subtype="PCM_16")
    replayed = records(realtime_ser("replay", tmp_path / "sent.wav", "--speed", "max", "--jsonl", "-").stdout)
    ours, theirs = of_type(received, "window"), of_type(replayed, "window")
    assert len(ours) == len(theirs) > 10
    assert [row["label"] for row in ours] == [row["label"] for row in theirs]
    assert [{**row, "latency_ms": 0} for row in ours] == [{**row, "latency_ms": 0} for row in theirs]
    # The browser resamples and repeats the file; the model finds much the same in it. A label alone may tip over.
    direct = records(realtime_ser("replay", tmp_path / "angry.wav", "--speed", "max", "--jsonl", "-").stdout)
    assert np.corrcoef(mean_probs(of_type(direct, "window")), mean_probs(ours))[0, 1] > 0.5


def test_reload_back_and_close_let_the_microphone_go(browser: Any, server: Server) -> None:
    page = Page(browser, server.url).ready().toggle()
    page.until("document.querySelector('#status').textContent.startsWith('Listening')")
    assert streams_open(server) == 1
    page.page.reload()
    wait_until(lambda: streams_open(server) == 0)
    page.ready().toggle().until("document.querySelector('#status').textContent.startsWith('Listening')")
    page.page.goto("about:blank")
    wait_until(lambda: streams_open(server) == 0)
    page.page.go_back()
    page.ready()
    assert page.text("#word") == "ready"
    assert page.text("#toggle") == "Start"
    page.toggle().until("document.querySelector('#status').textContent.startsWith('Listening')")
    page.close()
    wait_until(lambda: streams_open(server) == 0)


def test_two_tabs(browser: Any, server: Server) -> None:
    pages = [Page(browser, server.url).ready().toggle() for _ in range(2)]
    for page in pages:
        page.until("document.querySelector('#account').textContent.match(/[1-9]\\.\\d s captured/)")
    assert streams_open(server) == 2
    for page in pages:
        page.toggle().until("document.querySelector('#account').textContent.includes('classified')")
        page.close()


def test_the_microphone_disappears(browser: Any, server: Server) -> None:
    page = Page(browser, "about:blank")
    page.page.add_init_script(
        "const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        "navigator.mediaDevices.getUserMedia = async (...a) => (window.stream = await open(...a));"
    )
    page.page.goto(server.url)
    page.ready().toggle().until("document.querySelector('#account').textContent.match(/[1-9]\\.\\d s captured/)")
    page.page.evaluate("window.stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    page.until("document.querySelector('#fault').textContent.includes('gone')")
    page.until("document.querySelector('#account').textContent.includes('classified')")
    assert page.page.evaluate("window.stream.getAudioTracks()[0].readyState") == "ended"
    assert page.text("#toggle") == "Start"
    wait_until(lambda: streams_open(server) == 0)
    page.close()


def test_permission_refused(player: Any, clip: Path, server: Server) -> None:
    with chromium(player, clip, allowed=False) as one:
        page = Page(one, server.url).ready().toggle()
        page.until("!document.querySelector('#fault').hidden")
        assert "Allow it" in page.text("#fault")
        assert page.text("#toggle") == "Start"
        assert streams_open(server) == 0


def test_the_server_is_killed_and_comes_back(browser: Any, serve: MakeServer) -> None:
    first = serve()
    page = Page(browser, first.url).ready().toggle()
    page.until("document.querySelector('#account').textContent.match(/[1-9]\\.\\d s captured/)")
    first.process.kill()
    first.process.wait()
    page.until("document.querySelector('#status').textContent.includes('connection is lost')")
    page.page.wait_for_timeout(1000)
    first.again()
    page.until("document.querySelector('#status').textContent.startsWith('Listening')")
    page.until("/[1-9]\\.\\d s lost/.test(document.querySelector('#account').textContent)")
    page.toggle().until("document.querySelector('#account').textContent.includes('classified')")
    summary = json.loads(page.records[-1])
    assert_accounted(summary)
    assert summary["dropped_samples"] > 16000
    page.close()


def test_a_file_is_classified(browser: Any, server: Server) -> None:
    page = Page(browser, server.url).ready()
    page.page.set_input_files("#file", str(SAMPLE))
    page.until("!document.querySelector('#file-result').hidden")
    assert "25.3 s" in page.text("#file-status")
    assert "%" in page.text("#file-word")
    assert "neutral" in str(page.page.get_attribute("#file-timeline", "aria-label"))
    page.page.set_input_files("#file", {"name": "x.wav", "mimeType": "audio/wav", "buffer": b"nonsense"})
    page.until("document.querySelector('#file-status').textContent.includes('not audio')")
    page.close()


def test_keyboard_alone(browser: Any, server: Server) -> None:
    page = Page(browser, server.url).ready()
    for _ in range(20):
        page.page.keyboard.press("Tab")
        if page.page.evaluate("document.activeElement.id") == "toggle":
            break
    else:
        raise AssertionError("Start is not reached by the Tab key")
    page.page.keyboard.press("Enter")
    page.until("document.querySelector('#status').textContent.startsWith('Listening')")
    page.page.keyboard.press("Enter")
    page.until("document.querySelector('#toggle').textContent === 'Start'")
    page.close()


CONTRAST = """() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map((v) => Number(v) / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.endsWith(', 0)')) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.matches('.hidden, .skip')) continue;
    const [one, other] = [light(getComputedStyle(element).color), light(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) found.push(`${element.className || element.id || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_and_the_page_fits_a_phone(browser: Any, server: Server, scheme: str) -> None:
    page = Page(browser, server.url, color_scheme=scheme, viewport={"width": 390, "height": 844}).ready().toggle()
    page.until(SPOKEN)
    assert page.page.evaluate(CONTRAST) == []
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    heights = page.page.evaluate("[...document.querySelectorAll('button, select, .button')].map((e) => e.offsetHeight)")
    assert min(height for height in heights if height) >= 44
    page.close()


def test_without_motion_nothing_moves(browser: Any, server: Server) -> None:
    for motion, expected in (("reduce", {"0s"}), ("no-preference", {"0.18s"})):
        page = Page(browser, server.url, reduced_motion=motion).ready()
        moving = page.page.evaluate(
            "[...document.querySelectorAll('.fill')].map((e) => getComputedStyle(e).transitionDuration)"
        )
        assert set(moving) == expected
        page.close()


def test_a_token_in_the_fragment(browser: Any, serve: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("correct-horse-battery-staple")
    server = serve("--token-file", tmp_path / "token")
    page = Page(browser, server.url).ready()
    assert "token" in page.text("#fault")
    page.toggle().until("document.querySelector('#fault').textContent.includes('missing or wrong')")
    page.close()
    page = Page(browser, server.url, path="#token=correct-horse-battery-staple").ready().toggle()
    page.until("document.querySelector('#status').textContent.startsWith('Listening')")
    page.page.set_input_files("#file", str(SAMPLE))
    page.until("!document.querySelector('#file-result').hidden")
    page.close()
