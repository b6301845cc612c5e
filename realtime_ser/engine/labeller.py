"""From a window's probabilities to its estimate, and from estimates to segments."""

from __future__ import annotations

from realtime_ser.config import SmoothingConfig
from realtime_ser.engine.segmenter import Segmenter
from realtime_ser.engine.smoother import Smoother
from realtime_ser.records import Estimate, FloatArray, Segment, State, Window


class Labeller:
    """Smooths probabilities over time, decides the label and joins hops of one label into segments.

    Attributes
    ----------
    smoother, segmenter : the two steps
    """

    def __init__(self, labels: tuple[str, ...], config: SmoothingConfig, sample_rate: int) -> None:
        self._labels, self._sample_rate = labels, sample_rate
        self.smoother = Smoother(labels, config)
        self.segmenter = Segmenter(sample_rate)

    def reset(self) -> None:
        """Forget the smoothed probabilities, the label and the segment under way."""
        self.smoother.reset()
        self.segmenter.close()

    def speech(
        self, window: Window, probs: FloatArray, lost: int, captured_at: float | None
    ) -> tuple[Estimate, Segment | None]:
        """The estimate of a classified window, and the segment that it ended, if any.

        Parameters
        ----------
        probs : float32 (C,)
        lost : samples lost before the window that no estimate has reported yet
        captured_at : ``time.monotonic()`` when the window's last sample was captured, if known
        """
        state, label, confidence = self.smoother.speech(probs, window.hop / self._sample_rate)
        ended = self.segmenter.extend(label, window.end - window.hop, window.end, confidence)
        smoothed = tuple(self.smoother.smoothed.tolist())
        return self._estimate(window, lost, captured_at, state, label, confidence, tuple(probs.tolist()), smoothed), ended

    def silence(self, window: Window, lost: int, captured_at: float | None) -> tuple[Estimate, Segment | None]:
        """The estimate of a window in which nobody speaks, and the segment that it ended, if any."""
        self.smoother.silence(window.hop / self._sample_rate)
        ended = self.segmenter.close()
        return self._estimate(window, lost, captured_at, "no_speech"), ended

    def _estimate(
        self,
        window: Window,
        lost: int,
        captured_at: float | None,
        state: State,
        label: str | None = None,
        confidence: float = 0.0,
        probs: tuple[float, ...] = (),
        smoothed: tuple[float, ...] = (),
    ) -> Estimate:
        return Estimate(
            start=window.start,
            end=window.end,
            hop=window.hop,
            sample_rate=self._sample_rate,
            state=state,
            label=label,
            confidence=confidence,
            labels=self._labels,
            probs=probs,
            smoothed=smoothed,
            speech_ratio=window.speech_ratio,
            level_dbfs=window.level_dbfs,
            lost_samples=lost,
            captured_at=captured_at,
        )
