"""Joins clips of one speaker into a stream with known truth: when speech occurs, with which emotion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from realtime_ser.records import FloatArray
from train.data.features import read_clip
from train.data.manifest import Row
from train.evaluation.streaming.sounds import at_level, noise

PAUSE_S = (0.3, 2.0)  # between two utterances
NOISE_DBFS = -65.0  # pink, throughout: a quiet room
STRETCH = (2, 4)  # utterances of one emotion before the next
_FRAME_S = 0.02
_BELOW_PEAK_DB = 35.0  # frames further below a clip's loudest are no voice
_MARGIN_S = 0.05  # kept on both sides of the voice
_FADE_S = 0.02


@dataclass(frozen=True, slots=True)
class Utterance:
    """Voice from ``start_s`` to ``end_s`` of stream time, with one emotion."""

    start_s: float
    end_s: float
    emotion: str


@dataclass(frozen=True, eq=False)
class Scene:
    """A stream and its truth.

    Attributes
    ----------
    speaker : whose clips
    samples : float32 (n,) at ``rate`` Hz
    utterances : in order, without overlap
    duration_s : length in seconds
    """

    speaker: str
    samples: FloatArray
    rate: int
    utterances: tuple[Utterance, ...]
    duration_s: float

    def without_audio(self) -> Scene:
        """The truth without the samples."""
        return replace(self, samples=np.zeros(0, np.float32))

    @property
    def stretches(self) -> tuple[Utterance, ...]:
        """Successive utterances of one emotion as one, pauses included."""
        joined: list[Utterance] = []
        for each in self.utterances:
            if joined and joined[-1].emotion == each.emotion:
                joined[-1] = Utterance(joined[-1].start_s, each.end_s, each.emotion)
            else:
                joined.append(each)
        return tuple(joined)


def voiced_span(samples: FloatArray, rate: int) -> tuple[int, int]:
    """Start and end of a clip's voice, in samples: first and last frame of 20 ms within 35 dB of the loudest.

    By level alone, so that the truth does not depend on the voice detector under test.
    """
    size = round(_FRAME_S * rate)
    whole = len(samples) // size
    if not whole:
        return 0, len(samples)
    power = np.mean(samples[: whole * size].reshape(whole, size).astype(np.float64) ** 2, axis=1)
    loud = np.flatnonzero(power >= max(float(power.max()) * 10 ** (-_BELOW_PEAK_DB / 10), 1e-20))
    return (int(loud[0]) * size, int(loud[-1] + 1) * size) if len(loud) else (0, len(samples))


def conversation(root: Path, rows: Sequence[Row], rate: int, *, seed: int) -> Scene:
    """One speaker's clips in stretches of two to four of one emotion, pauses of 0.3 to 2 s between them, a quiet room around.

    Parameters
    ----------
    rows : clips of one speaker; the order and the pauses are drawn from ``seed``
    """
    rng = np.random.default_rng(seed)
    stretches: list[list[Row]] = []
    by_emotion: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_emotion[row.emotion].append(row)
    for emotion in sorted(by_emotion):
        queue = [by_emotion[emotion][i] for i in rng.permutation(len(by_emotion[emotion]))]
        while queue:
            size = int(rng.integers(STRETCH[0], STRETCH[1] + 1))
            # A single last one joins the others.
            size = len(queue) if len(queue) - size == 1 else size
            stretches.append(queue[:size])
            queue = queue[size:]
    return _scene(root, [row for stretch in _unlike_neighbours(stretches, rng) for row in stretch], rate, rng)


def steady(root: Path, rows: Sequence[Row], rate: int, *, seed: int) -> Iterator[Scene]:
    """For each emotion of a speaker: all clips of it, joined as in ``conversation``. The emotion is constant, so each label
    change is an error."""
    for number, emotion in enumerate(sorted({row.emotion for row in rows})):
        rng = np.random.default_rng([seed, number])
        own = [row for row in rows if row.emotion == emotion]
        yield _scene(root, [own[i] for i in rng.permutation(len(own))], rate, rng)


def _unlike_neighbours(stretches: Sequence[list[Row]], rng: np.random.Generator) -> list[list[Row]]:
    """A random order in which successive emotions differ as long as possible."""
    left: dict[str, list[list[Row]]] = defaultdict(list)
    for stretch in stretches:
        left[stretch[0].emotion].append(stretch)
    order: list[list[Row]] = []
    while left:
        names = [name for name in left if not order or name != order[-1][0].emotion] or list(left)
        count = np.array([len(left[name]) for name in names])
        # An emotion with as many left as all others together must come next, or it would follow itself at the end.
        crowded = 2 * count.max() >= sum(map(len, left.values()))
        name = names[int(count.argmax())] if crowded else names[int(rng.choice(len(names), p=count / count.sum()))]
        order.append(left[name].pop())
        if not left[name]:
            del left[name]
    return order


def _scene(root: Path, rows: Sequence[Row], rate: int, rng: np.random.Generator) -> Scene:
    margin, fade = round(_MARGIN_S * rate), round(_FADE_S * rate)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    parts: list[FloatArray] = []
    utterances: list[Utterance] = []
    position = 0
    for row in rows:
        clip = read_clip(root / row.path, rate)
        first, last = voiced_span(clip, rate)
        cut = clip[max(0, first - margin) : last + margin].copy()
        if len(cut) >= 2 * fade:
            cut[:fade] *= ramp
            cut[-fade:] *= ramp[::-1]
        pause = np.zeros(round(rng.uniform(*PAUSE_S) * rate), np.float32)
        start = position + len(pause) + min(margin, first)
        parts += [pause, cut]
        position += len(pause) + len(cut)
        utterances.append(Utterance(start / rate, (start + last - first) / rate, row.emotion))
    parts.append(np.zeros(round(rng.uniform(*PAUSE_S) * rate), np.float32))
    samples = np.concatenate(parts)
    samples += at_level(noise("pink", len(samples), rate, seed=int(rng.integers(2**32))), NOISE_DBFS)
    return Scene(rows[0].speaker if rows else "", samples, rate, tuple(utterances), len(samples) / rate)
