"""A source that wraps another and injects the faults of a scenario.

Each stage is a generator over blocks and notices: cut on a fixed grid -> lose -> distort -> deliver late -> drift. The faults
depend only on the scenario, its seed and the wrapped source's sample indices, not on a clock or on the size of the wrapped
source's blocks, so that a run is reproducible.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np

from realtime_ser.audio.downmix import downmix
from realtime_ser.audio.resample import Resampler
from realtime_ser.audio.source import Source
from realtime_ser.errors import SourceError
from realtime_ser.faults.scenario import (
    Burst,
    Channels,
    Clipping,
    ClockDrift,
    Denormals,
    Infinite,
    Jitter,
    LyingRate,
    NotANumber,
    Offset,
    Raise,
    Scenario,
    Stall,
    Vanish,
    Xrun,
    strikes,
)
from realtime_ser.records import Block, FloatArray, Notice

_Stream = Iterator[Block | Notice]
# The resampler takes whole numbers of Hz; both sides of the ratio times this make a millionth count.
_FINEST_HZ = 700_000


class FaultySource:
    """Another source's audio, with faults.

    Parameters
    ----------
    source : the source to wrap; opened and closed by this one. With a real-time source the faults happen in real time.
    scenario : the faults and their times

    Its first item is a notice of kind "faults", so that every output is marked as a test.
    """

    def __init__(self, source: Source, scenario: Scenario) -> None:
        self._source = source
        self._scenario = scenario
        self.name, self.rate, self.duration_s = source.name, source.rate, source.duration_s
        self.channels = 1
        self.speed: float = source.speed
        self.waiting_s = 0.0  # the part of the wrapped source's block that was not yielded yet
        self._rate = source.rate  # the wrapped source's

    def __enter__(self) -> FaultySource:
        """Open the wrapped source; raises what it raises."""
        self._source.__enter__()
        self.name, self._rate, self.duration_s = self._source.name, self._source.rate, self._source.duration_s
        self.rate = next((fault.declared_hz for _, fault in self._all(LyingRate)), self._rate)
        if self.duration_s is not None:
            # The duration at the declared rate; lost audio counts too.
            self.duration_s *= self._rate / self.rate * math.prod(1 + fault.ppm / 1e6 for _, fault in self._all(ClockDrift))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._source.__exit__(kind, error, traceback)

    def stop(self) -> None:
        """End ``blocks()`` soon, after delivering the delayed blocks."""
        self._source.stop()

    def blocks(self) -> _Stream:
        """Yield the wrapped source's blocks with the faults applied.

        Raises
        ------
        SourceError : as the wrapped source does, or injected by the scenario; everything before it has been yielded
        """
        count, seed = len(self._scenario.faults), self._scenario.seed
        yield Notice("faults", f"{count} faults are injected by {self._scenario.name} (seed {seed})", 0, self.rate)
        stream = self._lose(self._cut(self._source.blocks()))
        stream = self._deliver(self._distort(stream))
        for item in self._drift(stream):
            if isinstance(item, Block):
                yield replace(item, rate=self.rate)
            else:
                yield replace(item, sample_rate=self.rate)

    def _all(self, *kinds: type[Any]) -> list[tuple[int, Any]]:
        return [(number, fault) for number, fault in enumerate(self._scenario.faults) if isinstance(fault, kinds)]

    def _strikes(self, kinds: tuple[type[Any], ...], block: Block) -> Iterator[tuple[int, Any, int, int]]:
        """Number, fault, first and past of the faults that overlap a block."""
        for number, fault in self._all(*kinds):
            for first, past in strikes(fault, (self._scenario.seed, number), self._rate, block.start, block.end):
                yield number, fault, first, past

    def _random(self, number: int, start: int) -> np.random.Generator:
        return np.random.default_rng((self._scenario.seed, number, start))

    def _cut(self, stream: _Stream) -> _Stream:
        """Blocks that end on multiples of ``block_ms``, at gaps and at notices."""
        grid = max(1, round(self._rate * self._scenario.block_ms / 1000))
        held: list[Block] = []
        failure: SourceError | None = None
        try:
            for item in stream:
                if isinstance(item, Notice):
                    yield from _joined(held)
                    yield item
                    continue
                if held and item.start != held[-1].end:
                    yield from _joined(held)
                at = item.start
                while at < item.end:
                    until = min(item.end, (at // grid + 1) * grid)
                    held.append(_part(item, at, until))
                    self.waiting_s = (item.end - until) / (self._rate * self.speed)
                    if until % grid == 0:
                        yield from _joined(held)
                    at = until
        except SourceError as error:
            failure = error
        yield from _joined(held)
        if failure is not None:
            raise failure

    def _lose(self, stream: _Stream) -> _Stream:
        """Remove lost audio, and raise where the scenario's callback fails."""
        back_at: int | None = None
        xruns = 0
        for item in stream:
            if isinstance(item, Notice):
                yield item
                continue
            position = item.start
            for _, fault, first, past in sorted(self._strikes((Vanish, Xrun, Raise), item), key=lambda strike: strike[2:]):
                if first > position:
                    yield replace(_part(item, position, first), xruns=xruns)
                    position, xruns = first, 0
                if isinstance(fault, Raise):
                    raise SourceError(f"{self.name}: audio capture failed: RuntimeError: {fault.message}")
                if isinstance(fault, Vanish):
                    if back_at is None:
                        yield Notice("device_lost", f"{self.name} is gone (a fault of the scenario)", max(first, item.start))
                    back_at = max(back_at or 0, past)
                elif first >= item.start:
                    xruns += 1
                position = max(position, min(past, item.end))
            if back_at is not None and back_at <= position:
                yield Notice("device_back", f"{self.name} is back", back_at)
                back_at = None
            if position < item.end:
                yield replace(_part(item, position, item.end), xruns=xruns + item.xruns)
                xruns = 0

    def _distort(self, stream: _Stream) -> _Stream:
        kinds = (NotANumber, Infinite, Denormals, Offset, Clipping, Channels)
        for item in stream:
            if isinstance(item, Notice):
                yield item
                continue
            samples = item.samples
            for number, fault, first, past in self._strikes(kinds, item):
                samples = samples.copy()
                part = slice(max(0, first - item.start), past - item.start)
                samples[part] = _distorted(samples[part], fault, self._random(number, item.start))
            yield replace(item, samples=samples)

    def _deliver(self, stream: _Stream) -> _Stream:
        """Delay blocks until the wrapped source reaches the time at which they are due, in order."""
        held: deque[tuple[int, bool, Block | Notice]] = deque()
        failure: SourceError | None = None
        now = 0
        try:
            for item in stream:
                now = item.end if isinstance(item, Block) else now
                due, lump = self._due(item)
                held.append((due, lump, item))
                ready = []
                while held and held[0][0] <= now:
                    ready.append(held.popleft())
                yield from _lumped(ready)
        except SourceError as error:
            failure = error
        yield from _lumped(list(held))
        if failure is not None:
            raise failure

    def _due(self, item: Block | Notice) -> tuple[int, bool]:
        """When an item is delivered, as an index of the wrapped source, and whether it is joined to its neighbours."""
        if isinstance(item, Notice):
            return 0, False
        due, lump = item.end, False
        for number, fault, first, past in self._strikes((Jitter, Stall, Burst), item):
            if isinstance(fault, Stall):
                due = max(due, past)
            elif isinstance(fault, Jitter):
                late_s = self._random(number, item.start).uniform(0, fault.max_ms / 1000)
                due = max(due, item.end + round(late_s * self._rate))
            else:
                size = max(1, round(fault.size_ms / 1000 * self._rate))
                due = max(due, min(past, first + -(-(item.end - first) // size) * size))
                lump = True
        return due, lump

    def _drift(self, stream: _Stream) -> _Stream:
        """Resample the audio as a device with a wrong clock would sample it."""
        ppm = sum(fault.ppm for _, fault in self._all(ClockDrift))
        if not ppm:
            yield from stream
            return
        fine = max(1, _FINEST_HZ // self._rate)
        before, after = fine * self._rate, round(fine * self._rate * (1 + ppm / 1e6))
        resampler = Resampler(before, after)
        last: Block | None = None
        end = 0
        nothing = np.zeros(0, np.float32)
        for item in stream:
            if last is not None and (isinstance(item, Notice) or item.start != last.end):
                rest = resampler.push(nothing, last=True)
                yield Block(rest, self._rate, end, last.captured_at)
                end += len(rest)
                resampler.reset()
                last = None
            if isinstance(item, Notice):
                yield replace(item, at=round(item.at * after / before))
                continue
            if last is None:
                end = max(end, round(item.start * after / before))
            samples = resampler.push(item.samples)
            yield replace(item, samples=samples, start=end)
            end += len(samples)
            last = item
        if last is not None:
            yield Block(resampler.push(nothing, last=True), self._rate, end, last.captured_at)


def _part(block: Block, start: int, end: int) -> Block:
    """The samples [start, end) of a block, its overflows with the first of them."""
    captured_at = None if block.captured_at is None else block.captured_at - (block.end - end) / block.rate
    xruns = block.xruns if start == block.start else 0
    return Block(block.samples[start - block.start : end - block.start], block.rate, start, captured_at, xruns)


def _joined(held: list[Block]) -> Iterator[Block]:
    """Remove adjoining blocks from the list and return them as one."""
    if held:
        first, last = held[0], held[-1]
        samples = first.samples if len(held) == 1 else np.concatenate([block.samples for block in held])
        xruns = sum(block.xruns for block in held)
        held.clear()
        yield Block(samples, first.rate, first.start, last.captured_at, xruns)


def _lumped(ready: list[tuple[int, bool, Block | Notice]]) -> _Stream:
    """The items that are due, adjoining blocks of a burst as one."""
    lump: list[Block] = []
    for _, joins, item in ready:
        if lump and not (joins and isinstance(item, Block) and item.start == lump[-1].end):
            yield from _joined(lump)
        if joins and isinstance(item, Block):
            lump.append(item)
        else:
            yield item
    yield from _joined(lump)


def _distorted(samples: FloatArray, fault: Any, random: np.random.Generator) -> FloatArray:
    """float32 (n,) -> float32 (n,)."""
    count = len(samples)
    out: FloatArray = samples.copy()
    if isinstance(fault, NotANumber | Infinite):
        places = random.choice(count, max(1, round(fault.share * count)), replace=False)
        out[places] = np.nan if isinstance(fault, NotANumber) else random.choice((np.inf, -np.inf), len(places))
    elif isinstance(fault, Denormals):
        out[:] = random.normal(0, 1e-40, count)
    elif isinstance(fault, Offset):
        out += np.float32(fault.level)
    elif isinstance(fault, Clipping):
        out = np.clip(samples * np.float32(10 ** (fault.gain_db / 20)), -1, 1).astype(np.float32)
    elif isinstance(fault, Channels):
        frames = np.zeros((count, fault.count), np.float32)
        frames[:, fault.silent :] = samples[:, None]
        out = downmix(frames)
    return out
