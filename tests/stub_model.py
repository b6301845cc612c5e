"""A model that costs nothing and hands out what it was given, in place of a trained one."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.model.card import Card

LABELS = ("angry", "happy", "sad")


class StubClassifier:
    """Stands in for ``Classifier``: its features are the samples themselves, its answer depends on the last of them.

    Attributes
    ----------
    sleep_s : how long it takes for each call; may change at any time
    seen : the features of every call, if kept
    """

    def __init__(
        self,
        *,
        sample_rate: int = 4000,
        hop: int = 100,
        window_s: float = 0.5,
        min_window_s: float = 0.2,
        sleep_s: float = 0.0,
        keep: bool = False,
    ) -> None:
        self.spec = FrontEndSpec("waveform", sample_rate, n_fft=hop, hop_length=hop, fmax=sample_rate / 2, pitch_max_hz=200.0)
        self.labels = LABELS
        self.fixed_length = False
        self.card = Card(
            name="stub",
            path=Path("stub.json"),
            spec=self.spec,
            normalisation=None,
            window_s=window_s,
            min_window_s=min_window_s,
            labels=LABELS,
            input_name="in",
            output_name="out",
            logits=False,
            temperature=1.0,
            sha256="",
            headline="a stub",
            licence="none",
            raw={},
        )
        self.sleep_s = sleep_s
        self.seen: list[np.ndarray] = []
        self._keep = keep

    def normaliser(self) -> None:
        return None

    def first_state(self) -> np.ndarray:
        return np.zeros(0, np.float32)

    def front_end(self, window_s: float | None = None) -> FrontEnd:
        return FrontEnd(self.spec, window_s or self.card.window_s)

    def predict(self, features: np.ndarray) -> np.ndarray:
        assert np.isfinite(features).all(), "NaN or Inf reached the model"
        if self._keep:
            self.seen.extend(features.copy())
        if self.sleep_s:
            time.sleep(self.sleep_s)
        probs = np.full((len(features), len(LABELS)), 0.1, np.float32)
        # The label changes now and then, at no matter what moment.
        probs[:, int(abs(features[0, -1]) * 1e4) % len(LABELS)] = 0.8
        return probs
