"""Draws the running normaliser's state before a training window.

Live, ``realtime_ser.features.normaliser`` averages over the stream so far. In training the past is drawn from the same
speaker's other clips through the same microphone: from none (the start of a stream) to a minute of speech.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from realtime_ser.records import FloatArray
from train.data.manifest import Row

MOST_CLIPS = 24
COLD = 0.4  # share of windows without a past
ONE_MOOD = 0.3  # share of the others whose past has one emotion only


class Past:
    """Draws pasts for training windows.

    Parameters
    ----------
    rows : the clips that train
    tables : for each variant of the audio float32 (clips, parts, D): the normaliser's statistics per clip
    seconds : of speech windows that a clip adds to a stream
    cold : share of windows without a past
    """

    def __init__(self, rows: Sequence[Row], tables: Sequence[FloatArray], seconds: float, cold: float = COLD) -> None:
        self._tables, self._seconds, self._cold = tables, seconds, cold
        by_voice: dict[object, list[int]] = defaultdict(list)
        by_mood: dict[object, list[int]] = defaultdict(list)
        for i, row in enumerate(rows):
            by_voice[row.corpus, row.speaker].append(i)
            by_mood[row.corpus, row.speaker, row.emotion].append(i)
        self._voice = [np.array(by_voice[row.corpus, row.speaker]) for row in rows]
        self._moods = [
            [
                np.array(by_mood[row.corpus, row.speaker, emotion])
                for emotion in sorted({r.emotion for r in rows})
                if (row.corpus, row.speaker, emotion) in by_mood
            ]
            for row in rows
        ]
        weight = _balance(rows)
        self.prior = np.einsum("n,npd->pd", weight, tables[0]).astype(np.float32)

    def draw(
        self, chosen: npt.NDArray[np.int64], variant: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """For each chosen clip under its variant: seconds of past speech (n,), and their averages (n, parts, D)."""
        past_s = np.zeros(len(chosen), np.float32)
        average = np.zeros((len(chosen), *self._tables[0].shape[1:]), np.float32)
        for place, (clip, version) in enumerate(zip(chosen, variant, strict=True)):
            if rng.random() < self._cold:
                continue
            pool = self._voice[clip]
            if rng.random() < ONE_MOOD:
                moods = self._moods[clip]
                pool = moods[int(rng.integers(len(moods)))]
            count = int(rng.integers(1, MOST_CLIPS + 1))
            some = pool[rng.integers(len(pool), size=count)]
            average[place] = self._tables[version][some].mean(axis=0)
            past_s[place] = count * self._seconds
        return past_s, average


def _balance(rows: Sequence[Row]) -> npt.NDArray[np.float64]:
    """Weights (n,) that sum to one and give every corpus the same share."""
    count: dict[str, int] = defaultdict(int)
    for row in rows:
        count[row.corpus] += 1
    return np.array([1 / count[row.corpus] / len(count) for row in rows])
