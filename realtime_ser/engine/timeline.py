"""Time as an integer sample index, at the source's rate and at the model's."""

from __future__ import annotations

from fractions import Fraction

import numpy.typing as npt

from realtime_ser.audio.samples import check_block, check_samples, to_mono
from realtime_ser.errors import SourceError
from realtime_ser.records import Block


class Timeline:
    """Position of a stream, in exact rational arithmetic, so that hours add no rounding error.

    Attributes
    ----------
    rate : the source's, in Hz
    expected : source index of the next sample, if none is lost
    """

    def __init__(self, model_rate: int) -> None:
        self._model_rate = model_rate
        self.reset()

    def reset(self) -> None:
        """Start a new stream, at the model's rate until a block has another."""
        self.rate = self._model_rate
        self.expected = 0
        self._reached = 0  # model index of the stream's position when its rate last changed
        self._mark: tuple[int, float] | None = None  # source index just past a sample, and when that sample was captured

    @property
    def captured(self) -> int:
        """Model index of the stream's position."""
        return max(self._reached, self.position(self.expected))

    def position(self, source_index: int) -> int:
        """Model index of a source index."""
        return round(Fraction(source_index * self._model_rate, self.rate))

    def next_block(self, block: Block | npt.ArrayLike) -> Block:
        """A valid block that does not go back in time; an array follows the last sample, at the model's rate.

        Raises
        ------
        SourceError : it cannot be one. Nothing has changed then.
        """
        if not isinstance(block, Block):
            samples = to_mono(check_samples(block, "Engine.push"))
            return Block(samples, self._model_rate, self._expected_at(self._model_rate))
        block = check_block(block)
        expected = self._expected_at(block.rate)
        # When the rate changes, the source may round its start down by one sample.
        if block.start < expected - (block.rate != self.rate):
            raise SourceError(f"the source went back in time: sample {block.start} after sample {expected}")
        return block

    def change_rate(self, block: Block) -> None:
        """Switch to the rate of this block."""
        self._reached = self.captured
        self.expected = min(self._expected_at(block.rate), block.start)
        self.rate, self._mark = block.rate, None

    def take(self, block: Block) -> None:
        """Advance past the block's samples."""
        self.expected = block.end
        if block.captured_at is not None:
            self._mark = (block.end, block.captured_at)

    def captured_at(self, model_index: int) -> float | None:
        """``time.monotonic()`` when the sample before this index was captured, if known."""
        if self._mark is None:
            return None
        index, captured_at = self._mark
        return captured_at - (index / self.rate - model_index / self._model_rate)

    def _expected_at(self, rate: int) -> int:
        """``expected`` if the source goes on at ``rate``."""
        return self.expected if rate == self.rate else round(Fraction(self.expected * rate, self.rate))
