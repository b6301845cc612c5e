"""A machine that is too slow: skip to the newest audio rather than tell of an ever older past."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from realtime_ser.engine import Engine
from realtime_ser.records import Block, Notice

# Long enough that a machine at its limit does not say "behind" and "caught up" in turn.
_STEADY = 2.0
_REMEMBERED_S = 10.0


class Backlog:
    """Stands between a live source and the engine and lets the engine skip what has become too old.

    Audio is too old when, as its turn comes, more than ``max_lag_s`` have passed since its capture. Then everything is skipped
    up to the newest second or so: just enough for one window, so that an estimate follows at once. What is skipped is dropped
    and counted by the engine; the recorder still gets it. The stream has caught up when nothing was skipped for twice
    ``max_lag_s`` and less than a hop waits.

    Parameters
    ----------
    engine : takes what is not skipped from the caller, and is told of the rest
    max_lag_s : in seconds of the clock; None: never skip
    speed : stream seconds per second of the clock
    clock : as in the blocks' ``captured_at``
    """

    def __init__(self, engine: Engine, max_lag_s: float | None, speed: float, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._max_lag_s = max_lag_s
        self._speed = speed
        self._clock = clock
        self._skipping = False
        self._behind_since: float | None = None  # on the clock
        self._skipped_s = self._last_skip = 0.0
        self._delay = _Delay()

    def pieces(self, block: Block) -> Iterator[Block | Notice]:
        """What the engine is to hear of a block, hop by hop, and notices of kind "behind" and "caught_up".

        Take one piece at a time: each is judged as its turn comes. A block without ``captured_at`` passes as it is.
        """
        if self._max_lag_s is None or block.captured_at is None or not len(block.samples):
            yield block
            return
        self._delay.add(self._clock(), block.captured_at)
        hop_s = self._engine.hop / self._engine.sample_rate
        hop = max(1, math.ceil(hop_s * block.rate))
        for first in range(0, len(block.samples), hop):
            piece = block if len(block.samples) <= hop else self._piece(block, first, hop)
            now = self._clock()
            lag = now - (piece.captured_at or now) - self._delay.least
            fresh = min(self._max_lag_s, self._engine.min_window / self._engine.sample_rate)
            if lag > (fresh if self._skipping else self._max_lag_s):
                yield from self._skip(piece, now)
                continue
            self._skipping = False
            if self._behind_since is not None and lag < hop_s and now - self._last_skip > _STEADY * self._max_lag_s:
                took, self._behind_since = now - self._behind_since, None
                yield self._notice(
                    "caught_up", f"keeping up again after {took:.1f} s, in which {self._skipped_s:.1f} s of audio were skipped"
                )
            yield piece

    def _skip(self, piece: Block, now: float) -> Iterator[Notice]:
        self._engine.skip(piece)
        self._skipping = True
        self._last_skip = now
        if self._behind_since is None:
            self._behind_since, self._skipped_s = now, 0.0
            yield self._notice(
                "behind", f"too slow: estimates would be over {self._max_lag_s:g} s late, so older audio is skipped and dropped"
            )
        self._skipped_s += len(piece.samples) / piece.rate

    def _piece(self, block: Block, first: int, count: int) -> Block:
        samples = block.samples[first : first + count]
        end = block.start + first + len(samples)
        captured_at = (block.captured_at or 0.0) - (block.end - end) / (block.rate * self._speed)
        xruns = 0 if first else block.xruns
        return replace(block, samples=samples, start=block.start + first, captured_at=captured_at, xruns=xruns)

    def _notice(self, kind: str, message: str) -> Notice:
        return Notice(kind, message, self._engine.health.captured, self._engine.sample_rate)


class _Delay:
    """How late audio arrives at best, over the last seconds: the device's own delay, which skipping cannot shorten."""

    def __init__(self) -> None:
        self._since = -math.inf
        self._past = self._present = math.inf

    @property
    def least(self) -> float:
        """Seconds from capture to arrival."""
        return min(self._past, self._present)

    def add(self, now: float, captured_at: float) -> None:
        """A block whose last sample was captured at ``captured_at`` has arrived."""
        if now - self._since > _REMEMBERED_S:
            self._since, self._past, self._present = now, self._present, math.inf
        self._present = min(self._present, max(0.0, now - captured_at))
