"""Decides whether a window holds speech.

Three steps, the cheap one first: an energy floor that adapts to the background noise; then the Silero voice activity detector,
which runs only on chunks above the floor, after a gain that evens out their level; then the same detector on slowed audio, for
chunks that the second step does not take for speech: very high voices are among them. A window counts as speech when enough of
its chunks are speech and some of them are recent.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from realtime_ser.audio.resample import Resampler
from realtime_ser.config import GateConfig
from realtime_ser.engine.vad import CHUNK, RATE, SileroDetector, SlowedDetector
from realtime_ser.records import FloatArray

_FIRST_FLOOR_DB = -50.0  # highest floor during the first floor_span_s, when the noise level is not known yet
_TARGET_DB = -25.0  # RMS to which the recent peak is amplified: the detector misses much of soft speech without gain
_MAX_GAIN_DB = 55.0
_FALL_DB = 3.0 * CHUNK / RATE  # the recent peak decays by 3 dB a second: a soft voice may follow a loud one
_JUMP_DB = 12.0  # a drop of the gain that resets the detector: it would miss a scream otherwise
_STALE_CHUNKS = 31  # reset the detector after skipping it for a second: its state is outdated


def holds_speech(chunks: Sequence[bool], window_s: float, config: GateConfig, new_s: float = 0.0) -> bool:
    """Whether the last ``window_s`` hold enough speech, some of it recent. The engine and training share this rule.

    Parameters
    ----------
    chunks : which of the stream's chunks of 32 ms are speech, the newest last; those before the window do not count
    new_s : how much of the window's end no earlier window has had; all of that is recent, so that no speech is passed over by a
        stream's first window or by long hops
    """
    window = chunks[-max(1, round(window_s * RATE / CHUNK)) :]
    recent = max(1, round(max(config.speech_within_s, new_s) * RATE / CHUNK))
    # A window shorter than twice min_speech_s passes when half of it is speech.
    needed = min(config.min_speech_s * RATE / CHUNK, 0.5 * len(window))
    return window.count(True) >= max(1.0, needed) and True in window[-recent:]


class NoiseFloor:
    """Noise level as the minimum level over the last seconds (after Martin 2001, minimum statistics).

    Speech has gaps within any few seconds and steady noise has none, so only chunks above the recent minimum can be speech.
    """

    def __init__(self, span_chunks: int) -> None:
        self._span = span_chunks
        self.reset()

    def reset(self) -> None:
        """Forget the noise level."""
        self._chunk = 0
        # Chunk number and level of the candidates for the minimum, in rising order.
        self._minima: deque[tuple[int, float]] = deque([(0, _FIRST_FLOOR_DB)])

    def update(self, level_db: float) -> float:
        """Take a chunk's level in dBFS; return the floor in dBFS."""
        self._chunk += 1
        minima = self._minima
        while minima and minima[-1][1] >= level_db:
            minima.pop()
        minima.append((self._chunk, level_db))
        if minima[0][0] <= self._chunk - self._span:
            minima.popleft()
        return minima[0][1]


class SpeechGate:
    """Classifies the stream as speech or not, in chunks of 32 ms.

    Parameters
    ----------
    config : thresholds
    sample_rate : rate of the samples pushed, in Hz; resampled to 16 kHz inside where it differs
    window_s : longest window that ``speech_ratio`` and ``is_speech`` take

    Raises
    ------
    ModelError : the detector's own model cannot be loaded
    """

    def __init__(self, config: GateConfig, sample_rate: int, window_s: float) -> None:
        self._config = config
        self._resampler = Resampler(sample_rate, RATE) if sample_rate != RATE else None
        self._floor = NoiseFloor(max(1, round(config.floor_span_s * RATE / CHUNK)))
        self._longest = max(1, round(window_s * RATE / CHUNK))
        self._decisions: list[bool] = []  # of the last chunks, so many at most
        vad = config.enabled and config.vad
        self._detector = SileroDetector() if vad else None
        self._slowed = SlowedDetector() if vad and config.slowed_threshold is not None else None
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._floor.reset()
        self._decisions.clear()
        self._tail = np.zeros(0, np.float32)
        self._skipped = 0
        self._loudest_db = -math.inf
        self._gain_db = 0.0
        if self._resampler is not None:
            self._resampler.reset()
        self._reset_detectors()

    def push(self, samples: FloatArray) -> list[bool]:
        """Take consecutive samples, float32 (n,); returns which of the chunks that they completed are speech.

        Returns an empty list when the gate is disabled.
        """
        if not self._config.enabled:
            return []
        if self._resampler is not None:
            samples = self._resampler.push(samples)
        audio = np.concatenate((self._tail, samples))
        whole = len(audio) // CHUNK
        chunks = audio[: whole * CHUNK].reshape(whole, CHUNK)
        levels = 10 * np.log10(np.maximum(np.vecdot(chunks, chunks) / CHUNK, 1e-12))
        decisions = self._above_floor(levels.tolist())
        if self._detector is not None:
            decisions = list(map(self._is_voice, chunks, levels.tolist(), decisions))
        self._decisions += decisions
        del self._decisions[: -self._longest]
        self._tail = audio[whole * CHUNK :].copy()
        return decisions

    def speech_ratio(self, window_s: float) -> float:
        """Share of the chunks of the last ``window_s`` that are speech, 0 to 1 (1 with the gate off)."""
        if not self._config.enabled:
            return 1.0
        chunks = self._decisions[-max(1, round(window_s * RATE / CHUNK)) :]
        return chunks.count(True) / len(chunks) if chunks else 0.0

    def is_speech(self, window_s: float, new_s: float = 0.0) -> bool:
        """Whether the last ``window_s`` hold enough speech, some of it recent; see ``holds_speech``."""
        if not self._config.enabled:
            return True
        return holds_speech(self._decisions, window_s, self._config, new_s)

    def _above_floor(self, levels_db: Sequence[float]) -> list[bool]:
        """The first step, for consecutive chunks."""
        floor, least_db, margin_db = self._floor.update, self._config.floor_min_db, self._config.floor_margin_db
        return [level_db >= max(least_db, floor(level_db) + margin_db) for level_db in levels_db]

    def _is_voice(self, chunk: FloatArray, level_db: float, above: bool) -> bool:
        """The second and the third step, for a chunk that lies above the floor or does not."""
        assert self._detector is not None
        self._loudest_db = max(level_db, self._loudest_db - _FALL_DB)
        if not above:
            self._skipped += 1
            return False
        # Amplify soft audio, never attenuate loud audio.
        gain_db = min(max(0.0, _TARGET_DB - self._loudest_db), _MAX_GAIN_DB)
        if self._skipped >= _STALE_CHUNKS or self._gain_db - gain_db > _JUMP_DB:
            self._reset_detectors()
        self._skipped, self._gain_db = 0, gain_db
        levelled = np.clip(chunk * np.float32(10 ** (gain_db / 20)), -1, 1)
        if self._detector.probability(levelled) >= self._config.vad_threshold:
            return True
        threshold = self._config.slowed_threshold
        return self._slowed is not None and threshold is not None and self._slowed.probability(levelled) >= threshold

    def _reset_detectors(self) -> None:
        for detector in (self._detector, self._slowed):
            if detector is not None:
                detector.reset()
