"""A day of listening: nothing grows, nothing drifts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from audio_server import PulseServer, pulse_server  # noqa: F401 (a fixture)
from command import SAMPLE, assert_accounted, of_type, records, start, wait_for_lines
from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.features.normaliser import RunningNormaliser
from realtime_ser.model.classifier import load_model
from realtime_ser.pipeline.run import listen
from realtime_ser.records import Block, Estimate, FloatArray, Health, Notice

_RATE = 16_000
_BLOCK = 4_000
# One round: speech, silence, speech with faults in it. An odd length, so that rounds meet hops and blocks at every phase.
_ROUND = 61 * _RATE + 137


class Rounds:
    """A source that repeats speech, silence and faults until ``samples`` have gone by; like a device, it only moves forward."""

    name, rate, duration_s, channels, speed, waiting_s = "rounds", _RATE, None, 1, 1.0, 0.0

    speed = 1.0
    waiting_s = 0.0

    def __init__(self, samples: int, seed: int = 0) -> None:
        audio, rate = soundfile.read(SAMPLE, dtype="float32")
        assert rate == _RATE
        pause = np.zeros(15 * _RATE, np.float32)
        self._audio: FloatArray = np.resize(np.concatenate((audio, pause)), _ROUND)
        self._samples = samples
        self._rng = np.random.default_rng(seed)
        self._stopped = False
        self.lost = 0

    def __enter__(self) -> Rounds:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        pass

    def stop(self) -> None:
        self._stopped = True

    def part(self, start: int, end: int) -> FloatArray:
        """The audio of a stretch of the timeline, without its faults."""
        index = np.arange(start, end) % _ROUND
        return self._audio[index]

    def blocks(self) -> Iterator[Block | Notice]:
        at = 0
        while at < self._samples and not self._stopped:
            end = min(at + _BLOCK, self._samples)
            block = Block(self.part(at, end), _RATE, at)
            # The last two minutes stay clean, so that they can be compared.
            draw = self._rng.random() if end < self._samples - 120 * _RATE else 1.0
            if draw < 0.002:  # an overflow
                self.lost += end - at
            elif draw < 0.003:  # a broken sample: the block is lost audio
                block.samples[7] = np.nan
                self.lost += end - at
                yield block
            elif draw < 0.0035:  # away for a second
                yield Notice("device_lost", "gone", at, _RATE)
                self.lost += end - at
            elif draw < 0.005:
                yield replace(block, xruns=1)
            else:
                yield block
            at = end


def test_a_day_at_full_speed(torture: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # The running normalisation remembers the stream on purpose, so that a fresh engine's answers differ: here it forgets after
    # every window, and what is compared is the features.
    remembering = RunningNormaliser.normalise

    def forgetful(self: RunningNormaliser, features: FloatArray, hop_s: float) -> FloatArray:
        self.reset()
        return remembering(self, features, hop_s)

    monkeypatch.setattr(RunningNormaliser, "normalise", forgetful)
    hours = torture.pick(1 / 6, 24)
    samples = round(hours * 3600) * _RATE
    # Measured each hour (each minute of the short form), the first one being the warm-up's.
    step = samples // round(hours * torture.pick(60, 1))
    source, model = Rounds(samples), load_model("mlp")
    engine, fresh = Engine(model, Config()), Engine(model, Config())
    process = psutil.Process()
    seen: dict[str, list[int]] = {"rss": [], "descriptors": [], "threads": []}
    last: list[Estimate] = []
    health, next_at, states, previous_end = Health(), step, set[str](), 0
    began = time.monotonic()
    with source:
        for record in listen(source, engine):
            if isinstance(record, Estimate):
                assert record.end - record.hop >= previous_end, "time ran backward"
                previous_end = record.end
                states.add(record.state)
                if record.end > samples - 75 * _RATE:
                    last.append(record)
            elif isinstance(record, Health):
                health = record
                assert health.captured == health.classified + health.gated + health.dropped + health.pending
                if health.captured >= next_at:
                    next_at += step
                    seen["rss"].append(process.memory_info().rss)
                    seen["descriptors"].append(process.num_fds() if hasattr(process, "num_fds") else process.num_handles())
                    seen["threads"].append(threading.active_count())
    seconds = time.monotonic() - began
    growth = {name: values[-1] / values[0] - 1 for name, values in seen.items()}
    with capsys.disabled():
        print(
            f"\n{hours:.3g} h in {seconds:.0f} s ({hours * 3600 / seconds:.0f} x real time), {health.windows} windows,"
            f" {source.lost / _RATE:.1f} s of faults; growth from first to last: "
            + ", ".join(f"{name} {100 * value:+.2f} %" for name, value in growth.items())
            + f" ({seen['rss'][-1] / 2**20:.0f} MiB)"
        )
    assert states == {"speech", "unsure", "no_speech"} or states == {"speech", "no_speech"}
    # The time index is exact: every sample of the timeline is in one class, and what was lost is what was taken away, give or
    # take the remainders of the pieces that a loss cut off.
    assert engine.health.captured == samples
    assert health.dropped >= source.lost
    assert all(value <= 0.02 for value in growth.values()), seen
    _assert_equal_to_fresh(source, fresh, last, samples)


def _assert_equal_to_fresh(source: Rounds, fresh: Engine, last: list[Estimate], samples: int) -> None:
    """The last minute's probabilities are those of an engine that heard only that minute.

    It begins where one of the engine's windows begins, so that both cut the same windows, and hears some seconds more than are
    compared: the gate's noise floor looks back four seconds, and the voice detector remembers a little.
    """
    begin = last[0].start
    heard = fresh.push(Block(source.part(begin, samples), _RATE, 0)) + fresh.flush()
    theirs = {estimate.end + begin: estimate for estimate in heard}
    compared = [item for item in last if item.end > samples - 60 * _RATE and item.end in theirs]
    assert len(compared) > 200
    spoken = [(mine, theirs[mine.end]) for mine in compared if mine.probs and theirs[mine.end].probs]
    assert len(spoken) > 40
    for mine, other in spoken:
        assert (mine.start, mine.end) == (other.start + begin, other.end + begin)
        np.testing.assert_allclose(mine.probs, other.probs, atol=1e-5)
    differing = sum(bool(mine.probs) != bool(theirs[mine.end].probs) for mine in compared)
    assert differing <= 0.02 * len(compared), "the gate decides as a fresh one would"


@pytest.mark.audio_server
def test_twenty_real_minutes_of_microphone(
    pulse_server: PulseServer,  # noqa: F811
    torture: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not torture.full:
        pytest.skip("twenty minutes: run with --torture")
    minutes = 20
    out = tmp_path / "out.jsonl"
    process = start("monitor", "--duration", str(60 * minutes), "--jsonl", out, "--no-dashboard", env=pulse_server.env)
    wait_for_lines(out, 1)
    while process.poll() is None:
        player = pulse_server.play(SAMPLE)
        player.wait()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    rows = records(out.read_text())
    summary = rows[-1]
    assert_accounted(summary)
    with capsys.disabled():
        print(f"\n{minutes} real minutes of microphone: {json.dumps(summary)}")
    assert summary["captured_samples"] == 60 * minutes * rows[0]["sample_rate"]
    # A drop is explained when an overflow report or an event stands beside it.
    explained = summary["xruns"] or of_type(rows, "event")
    assert summary["dropped_samples"] == 0 or explained, summary
