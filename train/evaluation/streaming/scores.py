"""Compares the engine's output with the truth over time. Delay, "unsure" and gated speech count as wrong."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from realtime_ser.config import Config, SmoothingConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.smoother import Smoother
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import Block, Estimate, FloatArray
from train.evaluation.streaming.conversation import Scene, Utterance

UNSURE, NO_SPEECH = "unsure", "no speech found"


@dataclass(frozen=True, slots=True)
class Shown:
    """The displayed state from ``start_s`` to ``end_s``: an emotion, ``UNSURE`` or ``NO_SPEECH``.

    It becomes known at ``end_s`` and describes the hop that ends there.
    """

    start_s: float
    end_s: float
    label: str


def listen(engine: Engine, samples: FloatArray, rate: int) -> list[Estimate]:
    """The engine's estimates for a stream of float32 (n,) samples at ``rate`` Hz."""
    engine.reset()
    return engine.push(Block(samples, rate, 0)) + engine.flush()


def shown(estimates: Iterable[Estimate]) -> list[Shown]:
    """The displayed state, hop by hop."""
    return [
        Shown(each.end_s - each.hop_s, each.end_s, each.label or (UNSURE if each.state == "unsure" else NO_SPEECH))
        for each in estimates
    ]


def smoothed_again(estimates: Sequence[Estimate], config: SmoothingConfig) -> list[Shown]:
    """The displayed states with another smoother, from the same windows and probabilities."""
    labels = estimates[0].labels if estimates else ()
    smoother = Smoother(labels, config)
    result = []
    for each in estimates:
        label = NO_SPEECH
        if each.probs:
            _, named, _ = smoother.speech(np.asarray(each.probs, np.float32), each.hop_s)
            label = named or UNSURE
        else:
            smoother.silence(each.hop_s)
        result.append(Shown(each.end_s - each.hop_s, each.end_s, label))
    return result


