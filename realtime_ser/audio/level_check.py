"""Do a stream's samples have the scale that float samples should have? 16-bit numbers that nobody scaled are 80 dB too loud."""

from __future__ import annotations

import math

import numpy as np

from realtime_ser.errors import SourceError
from realtime_ser.records import FloatArray

# 200 dB over full scale: float files hold such numbers, no microphone does, and their squares leave float32.
ABSURD = np.float32(1e10)
LOUDEST = np.float32(10)  # +20 dBFS: a float signal beyond it is one of 16 bits that nobody scaled
_SURELY = 0.99 * float(LOUDEST) ** 2  # sum of squares up to which no sample is beyond it, rounding errors included
_LOUD_S = 0.05  # so much beyond it is no single click; less than a tenth of that is not judged
_LONGEST_BURST_S = 1.0
_AUDIBLE = np.float32(1e-3)


class LevelCheck:
    """Can a stream's samples be processed, and do they have the scale that they should have?

    Parameters
    ----------
    of : what they are, for the message
    """

    def __init__(self, of: str) -> None:
        self._of = of
        self.reset()

    def reset(self) -> None:
        """A new stream."""
        self._normal = False  # audio of a normal level has been there
        self._loud_s = 0.0  # of loud audio, less the normal audio since then
        self._seen = self._beyond = 0  # samples not judged yet, and those of them that are beyond full scale by 20 dB
        self._peak = self._squares = 0.0  # of the samples not judged yet

    def __call__(self, samples: FloatArray, rate: int) -> bool:
        """Judge the next samples, float32 (n,).

        Returns
        -------
        False where they are to be dropped: a NaN, an infinity or a number 200 dB over full scale, which would poison all that
        follows; or what is 20 dB over full scale amid normal audio, up to a second more than there is normal audio since, which
        a damaged file decodes to

        Raises
        ------
        SourceError : the stream begins 20 dB over full scale, or has been there for that second. Nothing has changed then.
        """
        # A peak is at most the root of the sum of squares, which takes a third of the time. Mostly that settles it.
        if self._normal and not self._loud_s and not self._seen and _energy(samples) < _SURELY:
            return True
        magnitude = np.abs(samples)
        peak = magnitude.max(initial=0)
        if not peak <= ABSURD:  # written so that a NaN fails too
            return False
        # Blocks of a few samples are judged together, so that a stream in small blocks is judged as one in large blocks.
        seen, beyond = self._seen + len(samples), self._beyond + int(np.count_nonzero(magnitude > LOUDEST))
        peak, squares = max(float(peak), self._peak), self._squares + float(np.square(samples, dtype=np.float64).sum())
        if seen < _LOUD_S * rate / 10:
            self._seen, self._beyond, self._peak, self._squares = seen, beyond, peak, squares
            return not self._loud_s or 2 * beyond < seen
        if not beyond or beyond < min(seen / 2, _LOUD_S * rate):
            self._judged()
            self._normal = self._normal or peak > _AUDIBLE
            self._loud_s = max(0.0, self._loud_s - seen / rate)
            return True
        loud_s = self._loud_s + seen / rate
        if not self._normal or loud_s >= _LONGEST_BURST_S:
            level = 10 * math.log10(squares / seen)
            raise SourceError(
                f"{self._of}: a level of {level:+.0f} dBFS, peak {peak:.4g}: float samples lie within -1 to 1; divide 16-bit"
                f" numbers by 32768, or give them as int16"
            )
        self._judged()
        self._loud_s = loud_s
        return False

    def _judged(self) -> None:
        self._seen = self._beyond = 0
        self._peak = self._squares = 0.0


def _energy(samples: FloatArray) -> float:
    """Sum of squares; infinite where it overflows, and NaN where a sample is none."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.dot(samples, samples))
