"""Too slow a machine, for real: threads, clocks and the command line's own path. Bounds are loose, as the machine is shared."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from command import assert_accounted
from realtime_ser.audio.array import ArraySource
from realtime_ser.audio.realtime import PacedSource
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.pipeline.run import run
from realtime_ser.records import Estimate, Notice, Record
from realtime_ser.sinks.group import SinkGroup
from realtime_ser.sinks.jsonl import JsonlSink
from realtime_ser.sinks.recorder import RecorderSink
from stub_model import StubClassifier

ROOT = Path(__file__).parents[2]
RATE = 4000
CONFIG = Config(gate=GateConfig(enabled=False))


class Keeper:
    """Keeps what is needed, with the moment it came, and switches the model's slowness."""

    name = "keeper"

    def __init__(self, model: StubClassifier, slow_s: tuple[float, float], sleep_s: float) -> None:
        self.began = time.monotonic()
        self.notices: list[Notice] = []
        self.estimates: list[tuple[float, Estimate]] = []
        self._model, self._slow_s, self._sleep_s = model, slow_s, sleep_s

    def write(self, record: Record) -> None:
        now = time.monotonic() - self.began
        self._model.sleep_s = self._sleep_s if self._slow_s[0] <= now < self._slow_s[1] else 0.0
        if isinstance(record, Notice):
            self.notices.append(record)
        elif isinstance(record, Estimate):
            self.estimates.append((now, record))

    def close(self) -> None:
        pass


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


@pytest.mark.slow
def test_a_slow_model_falls_behind_says_so_and_recovers(torture: Any, tmp_path: Path) -> None:
    seconds = torture.pick(18.0, 90.0)
    model = StubClassifier(window_s=1.0, min_window_s=0.5)
    slow_s, sleep_s = (4.0, seconds - 10), 0.7
    out, heard = tmp_path / "out.jsonl", tmp_path / "heard.flac"
    keeper = Keeper(model, slow_s, sleep_s)
    sinks = SinkGroup([JsonlSink(out), RecorderSink(heard), keeper])
    with PacedSource(ArraySource(noise(seconds), RATE)) as source:
        summary = run(source, Engine(model, CONFIG), sinks, CONFIG)
        assert source.overwritten == 0, "the ring never filled: what is skipped is skipped on purpose"
    sinks.close()
    assert [notice.kind for notice in keeper.notices] == ["behind", "caught_up"]
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["kind"] for row in rows if row["type"] == "event"] == ["behind", "caught_up"]
    assert_accounted(rows[-1])
    assert summary.health.captured == round(seconds * RATE)
    assert summary.health.dropped > RATE
    assert soundfile.info(heard).frames == summary.health.captured, "the recorder gets what the engine skips"
    late = max(estimate.latency_s or 0.0 for _, estimate in keeper.estimates)
    # The limit, one turn of the model, a hop, and as much again for a machine with other work to do.
    assert late < 2 * (CONFIG.stream.max_lag_s + sleep_s + 0.25)
    during = [estimate for now, estimate in keeper.estimates if slow_s[0] + 2 < now < slow_s[1]]
    assert len(during) >= 2, "it goes on telling what it can"
    after = [estimate.latency_s or 0.0 for now, estimate in keeper.estimates if now > slow_s[1] + 4]
    assert np.median(after) < 0.5


def test_at_full_speed_nothing_is_ever_skipped() -> None:
    model = StubClassifier(sleep_s=0.05)
    keeper = Keeper(model, (0, 1e9), 0.05)
    summary = run(ArraySource(noise(30), RATE), Engine(model, CONFIG), SinkGroup([keeper]), CONFIG)
    assert keeper.notices == []
    assert summary.health.dropped == 0


def test_the_benchmark_draws_its_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "overload.png"
    command = [sys.executable, ROOT / "benchmarks" / "overload.py", "--seconds", "6", "--out", picture]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [line.split(":")[0] for line in result.stdout.splitlines()[:3]] == ["before", "during", "after"]


def _spin() -> None:
    while True:
        pass


@pytest.mark.slow
def test_with_the_processor_taken_nothing_is_lost_unsaid(torture: Any) -> None:
    """Whether it falls behind depends on the machine; that it says so, and stays within bounds, does not."""
    if not torture.full:
        pytest.skip("takes every processor for twenty seconds: --torture")
    seconds = 20.0
    model = StubClassifier(window_s=1.0, min_window_s=0.5)
    keeper = Keeper(model, (0, 0), 0.0)
    hogs = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(8 * multiprocessing.cpu_count())]
    try:
        for hog in hogs:
            hog.start()
        with PacedSource(ArraySource(noise(seconds), RATE)) as source:
            summary = run(source, Engine(model, CONFIG), SinkGroup([keeper]), CONFIG)
            overwritten = source.overwritten
    finally:
        for hog in hogs:
            hog.kill()
            hog.join()
    health = summary.health
    assert health.captured == health.classified + health.gated + health.dropped + health.pending == round(seconds * RATE)
    behind = [notice for notice in keeper.notices if notice.kind == "behind"]
    assert behind or overwritten or health.dropped == 0
    assert np.median([estimate.latency_s for _, estimate in keeper.estimates]) < CONFIG.stream.max_lag_s
