"""Does a stream that runs for hours keep memory? Six simulated hours through an engine, under tracemalloc.

    python benchmarks/allocation.py [--hours 6] [--model mlp] [--bound-kib 1024]

Speech, silence and gaps alternate, as fast as it goes. Prints what Python and numpy hold after the first hour and after the
last, and exits 1 when it grew by more than the bound.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from realtime_ser.bench.audio import read_audio
from realtime_ser.config import load_config
from realtime_ser.engine.engine import Engine
from realtime_ser.latency import LatencyHistogram
from realtime_ser.model.classifier import load_model
from realtime_ser.records import Block, FloatArray

SAMPLE = Path(__file__).parents[1] / "realtime_ser" / "sample" / "demo.flac"
_ROUND_S = 120


def main() -> int:
    """Run and print; 0 when memory stayed within the bound."""
    parser = argparse.ArgumentParser(description="Memory growth of an engine over simulated hours.")
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--bound-kib", type=float, default=1024.0)
    options = parser.parse_args()
    started = time.monotonic()
    held = measure(options.model, [3600.0 * hour for hour in (1.0, options.hours)])
    growth = (held[-1] - held[0]) / 1024
    print(
        f"held after hour 1: {held[0] / 1024:.1f} KiB, after hour {options.hours:g}: {held[-1] / 1024:.1f} KiB,"
        f" growth {growth:+.1f} KiB (bound {options.bound_kib:g}), {time.monotonic() - started:.0f} s of work"
    )
    return 0 if growth <= options.bound_kib else 1


def measure(model: str, at_s: list[float]) -> list[int]:
    """Bytes that Python and numpy hold, by tracemalloc, after each of the given seconds of stream time.

    Memory of libraries that do not go through Python's allocators (ONNX Runtime, soxr) is not seen; the process's resident
    memory over a long run shows that.
    """
    engine = Engine(load_model(model), load_config())
    latencies = LatencyHistogram()
    stream = _stream(read_audio(SAMPLE, engine.sample_rate), engine.sample_rate)
    # Whatever is made on first use exists before counting starts.
    _advance(engine, stream, latencies, 2.0 * _ROUND_S)
    tracemalloc.start()
    held = []
    try:
        for seconds in at_s:
            _advance(engine, stream, latencies, seconds)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return held


def _advance(engine: Engine, stream: Iterator[Block], latencies: LatencyHistogram, until_s: float) -> None:
    while engine.health.captured < until_s * engine.sample_rate:
        for estimate in engine.push(next(stream)):
            latencies.add(estimate.confidence)
        engine.take_segments()


def _stream(speech: FloatArray, rate: int) -> Iterator[Block]:
    """Rounds of two minutes without end: speech, then silence twice as long with a gap in its middle."""
    silence = np.random.default_rng(0).normal(0, 1e-4, rate).astype(np.float32)
    start = 0
    while True:
        for at in range(0, min(len(speech), _ROUND_S * rate // 3), rate):
            piece = speech[at : at + rate]
            yield Block(piece, rate, start, xruns=1)
            start += len(piece)
        for second in range(2 * _ROUND_S // 3):
            if second == _ROUND_S // 3:
                start += rate // 2
            yield Block(silence, rate, start)
            start += rate


if __name__ == "__main__":
    sys.exit(main())
