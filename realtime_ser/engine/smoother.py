"""Window probabilities -> a stable label: label shift, filter, label change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime_ser.config import SmoothingConfig
from realtime_ser.engine.filters import make_filter
from realtime_ser.engine.label_change import make_change
from realtime_ser.engine.label_shift import LabelShift
from realtime_ser.records import FloatArray, State


class Smoother:
    """Filter plus hysteresis.

    A label changes by the rule ``config.change``. Below ``unsure_below`` the state is "unsure". After ``forget_s`` of silence
    the filter is reset but the label is kept, because the same speaker usually goes on in the same emotion. After
    ``keep_label_s`` of silence the label is reset too, because another person may speak next.

    If ``config.neutral_share`` is set, probabilities are first shifted to that share of neutral speech.

    Attributes
    ----------
    smoothed : float64 (C,), the filter's last output; empty before the first window and after forgetting
    """

    def __init__(self, labels: tuple[str, ...], config: SmoothingConfig) -> None:
        self._labels = labels
        self._config = config
        self._filter = make_filter(config)
        self._change = make_change(config)
        self._shift = LabelShift(labels, config.neutral_share)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._filter.reset()
        self._change.reset()
        self._current: int | None = None
        self._silent_s = 0.0  # since the filter's last input or reset
        self._away_s = 0.0
        self.smoothed: npt.NDArray[np.float64] = np.zeros(0)

    def silence(self, elapsed_s: float) -> None:
        """Take ``elapsed_s`` without speech."""
        self._silent_s += elapsed_s
        self._away_s += elapsed_s
        if self._away_s >= max(self._config.forget_s, self._config.keep_label_s):
            self.reset()
        elif self._silent_s >= self._config.forget_s:
            self._filter.reset()
            self._change.reset()
            self._silent_s = 0.0
            self.smoothed = np.zeros(0)

    def speech(self, probs: FloatArray, elapsed_s: float) -> tuple[State, str | None, float]:
        """Take a window's probabilities.

        Parameters
        ----------
        probs : float32 (C,)
        elapsed_s : time since the previous window

        Returns
        -------
        state : "speech" or "unsure"
        label : the current label, None if unsure
        confidence : its smoothed probability
        """
        probs = self._shift(probs)
        # Include the pause before this window, so that the filter does not treat the windows on both sides of it as adjacent.
        self.smoothed = self._filter.update(probs, elapsed_s + self._silent_s)
        self._silent_s = self._away_s = 0.0
        if self._current is None:
            self._current = int(np.argmax(self.smoothed))
        else:
            self._current = self._change.update(probs, self.smoothed, self._current, elapsed_s)
        confidence = float(self.smoothed[self._current])
        if confidence < self._config.unsure_below:
            return "unsure", None, confidence
        return "speech", self._labels[self._current], confidence
