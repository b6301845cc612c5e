"""What happens to a voice before it is learned: other speakers' pitch and tempo, rooms, microphones, noise, levels.

Done to the audio before the front end, once per variant, and cached. What changes anew in every epoch lives in ``masking``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from realtime_ser.records import FloatArray


@dataclass(frozen=True, slots=True)
class Variant:
    """One cached version of every clip.

    Attributes
    ----------
    name : for file names
    speed : faster and higher (above 1) or slower and lower; the sampling rate is bent, as a tape would
    eq_db : largest rise or fall of a random smooth equaliser over the band, in dB
    snr_db : range of the level of added coloured noise below the voice, in dB; None: no noise
    reverb_s : longest reverberation time (RT60) of a random exponential room; 0: none
    seed : makes two variants with the same settings differ
    """

    name: str
    speed: float = 1.0
    eq_db: float = 0.0
    snr_db: tuple[float, float] | None = None
    reverb_s: float = 0.0
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a cache key."""
        return asdict(self)


PLAIN = Variant("plain")


def vary(
    samples: FloatArray, speech: npt.NDArray[np.bool_], variant: Variant, rate: int, *, seed: int
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """A variant of a clip and of its speech activity.

    Parameters
    ----------
    samples : float32 (n,) at ``rate`` Hz
    speech : bool (m,), activity on any even grid over the clip
    seed : with the variant's own it decides every draw
    """
    rng = np.random.default_rng([seed, variant.seed])
    if variant.speed != 1.0:
        samples = np.asarray(soxr.resample(samples, rate * variant.speed, rate, quality="HQ"), np.float32)
        positions = np.minimum((np.arange(round(len(speech) / variant.speed)) * variant.speed).astype(int), len(speech) - 1)
        speech = speech[positions]
    if variant.reverb_s:
        samples = _reverb(samples, rng.uniform(0.1, variant.reverb_s), rate, rng)
    if variant.eq_db:
        samples = _filtered(samples, rng.uniform(-variant.eq_db, variant.eq_db, 8))
    if variant.snr_db is not None:
        # Coloured noise: white (0), pink (1) or between, at a level relative to the speech.
        noise = _coloured(len(samples), rng.uniform(0, 1.2), rng)
        loud = float(np.sqrt(np.mean(samples**2)))
        samples = samples + noise * np.float32(loud * 10 ** (-rng.uniform(*variant.snr_db) / 20))
    return np.ascontiguousarray(samples, np.float32), speech


def _filtered(samples: FloatArray, points_db: npt.NDArray[np.float64]) -> FloatArray:
    """Apply a zero-phase equaliser given by its gain in dB at points evenly spaced on a square-root frequency axis."""
    spectrum = np.fft.rfft(samples)
    axis = np.sqrt(np.linspace(0, 1, len(spectrum)))
    gain = np.interp(axis, np.linspace(0, 1, len(points_db)), points_db)
    return np.asarray(np.fft.irfft(spectrum * 10 ** (gain / 20), len(samples)), np.float32)


def _reverb(samples: FloatArray, rt60_s: float, rate: int, rng: np.random.Generator) -> FloatArray:
    """Convolve with decaying noise after a direct sound; the level stays."""
    length = int(rt60_s * rate)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail *= rng.uniform(0.2, 0.8) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    size = len(samples) + length
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    wet *= np.sqrt(np.mean(samples**2) / max(float(np.mean(wet**2)), 1e-12))
    return np.asarray(wet, np.float32)


def _coloured(length: int, slope: float, rng: np.random.Generator) -> FloatArray:
    """Noise of unit RMS whose power falls with the given exponent of frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** (slope / 2)
    noise = np.fft.irfft(spectrum, length)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)), np.float32)
