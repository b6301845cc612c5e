"""What a hop of a model costs on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.model.classifier import Classifier


def hop_times(
    model: Classifier, config: Config, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, list[float]]:
    """Time whole hops of noise, each classified (the gate left out), on this machine as it is now.

    Parameters
    ----------
    model, config : what a run would have
    seconds : of audio, beside the first window
    clock : in seconds; ``time.thread_time`` leaves out what other programs take

    Returns
    -------
    length of a hop in seconds, and the seconds that each took
    """
    engine = Engine(model, replace(config, gate=GateConfig(enabled=False)))
    generator = np.random.default_rng(0)
    hop_s = engine.hop / engine.sample_rate
    times: list[float] = []
    for _ in range(max(1, round((seconds + engine.window / engine.sample_rate) / hop_s))):
        samples = generator.normal(0, 0.1, engine.hop).astype(np.float32)
        started = clock()
        if engine.push(samples):
            times.append(clock() - started)
    return hop_s, times


def hop_ms(model: Classifier, config: Config, seconds: float = 1.5) -> float | None:
    """Milliseconds of processor time of a whole hop here, the median of the last few; None where the settings give no estimate
    in that time.
    """
    _, times = hop_times(model, config, seconds, time.thread_time)
    return 1000 * statistics.median(times[-6:]) if times else None
