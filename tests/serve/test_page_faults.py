"""The page where something goes wrong or is changed: channels, interruptions, lost connections, other choices."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browser import CAPTURED, ENDED, LISTENS, SPOKEN, Page, Relay, assert_complete, chromium, kept, write_clip
from server_process import Server

from command import SAMPLE

pytest.importorskip("uvicorn", reason="the 'serve' extra is not installed")
pytestmark = pytest.mark.slow
MakeServer = Callable[..., Server]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server("--also", "cnn", "--set", "stream.max_lag_s=60")
    yield one
    assert one.stop()[0] == 0


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    one = Relay(server.port)
    yield one
    one.close()


@pytest.mark.parametrize("path", ["", "overlay"])
def test_a_voice_on_the_right_channel_alone(player: Any, server: Server, clip: Path, tmp_path: Path, path: str) -> None:
    audio, rate = soundfile.read(clip, dtype="float32")
    both = np.stack((np.zeros_like(audio), audio), axis=1)
    with chromium(player, write_clip(tmp_path / "right.wav", both, rate)) as own:
        page = Page(own, server.url, path=path)
        if not path:
            page.ready().toggle()
        page.until(SPOKEN)
        if not path:
            assert page.text("#level-text").endswith("dBFS")
            page.toggle().until("document.querySelector('#account').textContent.includes('classified')")
        left, right = np.abs(page.samples().astype(float)).mean(axis=0)
        assert right > 100
        assert left < 1
        page.close()


def test_an_interruption_is_said_and_counted(browser: Any, server: Server) -> None:
    page = kept(browser, server.url).ready().toggle()
    page.until(SPOKEN)
    page.page.evaluate("window.contexts.at(-1).suspend()")
    page.until("document.querySelector('#status').textContent.includes('interrupted')")
    page.until("document.querySelector('#word').textContent === 'interrupted'")
    page.until("/[2-9]\\.\\d s lost/.test(document.querySelector('#account').textContent)")
    assert page.text("#word") == "interrupted"
    page.page.click("#resume")
    page.until(LISTENS)
    page.until(SPOKEN)
    assert not page.page.is_visible("#resume")
    page.page.evaluate("window.said.length = 0")
    page.toggle().until(ENDED)
    seconds = assert_complete(page)
    gap_s = sum(gap["samples"] for gap in page.messages("gap")) / page.messages("start")[0]["rate"]
    assert seconds["lost"] == pytest.approx(gap_s, abs=0.1)
    assert gap_s > 2
    assert len(page.messages("start")) == 1
    assert not page.page.evaluate("window.said.some((text) => text.includes('interrupted'))")
    page.close()


def test_stop_during_an_interruption(browser: Any, server: Server) -> None:
    page = kept(browser, server.url).ready().toggle()
    page.until(SPOKEN)
    page.page.evaluate("window.contexts.at(-1).suspend()")
    page.until("document.querySelector('#word').textContent === 'interrupted'")
    page.page.wait_for_timeout(500)
    page.toggle().until(ENDED)
    assert assert_complete(page)["lost"] >= 0.5
    assert page.text("#word") == "ready"
    assert not page.page.is_visible("#resume")
    page.close()


def test_another_model_is_chosen_while_the_microphone_is_on(browser: Any, server: Server) -> None:
    page = Page(browser, server.url).ready().toggle()
    page.until(SPOKEN)
    page.page.select_option("#model", "cnn")
    page.until("document.querySelector('#description').textContent.startsWith('cnn')")
    page.until(LISTENS)
    page.until(SPOKEN)
    assert [start["model"] for start in page.messages("start")] == ["mlp", "cnn"]
    assert len(page.messages("stop")) == len(page.received("summary")) == 1
    assert set(page.received("window")[-1]["probs"]) <= set(page.received("session")[-1]["labels"])
    with page.page.expect_request("**/v1/classify*") as request:
        page.page.set_input_files("#file", str(SAMPLE))
    assert "model=cnn" in request.value.url
    page.toggle().until(ENDED)
    first, second = page.received("summary")
    assert assert_complete(page)["captured"] == pytest.approx(
        (first["captured_samples"] + second["captured_samples"]) / page.received("session")[0]["sample_rate"], abs=0.3
    )
    page.close()


def test_another_microphone_is_chosen_while_one_is_on(browser: Any, server: Server) -> None:
    page = kept(browser, server.url).ready().toggle()
    page.until(LISTENS)
    page.until("document.querySelector('#device').options.length > 2")
    before = page.page.evaluate("window.microphones.at(-1).label")
    page.page.select_option("#device", index=2)
    page.until("window.microphones.length === 2")
    page.until(LISTENS)
    assert page.page.evaluate("window.microphones.map((one) => one.readyState)") == ["ended", "live"]
    chosen = page.page.evaluate("document.querySelector('#device').selectedOptions[0].textContent")
    assert page.page.evaluate("window.microphones.at(-1).label") == chosen != before
    page.toggle().until(ENDED)
    page.close()


def test_stop_wins_over_another_choice(browser: Any, server: Server) -> None:
    page = kept(browser, server.url).ready().toggle()
    page.until(SPOKEN)
    page.page.evaluate(
        """() => {
          const choice = document.querySelector('#model');
          choice.value = 'cnn';
          choice.dispatchEvent(new Event('change'));
          document.querySelector('#toggle').click();
        }"""
    )
    page.until("document.querySelector('#status').textContent === 'Stopped.'")
    page.page.wait_for_timeout(500)
    assert [start["model"] for start in page.messages("start")] == ["mlp"]
    assert page.page.evaluate("window.microphones.map((one) => one.readyState)") == ["ended"]
    assert page.text("#toggle") == "Start"
    page.close()


def test_the_place_that_our_own_lost_connection_holds(browser: Any, serve: MakeServer) -> None:
    server = serve("--max-streams", "1", "--set", "stream.max_lag_s=60")
    relay = Relay(server.port)
    try:
        page = Page(browser, relay.url).ready().toggle()
        page.until(CAPTURED)
        other = Page(browser, relay.url).ready().toggle()
        other.until("document.querySelector('#fault').textContent.includes('all streams are taken')")
        assert other.text("#toggle") == "Start"  # before its first session that is final
        other.close()
        relay.cut()
        page.until("document.querySelector('#status').textContent.includes('all streams are taken')")
        assert page.text("#toggle") == "Stop"
        relay.let_go()
        page.until(LISTENS)
        page.until("/[1-9]\\.\\d s lost/.test(document.querySelector('#account').textContent)")
        page.toggle().until(ENDED)
        assert_complete(page)
        page.close()
    finally:
        relay.close()


def test_the_account_covers_all_connections(browser: Any, server: Server, relay: Relay) -> None:
    page = Page(browser, relay.url).ready().toggle()
    page.until("/[3-9]\\.\\d s captured/.test(document.querySelector('#account').textContent)")
    windows = page.received("window")
    relay.cut()
    page.until("document.querySelector('#status').textContent.includes('connection is lost')")
    page.until(LISTENS)
    page.until("document.querySelector('#account').textContent.includes('s lost')")
    page.until(SPOKEN)
    page.toggle().until(ENDED)
    rate = page.received("session")[0]["sample_rate"]
    (summary,) = page.received("summary")
    seconds = assert_complete(page)
    assert seconds["captured"] >= windows[-1]["end_s"] + summary["captured_samples"] / rate - 0.1
    assert seconds["classified"] + seconds["without speech"] >= windows[-1]["end_s"] + (
        (summary["classified_samples"] + summary["gated_samples"]) / rate - 0.1
    )
    assert seconds["lost"] >= summary["dropped_samples"] / rate - 0.1 > 0
    page.close()


def test_stop_while_the_connection_is_lost(browser: Any, serve: MakeServer) -> None:
    server = serve()
    page = Page(browser, server.url).ready().toggle()
    page.until(CAPTURED)
    server.process.kill()
    server.process.wait()
    page.until("/[1-9]\\.\\d s lost/.test(document.querySelector('#account').textContent)")
    page.toggle().until(ENDED)
    seconds = assert_complete(page)
    assert seconds["classified"] + seconds["without speech"] >= 1
    assert seconds["lost"] >= 1
    page.close()


def test_a_server_that_is_silent_counts_as_a_lost_connection(browser: Any, serve: MakeServer) -> None:
    server = serve("--set", "stream.max_lag_s=60")
    page = Page(browser, server.url).ready().toggle()
    page.until(SPOKEN)
    server.process.send_signal(signal.SIGSTOP)  # its sockets stay open
    try:
        page.until("document.querySelector('#status').textContent.includes('the server does not answer')")
        assert page.text("#word") == "no connection"
    finally:
        server.process.send_signal(signal.SIGCONT)
    page.until(LISTENS)
    page.until(SPOKEN)
    assert len(page.messages("start")) == 2
    page.toggle().until(ENDED)
    seconds = assert_complete(page)
    assert seconds["sent but not confirmed"] == pytest.approx(10, abs=1.5)
    page.close()


ACCOUNT = """async () => {
  const { Account } = await import('/page/account.js');
  const account = new Account();
  account.captured = 20;
  const session = { type: 'session', sample_rate: 100 };
  const window = { type: 'window', state: 'speech', lost_samples: 0, end_s: 1 };
  // It breaks: 3 s sent, 2 s have a window, half of them silence.
  const broken = account.begin();
  broken.record(session);
  broken.send(3);
  broken.record(window);
  broken.record({ ...window, state: 'no_speech', end_s: 2 });
  const alive = account.totals().unconfirmed;
  broken.over = true;
  // No session: 1 s of gap, 1 s of audio.
  const refused = account.begin();
  refused.gap(1);
  refused.send(1);
  refused.over = true;
  // A gap of 2 s, then it breaks before a window.
  const short = account.begin();
  short.record(session);
  short.gap(2);
  short.send(0.5);
  short.over = true;
  // Its summary has all but the last second.
  const whole = account.begin();
  whole.record(session);
  whole.send(6);
  whole.record({ type: 'summary', captured_samples: 500, classified_samples: 300, gated_samples: 100, dropped_samples: 80,
    pending_samples: 20 });
  whole.over = true;
  return { alive, totals: account.totals(), text: account.final() };
}"""


def test_what_the_account_counts(browser: Any, server: Server) -> None:
    page = Page(browser, server.url).ready()
    found = page.page.evaluate(ACCOUNT)
    assert found["alive"] == 0
    # Lost: 2 s without a session, the gap of 2 s, 0.8 s that the server dropped, 1 s after its summary, 6.5 s never sent.
    expected = {"classified": 4, "gated": 2, "lost": 12.3, "pending": 0.2, "unconfirmed": 1.5}
    assert found["totals"] == pytest.approx(expected)
    assert found["text"] == (
        "20.0 s captured: 4.0 s classified, 2.0 s without speech, 12.3 s lost, 1.5 s sent but not confirmed, "
        "0.2 s too short to classify"
    )
    page.close()


TIMELINE = """async () => {
  const { Timeline } = await import('/page/view.js');
  const timeline = new Timeline(document.createElement('canvas'), [], {});
  timeline.begin(10, 3);
  timeline.window(11, 0, { state: 'speech', label: 'sad' });
  timeline.window(11.25, 0, { state: 'speech', label: 'sad' });
  timeline.window(14.25, 2, { state: 'no_speech', label: null });
  return timeline.pieces.map(({ start, end, state }) => [start, end, state]);
}"""


def test_the_timeline_shows_a_loss_where_it_was(browser: Any, server: Server) -> None:
    page = Page(browser, server.url).ready()
    assert page.page.evaluate(TIMELINE) == [[10, 11.25, "speech"], [11.25, 13.25, "lost"], [13.25, 14.25, "no_speech"]]
    page.close()
