"""What a microphone adds below every voice: a DC offset, the mains' hum, rumble."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from realtime_ser.audio.high_pass import high_passed
from realtime_ser.records import FloatArray

MAINS_HZ = (50, 60)
_LEAST_S = 1.0  # less resolves no line of the spectrum
_LINE_HZ = 1.0  # the mains' frequency varies by less
_AROUND_HZ = (2.0, 8.0)  # how far off what a line is compared to lies
_STANDS_OUT_DB = 12.0  # noise alone reaches 6 in three seconds
_LEAST_DBFS = -60.0  # softer hides no voice
_LEAST_OFFSET = 0.01
_RUMBLE_DB = 10.0  # by so much louder than all above 60 Hz


@dataclass(frozen=True, slots=True)
class Interference:
    """Each is 0 or None where there is none that matters.

    Attributes
    ----------
    offset : mean of the samples, of full scale
    hum_hz, hum_dbfs : 50 or 60, and the RMS level of this line alone
    rumble_dbfs : RMS level of what lies below 60 Hz besides, where it is louder than everything above
    """

    offset: float = 0.0
    hum_hz: int = 0
    hum_dbfs: float | None = None
    rumble_dbfs: float | None = None

    def findings(self) -> list[tuple[str, str]]:
        """What is there and what to do about it, each in a few words."""
        found = []
        if self.offset:
            found.append(
                (
                    f"a DC offset of {self.offset:+.2f} of full scale",
                    "try another input, USB port or sound card: the offset is filtered out here, but the voice clips sooner",
                )
            )
        if self.hum_dbfs is not None:
            found.append(
                (
                    f"mains hum of {self.hum_hz} Hz at {self.hum_dbfs:.0f} dBFS",
                    "keep microphone and cable away from power supplies, use another socket or run on battery (a ground loop):"
                    f" {self.hum_hz} Hz is filtered out here, its harmonics are not",
                )
            )
        if self.rumble_dbfs is not None:
            found.append(
                (
                    f"rumble below 60 Hz at {self.rumble_dbfs:.0f} dBFS",
                    "put the microphone on something soft, away from fans: most of the rumble is filtered out here",
                )
            )
        return found


def find_interference(samples: FloatArray, rate: int) -> Interference:
    """Judge finite samples, float32 (n,) at ``rate`` Hz; under a second of them nothing is found."""
    if len(samples) < _LEAST_S * rate:
        return Interference()
    offset = float(np.mean(samples, dtype=np.float64))
    centred = samples - offset
    total = float(np.mean(centred**2))
    voiced = float(np.mean(np.square(high_passed(samples, rate), dtype=np.float64)))
    window = np.hanning(len(samples))
    # Power of each line of the spectrum; their sum is the signal's.
    lines = 2 * np.abs(np.fft.rfft(centred * window)) ** 2 / (len(samples) * float(np.sum(window**2)))
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    hum_hz, hum = max(((mains, _line_power(lines, hz, mains)) for mains in MAINS_HZ), key=lambda found: found[1])
    below = max(0.0, total - voiced - hum)
    return Interference(
        offset=offset if abs(offset) >= _LEAST_OFFSET else 0.0,
        hum_hz=hum_hz if hum else 0,
        hum_dbfs=_dbfs(hum) if hum else None,
        rumble_dbfs=_dbfs(below) if _dbfs(below) > max(_LEAST_DBFS, _dbfs(voiced) + _RUMBLE_DB) and below > hum else None,
    )


def _line_power(lines: npt.NDArray[np.float64], hz: npt.NDArray[np.floating], mains: float) -> float:
    """Power of the line at ``mains`` Hz; 0 where none stands out from what lies around it."""
    off = np.abs(hz - mains)
    power = float(lines[off <= _LINE_HZ].sum())
    around = lines[(off >= _AROUND_HZ[0]) & (off <= _AROUND_HZ[1])]
    usual = float(np.median(around)) * int(np.count_nonzero(off <= _LINE_HZ))
    stands_out = power > usual * 10 ** (_STANDS_OUT_DB / 10)
    return power if stands_out and _dbfs(power) > _LEAST_DBFS else 0.0


def _dbfs(power: float) -> float:
    return 10 * math.log10(max(power, 1e-12))
