"""Positions of training windows in a clip's frames: as the engine cuts a stream, and across two utterances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from realtime_ser.features.spec import FrontEndSpec
from train.data.features import CHUNK, GATE, VAD_RATE, WINDOW_S, Frames, chunk_of_frame, window_ends
from train.data.manifest import Row

SAME = 0.6  # probability that an utterance follows one of the same emotion
PAUSE_S = (0.3, 2.0)  # between them, if the clips hold as much
NEW_S = 0.5  # of speech that a new emotion needs

Clip = tuple[npt.NDArray[np.float16], npt.NDArray[np.bool_]]  # log-mel (n_mels, frames) and which frames hold speech


def valid_ends(speech: npt.NDArray[np.bool_], length: int, spec: FrontEndSpec) -> npt.NDArray[np.int64]:
    """End positions (exclusive) of windows of ``length`` frames that hold enough speech, some of it recent."""
    per_s = spec.sample_rate / spec.hop_length
    total = np.concatenate(([0], np.cumsum(speech)))
    ends = np.arange(length, len(speech) + 1)
    recent = np.maximum(0, ends - round(GATE.speech_within_s * per_s))
    enough = total[ends] - total[ends - length] >= GATE.min_speech_s * per_s
    return ends[enough & (total[ends] > total[recent])]


def streamed_windows(frames: Frames, clip: int, spec: FrontEndSpec) -> list[npt.NDArray[np.float32]]:
    """The windows that the engine would classify in a clip, in order; only its last, shorter hop is left out."""
    columns = slice(frames.offsets[clip], frames.offsets[clip + 1])
    log_mel, speech = frames.log_mel[:, columns], frames.speech[columns]
    samples = spec.samples_in(len(speech))
    # Frames are shorter than chunks: take each chunk's decision from its first frame, and the final one from the last frame.
    chunks = np.arange(samples * VAD_RATE // (spec.sample_rate * CHUNK))
    first = np.minimum(np.searchsorted(chunk_of_frame(len(speech), spec), chunks), len(speech) - 1)
    found = []
    for end in window_ends(speech[first], samples, spec):
        last = 1 + (end - spec.n_fft) // spec.hop_length
        window = log_mel[:, max(0, last - spec.frames_in(WINDOW_S)) : last].astype(np.float32)
        found.append(np.maximum(window, window.max() - spec.top_db))
    return found


class Earlier:
    """Draws a preceding clip of the same speaker, with the same emotion in 60 % of draws."""

    def __init__(self, rows: Sequence[Row]) -> None:
        by_voice: dict[object, list[int]] = defaultdict(list)
        by_mood: dict[object, list[int]] = defaultdict(list)
        for i, row in enumerate(rows):
            by_voice[row.corpus, row.speaker].append(i)
            by_mood[row.corpus, row.speaker, row.emotion].append(i)
        self._emotions = [row.emotion for row in rows]
        self._voice = [by_voice[row.corpus, row.speaker] for row in rows]
        self._mood = [by_mood[row.corpus, row.speaker, row.emotion] for row in rows]

    def draw(self, clip: int, rng: np.random.Generator) -> tuple[int, float]:
        """Index of an earlier clip, and the seconds of speech that a window needs from the later one."""
        pool = (self._mood if rng.random() < SAME else self._voice)[clip]
        other = pool[int(rng.integers(len(pool)))]
        return other, GATE.min_speech_s if self._emotions[other] == self._emotions[clip] else NEW_S


def window_across(
    earlier: Clip, clip: Clip, length: int, spec: FrontEndSpec, rng: np.random.Generator, *, least_s: float
) -> npt.NDArray[np.float32] | None:
    """A window that begins in one clip and ends in the next, after a pause made of the silence around their speech.

    Parameters
    ----------
    length : of the window, in frames
    least_s : speech of the second clip that it must hold, in seconds; windows with more are drawn more often

    Returns
    -------
    float32 (n_mels, length); None where no such window exists
    """
    (before, spoken_before), (after, spoken_after) = earlier, clip
    first, last = np.flatnonzero(spoken_after), np.flatnonzero(spoken_before)
    if not len(first) or not len(last):
        return None
    per_s = spec.sample_rate / spec.hop_length
    pause = rng.uniform(*PAUSE_S) * per_s
    kept_after = int(min(pause / 2, len(spoken_before) - 1 - last[-1]))
    kept_before = int(min(pause - kept_after, first[0]))
    seam = int(last[-1]) + 1 + kept_after
    begin = int(first[0]) - kept_before
    own = np.concatenate((np.zeros(seam, bool), spoken_after[begin:]))
    ends = valid_ends(np.concatenate((spoken_before[:seam], spoken_after[begin:])), length, spec)
    total = np.concatenate(([0], np.cumsum(own)))
    held = total[ends] - total[ends - length]
    reaches_both = (ends > seam) & (ends - length < seam - kept_after) & (held >= least_s * per_s)
    ends, held = ends[reaches_both], held[reaches_both]
    if not len(ends):
        return None
    end = int(rng.choice(ends, p=held / held.sum()))
    start = end - length
    parts = (before[:, start:seam], after[:, begin : begin + end - seam])
    return np.concatenate(parts, axis=1).astype(np.float32)
