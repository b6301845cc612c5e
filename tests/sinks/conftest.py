"""What the sinks' tests share."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from realtime_ser.records import Block, Estimate, Health, Notice, Record, Segment, Session, Summary

LABELS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
RATE, HOP = 16000, 4000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB; skipped where this user may not mount one."""
    place = tmp_path / "small"
    place.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True)
    except FileNotFoundError:
        pytest.skip("no mount command here")
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="session")
def stream() -> Callable[..., list[Record]]:
    """A stream as the pipeline tells it: four seconds of an emotion, two of silence, two unsure, in turn; a loss."""

    def build(
        windows: int = 64,
        *,
        source: str = "talk.wav",
        labels: tuple[str, ...] = LABELS,
        live: bool = False,
        card: dict[str, object] | None = None,
        message: str = "the device is gone",
    ) -> list[Record]:
        card = {"headline": "69.1 % UAR, unseen speakers"} if card is None else card
        duration = None if live else windows * HOP / RATE
        records: list[Record] = [
            Session("0.1.0", "cnn", labels, RATE, 3.0, 0.25, source, "2026-01-01T00:00:00+00:00", {}, RATE, duration, card)
        ]
        end = classified = gated = dropped = 0
        for index in range(windows):
            phase, turn = index // 8 % 4, index // 32
            label = labels[turn % len(labels)]
            lost = 1600 if index == 10 else 0
            end += HOP + lost
            dropped += lost
            samples = (0.1 * np.sin(np.arange(HOP) * 0.1)).astype(np.float32)
            records.append(Block(samples, RATE, end - HOP))
            quiet = phase == 2
            classified, gated = classified + (0 if quiet else HOP), gated + (HOP if quiet else 0)
            values = [0.0] * len(labels) if quiet else [(0.6 if name == label else 0.4 / (len(labels) - 1)) for name in labels]
            shown = () if quiet else tuple(values)
            state = "no_speech" if quiet else "unsure" if phase == 3 else "speech"
            records.append(
                Estimate(
                    max(0, end - 3 * RATE), end, HOP, RATE, state, label if state == "speech" else None,
                    max(values), labels, shown, shown, 0.0 if quiet else 1.0, -23.0, lost, None, 0.010 + 0.0001 * index,
                )
            )  # fmt: skip
            if index % 32 == 15:
                records.append(Segment(end - 16 * HOP, end, RATE, label, 0.6))
            if index == 20:
                records.append(Notice("device_lost", message, end, RATE))
            if index == 22:
                records.append(Notice("device_back", "the device is back", end, RATE))
            records.append(Health(end, classified, gated, dropped, 0, index + 1, 0))
        seconds = {labels[0]: classified / RATE / 2, "unsure": classified / RATE / 2, "no_speech": gated / RATE}
        latency = {"p50": 12.0, "p95": 15.0, "p99": 16.0, "max": math.pi * 5}
        records.append(Summary(Health(end, classified, gated, dropped, 0, windows, 0), RATE, latency, seconds))
        return records

    return build
