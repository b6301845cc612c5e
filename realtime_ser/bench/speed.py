"""Throughput, one hop compared with librosa, and latency in real time."""

from __future__ import annotations

import gc
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from realtime_ser.audio.array import ArraySource
from realtime_ser.audio.realtime import PacedSource
from realtime_ser.bench.audio import MIC_RATE, at_mic_rate, percentiles_ms, require_speech, with_vad
from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import Classifier
from realtime_ser.pipeline.run import listen
from realtime_ser.records import Estimate, FloatArray

_TURN = 8  # windows in a row, so that neither side always starts with the other's data in the caches

# Compare CPU time: on a busy machine the longer task is interrupted more often, which would bias wall time in our favour.
# Windows resolves it to 16 ms only.
_clock = time.perf_counter if sys.platform == "win32" else time.thread_time


def measure_throughput(config: Config, model: Classifier, samples: FloatArray, minutes: int) -> dict[str, Any]:
    """Throughput as a multiple of real time; see ``run_bench``."""
    figures: dict[str, Any] = {}
    waited = worked = 0.0
    for name, on in (("realtime_factor", False), ("realtime_factor_with_vad", True)):
        engine = Engine(model, with_vad(config, on=on))
        minute = np.resize(samples, 60 * engine.sample_rate)
        block = engine.sample_rate // 10  # the block size of files
        engine.push(minute[: 10 * block])
        gc.collect()
        factors = []
        for _ in range(minutes):
            wall, cpu = time.perf_counter(), time.process_time()
            for start in range(0, len(minute), block):
                engine.push(minute[start : start + block])
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            factors.append(60 / max(wall, cpu))
            waited += max(0.0, wall - cpu)
            worked += wall
        figures[name] = float(np.median(factors))
        figures[f"{name}_worst_minute"] = min(factors)
        health = engine.health
        figures["classified_share"] = health.classified / (health.classified + health.gated)
    figures["taken_by_others"] = waited / worked
    return figures


def measure_hops(
    config: Config, model: Classifier, samples: FloatArray, windows: int, *, against_librosa: bool
) -> dict[str, Any]:
    """Time one hop without the VAD, and the librosa baselines on the same windows; see ``run_bench``."""
    ways: dict[str, Callable[[FloatArray], object]] = {}
    figures: dict[str, Any] = {}
    if against_librosa:
        from realtime_ser.bench.reference import describe_way, reference_ways

        ways = dict(reference_ways(model))
        figures["librosa_way"] = describe_way(model)
    engine = Engine(model, with_vad(config, on=False))
    taken: dict[str, list[float]] = defaultdict(list)
    turn: list[FloatArray] = []
    gc.collect()
    for piece, window in _hops(samples, engine.hop, engine.window, 20 * windows):
        start = _clock()
        estimates = engine.push(piece)
        spent = _clock() - start
        if len(estimates) != 1 or estimates[0].state == "no_speech" or estimates[0].end < engine.window:
            continue
        taken["hop_without_vad_ms"].append(spent)
        turn.append(window)
        if len(turn) == _TURN:
            for name, way in ways.items():
                for window in turn:
                    start = _clock()
                    way(window)
                    taken[name].append(_clock() - start)
            turn.clear()
        if len(taken["hop_without_vad_ms"]) >= windows and not turn:
            break
    require_speech(taken["hop_without_vad_ms"])
    figures |= {name: percentiles_ms(values) for name, values in taken.items()}
    ours = figures["hop_without_vad_ms"]["p50"]
    for name in ways:
        figures[f"speedup_vs_{name.removesuffix('_hop_ms')}"] = figures[name]["p50"] / ours
    return figures


def _hops(samples: FloatArray, hop: int, window: int, count: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """The looped recording hop by hop, each with the window that ends with it."""
    length = len(samples)
    loop = np.resize(samples, length + max(window, hop))
    at = 0
    for _ in range(count):
        piece = loop[at : at + hop]
        at = (at + hop) % length
        first = (at - window) % length
        yield piece, loop[first : first + window]


def check_live(config: Config, model: Classifier, seconds: float) -> None:
    """Raise a ConfigError when ``seconds`` are too few for an estimate."""
    first_s = Engine(model, with_vad(config, on=False)).min_window / model.spec.sample_rate
    if seconds < first_s + 0.1:
        raise ConfigError(f"--live {seconds:g}: the first estimate comes after {first_s:.2f} s; listen longer")


def measure_live(config: Config, model: Classifier, samples: FloatArray, seconds: float) -> dict[str, Any]:
    """Latency at real pace; see ``run_bench``."""
    engine = Engine(model, with_vad(config, on=True))
    rate = engine.sample_rate
    block_s = round(MIC_RATE * config.capture.block_ms / 1000) / MIC_RATE
    inner = ArraySource(at_mic_rate(samples, rate, seconds), MIC_RATE, block_s=block_s, name="bench")
    raw, beyond = [], []
    with PacedSource(inner, 1.0, block_ms=config.capture.block_ms, ring_s=config.capture.ring_s) as source:
        for record in listen(source, engine):
            if isinstance(record, Estimate) and record.latency_s is not None and record.hop in (engine.hop, engine.min_window):
                raw.append(record.latency_s)
                # The block that holds the window's last sample ends this much later.
                wait_s = -(-record.end_s // block_s) * block_s - record.end_s
                beyond.append(max(0.0, record.latency_s - wait_s))
    return {
        "live_s": seconds,
        "live_block_ms": block_s * 1000,
        "live_windows": len(raw),
        "live_dropped_samples": engine.health.dropped,
        "live_latency_ms": percentiles_ms(beyond),
        "live_raw_latency_ms": percentiles_ms(raw),
    }