@dataclass
class Tally:
    """Counts over any number of scenes.

    Attributes
    ----------
    seconds : for each true emotion, seconds of voice under each displayed state
    delays_s : for each stretch of one emotion, seconds from its onset until its label was shown; NaN if it never was
    flips : changes from one displayed emotion to another; "unsure" and silence in between are ignored
    minutes : length of the scenes
    """

    seconds: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    delays_s: list[float] = field(default_factory=list)
    flips: int = 0
    minutes: float = 0.0

    def add(self, scene: Scene, displayed: Sequence[Shown]) -> None:
        """Compare what was shown during a scene with its truth."""
        ends = [each.end_s for each in displayed]
        for utterance in scene.utterances:
            row, total = self.seconds[utterance.emotion], 0.0
            for each in displayed[bisect_right(ends, utterance.start_s) :]:
                if each.start_s >= utterance.end_s:
                    break
                overlap = min(each.end_s, utterance.end_s) - max(each.start_s, utterance.start_s)
                row[each.label] += overlap
                total += overlap
            # The start of a stream, before the first window, counts as no speech found.
            row[NO_SPEECH] += max(0.0, utterance.end_s - utterance.start_s - total)
        stretches = scene.stretches
        limits = [after.start_s for after in stretches[1:]] + [scene.duration_s + 1.0]
        self.delays_s += [delay(each, limit, displayed) for each, limit in zip(stretches, limits, strict=True)]
        self.flips += flips(displayed)
        self.minutes += scene.duration_s / 60

    @property
    def uar(self) -> float:
        """Segment UAR in percent: for each emotion the share of its voice's time under the right label, then their mean."""
        return float(np.mean([self._share(emotion, (emotion,)) for emotion in self.seconds]))

    @property
    def unsure(self) -> float:
        """Share of the voice's time shown as unsure, mean over emotions, in percent."""
        return float(np.mean([self._share(emotion, (UNSURE,)) for emotion in self.seconds]))

    @property
    def undetected(self) -> float:
        """Share of the voice's time in which the gate found no speech (or no window was complete), in percent."""
        return float(np.mean([self._share(emotion, (NO_SPEECH,)) for emotion in self.seconds]))

    @property
    def uar_where_sure(self) -> float:
        """UAR over the time under an emotion's label only, in percent."""
        shares = []
        for emotion, row in self.seconds.items():
            named = sum(value for label, value in row.items() if label not in (UNSURE, NO_SPEECH))
            shares.append(100 * row.get(emotion, 0.0) / named if named else 0.0)
        return float(np.mean(shares))

    @property
    def flips_per_minute(self) -> float:
        """Label changes a minute of stream."""
        return self.flips / self.minutes if self.minutes else 0.0

    def onset(self, percentile: float) -> float:
        """Seconds from an emotion's onset to its label, a percentile over the stretches that were ever labelled right."""
        found = [value for value in self.delays_s if not np.isnan(value)]
        return float(np.percentile(found, percentile)) if found else float("nan")

    @property
    def half_by(self) -> float:
        """Seconds after which half of all stretches, those that never were included, had been labelled right; NaN: never."""
        late = float(np.median([np.inf if np.isnan(value) else value for value in self.delays_s] or [np.inf]))
        return late if np.isfinite(late) else float("nan")

    @property
    def never(self) -> float:
        """Share of stretches whose label never came, in percent."""
        return 100 * float(np.mean(np.isnan(self.delays_s))) if self.delays_s else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The figures, rounded; None where nothing was labelled right."""
        return {
            "segment_uar": round(self.uar, 1),
            "segment_uar_where_sure": round(self.uar_where_sure, 1),
            "unsure_share": round(self.unsure, 1),
            "undetected_share": round(self.undetected, 1),
            "onset_to_label_s": {name: known(self.onset(value)) for name, value in (("p50", 50), ("p90", 90))},
            "half_of_all_by_s": known(self.half_by),
            "stretches": len(self.delays_s),
            "never_labelled_share": round(self.never, 1),
            "flips_per_minute": round(self.flips_per_minute, 2),
            "minutes": round(self.minutes, 1),
            "per_emotion": {
                emotion: {
                    "right": round(self._share(emotion, (emotion,)), 1),
                    "unsure": round(self._share(emotion, (UNSURE,)), 1),
                    "undetected": round(self._share(emotion, (NO_SPEECH,)), 1),
                }
                for emotion in sorted(self.seconds)
            },
        }

    def _share(self, emotion: str, labels: tuple[str, ...]) -> float:
        row = self.seconds[emotion]
        return 100 * sum(row.get(label, 0.0) for label in labels) / max(sum(row.values()), 1e-9)


def known(value: float) -> float | None:
    """A figure for a file, to two decimals; None where there is none."""
    return None if np.isnan(value) else round(value, 2)


def delay(stretch: Utterance, limit_s: float, displayed: Sequence[Shown]) -> float:
    """Seconds from the first sound of a stretch until its label is shown, before ``limit_s``; NaN: never."""
    for each in displayed[bisect_right(displayed, stretch.start_s, key=lambda one: one.end_s) :]:
        if each.end_s >= limit_s:
            break
        if each.label == stretch.emotion:
            return each.end_s - stretch.start_s
    return float("nan")


def flips(displayed: Sequence[Shown]) -> int:
    """Changes from one emotion to another; "unsure" and silence in between are ignored."""
    emotions = [each.label for each in displayed if each.label not in (UNSURE, NO_SPEECH)]
    return sum(before != after for before, after in pairwise(emotions))


def tally(classifier: Classifier, scenes: Iterable[Scene], config: Config) -> Tally:
    """Play scenes through the engine, each as a stream of its own."""
    engine, result = Engine(classifier, config), Tally()
    for scene in scenes:
        result.add(scene, shown(listen(engine, scene.samples, scene.rate)))
    return result


def emotions_shown(displayed: Sequence[Shown]) -> int:
    """Number of times an emotion appeared; where nobody speaks, each is a false alarm."""
    before, count = NO_SPEECH, 0
    for each in displayed:
        if each.label not in (UNSURE, NO_SPEECH) and each.label != before:
            count += 1
        before = each.label
    return count
