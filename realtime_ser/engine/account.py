"""Counts where every sample of a stream went."""

from __future__ import annotations

from realtime_ser.records import Health


class SampleAccount:
    """Every sample is classified, gated, dropped or pending. Indices and counts are at the model's rate.

    Attributes
    ----------
    covered : index up to which windows, gate or loss account for every sample
    unreported : lost samples that no estimate has reported yet
    """

    def __init__(self) -> None:
        self.covered = self.unreported = 0
        self._windows = self._classified = self._gated = self._dropped = 0

    def drop_until(self, index: int) -> int:
        """Count samples before ``index`` that no window covered as dropped; return the index at which the next piece begins."""
        lost = max(0, index - self.covered)
        self._dropped += lost
        self.unreported += lost
        self.covered += lost
        return self.covered

    def window(self, end: int, hop: int, *, classified: bool) -> None:
        """Count a window's new samples, which end at ``end``, as classified or gated."""
        if classified:
            self._classified += hop
        else:
            self._gated += hop
        self._windows += 1
        self.covered = end
        self.unreported = 0

    def health(self, captured: int, xruns: int) -> Health:
        """The counts when ``captured`` samples have been captured."""
        captured = max(self.covered, captured)
        return Health(
            captured=captured,
            classified=self._classified,
            gated=self._gated,
            dropped=self._dropped,
            pending=captured - self.covered,
            windows=self._windows,
            xruns=xruns,
        )
