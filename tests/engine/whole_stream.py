"""Push a stream into an engine, and check its accounts."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from typing import Any

from bundles import Samples
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.records import Block, Estimate

OPEN = Config(gate=GateConfig(enabled=False))  # every window is classified


def hear(engine: Engine, samples: Samples, rate: int, cuts: list[int]) -> list[Estimate]:
    """Push the pieces between the cuts, then flush."""
    estimates = []
    for start, end in pairwise([0, *sorted(cuts), len(samples)]):
        estimates += engine.push(Block(samples[start:end], rate, start))
        check_accounts(engine)
    return estimates + engine.flush()


def check_accounts(engine: Engine) -> None:
    health = engine.health
    assert health.captured == health.classified + health.gated + health.dropped + health.pending
    assert min(value for name, value in asdict(health).items() if name != "channel") >= 0


def plain(estimates: list[Estimate]) -> list[dict[str, Any]]:
    return [asdict(estimate) for estimate in estimates]
