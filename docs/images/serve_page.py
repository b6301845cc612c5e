"""Draws serve-page.png: the page of ``realtime-ser serve`` in Chromium, whose microphone plays the shipped sample.

Run ``python docs/images/serve_page.py`` after ``apt-get install chromium``. It takes a minute.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "realtime_ser" / "sample" / "demo.flac"
WIDTH, HEIGHT, UNTIL_S = 1180, 790, 43.0


def draw(target: Path) -> None:
    """Play the sample to the page, and keep what it shows after ``UNTIL_S``."""
    server = subprocess.Popen(
        [sys.executable, "-m", "realtime_ser", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    url = server.stderr.readline().split()[1].partition("#")[0]
    try:
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as player:
            clip = Path(folder) / "clip.wav"
            samples, rate = soundfile.read(SAMPLE)
            soundfile.write(clip, samples, rate, subtype="PCM_16")
            browser = player.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=[
                    *("--headless=new", "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
                    f"--use-file-for-fake-audio-capture={clip}",
                ],
            )
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark")
            page.goto(url)
            page.wait_for_selector("body[data-state]")
            page.click("#toggle")
            page.wait_for_timeout(1000 * UNTIL_S)
            page.screenshot(path=target)
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    draw(HERE / "serve-page.png")
