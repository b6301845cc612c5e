"""Time of each stage of a hop.

The engine itself contains no timers: an unmodified engine gives the time of the whole hop, and a second one, whose parts are
wrapped in timers, gives the stages. The two alternate on the same blocks, so that the machine's load affects both.
"""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from typing import Any

from realtime_ser.audio.array import ArraySource
from realtime_ser.bench.audio import MIC_RATE, at_mic_rate, percentiles_ms, require_speech, with_vad
from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.window import WindowClassifier
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.records import Block, FloatArray

STAGES = ("resample", "frames", "window", "gate", "model", "smoothing", "other")


class Stopwatches:
    """Adds up the time that methods take, by stage."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = defaultdict(float)

    def watch(self, owner: object, method: str, stage: str) -> None:
        """Time every call of ``owner.method`` from now on."""
        inner = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                self.spent_s[stage] += time.perf_counter() - start

        setattr(owner, method, timed)

    def take(self) -> dict[str, float]:
        """Seconds by stage since the last call."""
        spent, self.spent_s = self.spent_s, defaultdict(float)
        return spent


def timed_engine(model: Classifier, config: Config, watches: Stopwatches, first: Block) -> Engine:
    """An engine and model whose parts are timed, after the first block (which creates the resampler)."""
    engine = Engine(model, config)
    engine.push(first)
    gate = engine._gate
    watches.watch(engine._hops._resampler, "push", "resample")
    for windows in engine._windows.parts:
        _watch_windows(windows, watches)
    for method in ("push", "speech_ratio", "is_speech"):
        watches.watch(gate, method, "gate")
    if gate._detector is not None:
        watches.watch(gate._detector, "probability", "gate_vad")
    for method in ("speech", "silence"):
        watches.watch(engine._labeller.smoother, method, "smoothing")
    for method in ("extend", "close"):
        watches.watch(engine._labeller.segmenter, method, "smoothing")
    return engine


def _watch_windows(windows: WindowClassifier, watches: Stopwatches) -> None:
    model = windows._model
    watches.watch(windows._front_end, "push", "frames")
    watches.watch(windows._front_end, "windows" if model.card.stream is None else "window", "window")
    if windows._normaliser is not None:
        for method in ("normalise", "relative"):
            watches.watch(windows._normaliser, method, "window")
    watches.watch(model, "follow" if model.card.stream else "outputs" if model.card.nobody else "predict", "model")


def measure_stages(config: Config, samples: FloatArray, seconds: float) -> dict[str, Any]:
    """Stages and whole hops as from a microphone; see ``run_bench``."""
    config = with_vad(config, on=True)
    watches = Stopwatches()
    plain = Engine(load_model(config.model, vote=config.stream.vote), config)
    rate = plain.sample_rate
    source = ArraySource(at_mic_rate(samples, rate, seconds), MIC_RATE, block_s=config.capture.block_ms / 1000)
    blocks = (item for item in source.blocks() if isinstance(item, Block))
    first = next(blocks)
    wrapped = load_model(config.model, vote=config.stream.vote)  # its own model: methods get wrapped
    watched = timed_engine(wrapped, config, watches, first)
    plain.push(first)
    rows: list[dict[str, float]] = []
    wholes: list[float] = []
    whole_s = watched_s = 0.0
    watches.take()
    gc.collect()
    for block in blocks:
        start = time.perf_counter()
        estimates = plain.push(block)
        middle = time.perf_counter()
        watched.push(block)
        watched_s += time.perf_counter() - middle
        whole_s += middle - start
        if not estimates:
            continue
        row = watches.take()
        # Count only hops that classify a full window.
        if estimates[-1].state != "no_speech" and estimates[-1].end >= plain.window:
            row["gate_floor"] = row["gate"] - row["gate_vad"]
            row["other"] = watched_s - sum(row[name] for name in STAGES if name != "other")
            rows.append(row)
            wholes.append(whole_s)
        whole_s = watched_s = 0.0
    require_speech(rows)
    names = [*STAGES[:4], "gate_floor", "gate_vad", *STAGES[4:]]
    stages = {
        name: {f"{key}_ms": value for key, value in percentiles_ms([row[name] for row in rows]).items()} for name in names
    }
    hop_ms = percentiles_ms(wholes)
    return {
        "hops": len(rows),
        "hop_s": plain.hop / rate,
        "window_s": plain.window / rate,
        "hop_ms": hop_ms,
        "stages": stages,
        "streams_per_core": int(plain.hop / rate * 1000 / hop_ms["p99"]),
    }
