"""Joins hops of one label into segments."""

from __future__ import annotations

from realtime_ser.records import Segment

UNSURE = "unsure"


class Segmenter:
    """Joins successive hops of one label into segments; silence and gaps end them."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._open: tuple[str, int, int, float] | None = None  # label, start, end, confidence x samples

    def extend(self, label: str | None, start: int, end: int, confidence: float) -> Segment | None:
        """The hop [start, end) has this label (None: unsure). Returns the segment that this ends, if any."""
        name = label if label is not None else UNSURE
        weight = confidence * (end - start)
        if self._open is not None and self._open[0] == name and self._open[2] == start:
            self._open = (name, self._open[1], end, self._open[3] + weight)
            return None
        ended = self.close()
        self._open = (name, start, end, weight)
        return ended

    def close(self) -> Segment | None:
        """End the open segment, if there is one, and return it."""
        if self._open is None:
            return None
        label, start, end, weight = self._open
        self._open = None
        return Segment(start, end, self._sample_rate, label, weight / (end - start))
