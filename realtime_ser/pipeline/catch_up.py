"""Drops old audio when processing lags."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from realtime_ser.engine.engine import Engine
from realtime_ser.records import Block, Notice

# Long enough that a machine at its limit does not alternate between "behind" and "caught up".
_STEADY = 2.0


class Backlog:
    """Makes the engine skip audio of a live source that has waited too long.

    A source delivers all audio that it has, so the waiting audio is the rest of the current block plus the audio captured since
    then; no device clock is needed. When more than ``max_lag_s`` of audio waits, everything is skipped except the newest audio,
    enough for one window, so that an estimate follows at once. The engine drops and counts the skipped samples; the recorder
    still gets them. The stream has caught up when nothing was skipped for twice ``max_lag_s`` and less than a hop waits.

    Parameters
    ----------
    engine : skipped blocks go to ``Engine.skip``; the caller pushes the others
    max_lag_s : in seconds of the clock; None: never skip
    clock : in seconds
    speed : seconds of audio per second of the clock
    """

    def __init__(self, engine: Engine, max_lag_s: float | None, clock: Callable[[], float], *, speed: float = 1.0) -> None:
        self._engine = engine
        self._speed = speed
        self._max_lag_s = max_lag_s
        self._clock = clock
        self._skipping = False
        self._behind_since: float | None = None  # on the clock
        self._skipped_s = self._last_skip = 0.0

    def pieces(self, block: Block, waiting_s: float = 0.0) -> Iterator[Block | Notice]:
        """The parts of a block to push, hop by hop, and notices of kind "behind" and "caught_up".

        Take one piece at a time: whether to skip is decided at each piece. A block without ``captured_at`` is not live and is
        returned unchanged.

        Parameters
        ----------
        block : all audio that the source delivered
        waiting_s : audio that waits behind the block, in seconds of the clock
        """
        if self._max_lag_s is None or block.captured_at is None or not len(block.samples):
            yield block
            return
        received = self._clock()
        rate = block.rate * self._speed  # samples per second of the clock
        hop_s = self._engine.hop / self._engine.sample_rate
        fresh_s = min(self._max_lag_s, self._engine.min_window / self._engine.sample_rate)
        count = max(1, math.ceil(hop_s * block.rate))
        for first in range(0, len(block.samples), count):
            piece = block if len(block.samples) <= count else _piece(block, first, count, rate)
            now = self._clock()
            lag_s = now - received + (block.end - piece.end) / rate + waiting_s
            if lag_s > (fresh_s if self._skipping else self._max_lag_s):
                yield from self._skip(piece, now)
                continue
            self._skipping = False
            if self._behind_since is not None and lag_s < hop_s and now - self._last_skip > _STEADY * self._max_lag_s:
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

    def _notice(self, kind: str, message: str) -> Notice:
        return Notice(kind, message, self._engine.health.captured, self._engine.sample_rate)


def _piece(block: Block, first: int, count: int, rate: float) -> Block:
    samples = block.samples[first : first + count]
    end = block.start + first + len(samples)
    captured_at = (block.captured_at or 0.0) - (block.end - end) / rate
    xruns = 0 if first else block.xruns
    return replace(block, samples=samples, start=block.start + first, captured_at=captured_at, xruns=xruns)
