"""Any rate to the model's, with soxr's stateful stream.

What a resampler holds back adds to the latency of every estimate. Measured with soxr 1.1 and 20 ms blocks (input time already
pushed, less output time already returned), to 16 kHz, with the level at 7 kHz and the rejection at 9 kHz from 48 kHz:

    quality         48 kHz max/mean   44.1 kHz        8 kHz            7 kHz      9 kHz     CPU per second of 48 kHz audio
    LQ              20.0 / 11.2 ms    21.7 / 10.6 ms  61.3 / 33.5 ms   -12.8 dB   -109 dB   0.28 ms
    MQ              37.6 / 21.4 ms    40.9 / 23.0 ms  117.5 / 63.9 ms     0 dB    -140 dB   0.26 ms
    HQ              36.6 / 21.1 ms    40.0 / 22.8 ms  115.0 / 63.6 ms     0 dB    -146 dB   0.26 ms
    VHQ             76.3 / 43.0 ms    83.7 / 46.2 ms  110.5 / 63.5 ms     0 dB    -150 dB   0.33 ms
    HQ, variable    12.5 / 12.5 ms    13.6 / 13.6 ms  30.0 / 30.0 ms      0 dB    -118 dB   2.60 ms

The fixed-rate engine filters by FFT in large pieces, hence its uneven delay; the variable-rate engine, run here at a constant
rate, filters sample by sample: its delay is short and the same for every block, and its pass band as wide as HQ's. LQ would be
as quick and would take the top of the speech band away. From a higher rate its output lies 1.6 output samples (0.1 ms) late.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realtime_ser.audio.source import check_rate
from realtime_ser.records import FloatArray


class Resampler:
    """A stream of mono samples from one rate to another; pieces of any size give the same output as the whole.

    Parameters
    ----------
    from_rate, to_rate : Hz, 1,000 to 768,000

    Raises
    ------
    SourceError : a rate that is no whole number or out of range
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self.from_rate = check_rate(from_rate, "resampler input")
        self.to_rate = check_rate(to_rate, "resampler output")
        self._stream: Any = None
        self.reset()

    def reset(self) -> None:
        """Forget everything, as if new. Costs 0.05 ms."""
        self._pushed = 0
        self._returned = 0
        self._stream = None
        if self.from_rate != self.to_rate:
            import soxr

            self._stream = soxr.ResampleStream(self.from_rate, self.to_rate, 1, dtype="float32", quality="HQ", vr=True)

    @property
    def lag_s(self) -> float:
        """Seconds of audio pushed and not yet returned."""
        return self._pushed / self.from_rate - self._returned / self.to_rate

    def push(self, samples: FloatArray, last: bool = False) -> FloatArray:
        """Resample the next piece.

        Parameters
        ----------
        samples : float32 (n,); n may be 0
        last : true with the final piece: what was held back comes out too, and ``reset`` must precede the next push.
            In all, ``n * to_rate / from_rate`` samples are returned, within one.

        Returns
        -------
        float32 (m,); the input itself when the rates are equal
        """
        self._pushed += len(samples)
        if self._stream is None:
            out = samples
        else:
            out = self._stream.resample_chunk(np.ascontiguousarray(samples, dtype=np.float32), last=last)
        self._returned += len(out)
        return out
