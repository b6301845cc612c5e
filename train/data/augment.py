"""Augmentation of the audio: pitch and tempo, rooms, microphones, noise, levels.

Applied before the front end, once per variant, and cached. ``masking`` has the augmentation that changes in every epoch.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from scipy.fft import next_fast_len

from realtime_ser.config_build import between
from realtime_ser.records import FloatArray

_PHONE_RATE, _PHONE_HZ, _MU = 8000, (300.0, 3400.0), 255
_TALKER_SPEED = (0.75, 1.33)
_TALKER_FLOOR = 0.03  # of a clip's peak: softer audio at its start and end is no voice
_MP3_DELAY = 1105  # samples: 576 of the encoder, 529 of the decoder
_CODECS = (("MP3", "MPEG_LAYER_III", 0.9), ("OGG", "OPUS", 1.0), ("OGG", "OPUS", 0.9))


@dataclass(frozen=True, slots=True)
class Variant:
    """One cached version of every clip.

    Attributes
    ----------
    name : for file names
    speed : faster and higher (above 1) or slower and lower; resampled, as with a tape's speed
    eq_db : largest rise or fall of a random smooth equaliser over the band, in dB
    snr_db : range of the level of added coloured noise below the voice, in dB; None: no noise
    reverb_s : longest reverberation time (RT60) of a random exponential room; 0: none
    codec : MP3 or Opus at a low rate, at random
    phone : the telephone band, 300 to 3,400 Hz, with the steps of mu-law
    line : only a band limit: the telephone's for most speakers, for the others any below 8 kHz
    babble_db : range of the level of background speech below the voice, in dB; None: no background speech
    seed : makes two variants with the same settings differ
    share : relative frequency among the variants
    """

    name: str
    speed: float = between(0.25, 4, default=1.0)
    eq_db: float = between(0, 60, default=0.0)
    snr_db: tuple[float, float] | None = between(-60, 120, default=None)
    reverb_s: float = between(0, 20, default=0.0)
    codec: bool = False
    phone: bool = False
    line: bool = False
    babble_db: tuple[float, float] | None = between(-60, 120, default=None)
    seed: int = between(0, 2**31, default=0)
    share: float = between(0.001, 1000, default=1.0)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a cache key: everything that affects the audio."""
        values = asdict(self)
        del values["share"]
        # Keys without lines and talkers stay as they were before these were added.
        for late in ("line", "babble_db"):
            if not values[late]:
                del values[late]
        return values


PLAIN = Variant("plain")


def vary(
    samples: FloatArray,
    speech: npt.NDArray[np.bool_],
    variant: Variant,
    rate: int,
    *,
    seed: int,
    channel: int = 0,
    talkers: Sequence[FloatArray] = (),
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """A variant of a clip and of its speech activity.

    Parameters
    ----------
    samples : float32 (n,) at ``rate`` Hz
    speech : bool (m,), activity on any even grid over the clip
    seed : together with the variant's seed it determines the noise and the codec of the clip
    channel : seed of the room and the microphone, which are the same for all clips of a speaker
    talkers : clips float32 (any length,) of background speakers, for ``babble_db``
    """
    rng = np.random.default_rng([seed, variant.seed])
    room = np.random.default_rng([channel, variant.seed, 1])
    if variant.babble_db is not None:
        samples = _over(samples, _babble(talkers, len(samples), rate, rng), rng.uniform(*variant.babble_db))
    if variant.speed != 1.0:
        samples = np.asarray(soxr.resample(samples, rate * variant.speed, rate, quality="HQ"), np.float32)
        positions = np.minimum((np.arange(round(len(speech) / variant.speed)) * variant.speed).astype(int), len(speech) - 1)
        speech = speech[positions]
    if variant.reverb_s:
        samples = _reverb(samples, room.uniform(0.1, variant.reverb_s), rate, room)
    if variant.eq_db:
        samples = _filtered(samples, room.uniform(-variant.eq_db, variant.eq_db, 8))
    if variant.snr_db is not None:
        # Coloured noise: white (0), pink (1) or between, at a level relative to the speech.
        noise = _coloured(len(samples), rng.uniform(0, 1.2), rng)
        samples = _over(samples, noise, rng.uniform(*variant.snr_db))
    if variant.phone:
        samples = telephone(samples, rate)
    if variant.line:
        samples = _limited(samples, rate, *_line(room))
    if variant.codec:
        samples = coded(samples, rate, *_CODECS[int(rng.integers(len(_CODECS)))])
    return np.ascontiguousarray(samples, np.float32), speech


def _over(samples: FloatArray, noise: FloatArray, snr_db: float) -> FloatArray:
    """Add noise of unit RMS, scaled to ``snr_db`` below the level of the whole clip."""
    loud = float(np.sqrt(np.mean(samples**2)))
    return samples + noise * np.float32(loud * 10 ** (-snr_db / 20))


def _babble(talkers: Sequence[FloatArray], length: int, rate: int, rng: np.random.Generator) -> FloatArray:
    """Mix all of them, repeated, at unit RMS. Each is resampled to another pitch and tempo, which makes another voice."""
    total = np.zeros(length, np.float32)
    for clip in talkers:
        bent = np.asarray(soxr.resample(clip, rate * rng.uniform(*_TALKER_SPEED), rate, quality="MQ"), np.float32)
        audible = np.flatnonzero(np.abs(bent) > _TALKER_FLOOR * np.abs(bent).max(initial=0.0))
        if not len(audible):
            continue
        bent = bent[audible[0] : audible[-1] + 1]
        bent /= np.sqrt(np.mean(bent**2))
        total += np.roll(np.tile(bent, 1 + length // len(bent)), int(rng.integers(len(bent))))[:length]
    level = float(np.sqrt(np.mean(total**2)))
    return total / np.float32(level) if level else total


def _line(rng: np.random.Generator) -> tuple[float, float]:
    """The band of a line or a headset, in Hz."""
    if rng.random() < 0.7:
        return _PHONE_HZ
    low_hz = float(rng.uniform(50, 400)) if rng.random() < 0.5 else 0.0
    return low_hz, float(np.exp(rng.uniform(np.log(3000), np.log(8000))))


def _limited(samples: FloatArray, rate: int, low_hz: float, high_hz: float) -> FloatArray:
    """Band-pass with edges a sixth of an octave wide, without coding or noise."""
    size = next_fast_len(len(samples), real=True)
    hz = np.maximum(np.fft.rfftfreq(size, 1 / rate), 1.0)
    gain = np.clip(0.5 + 6 * np.log2(high_hz / hz), 0, 1)
    if low_hz:
        gain *= np.clip(0.5 + 6 * np.log2(hz / low_hz), 0, 1)
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, size) * gain, size)[: len(samples)], np.float32)


def telephone(samples: FloatArray, rate: int) -> FloatArray:
    """The telephone band (ITU-T G.712, 300 to 3,400 Hz) at 8 kHz, in the steps of mu-law (G.711), back at ``rate``."""
    narrow = np.asarray(soxr.resample(samples, rate, _PHONE_RATE, quality="HQ"), np.float32)
    size = next_fast_len(len(narrow), real=True)
    spectrum = np.fft.rfft(narrow, size)
    hz = np.fft.rfftfreq(size, 1 / _PHONE_RATE)
    # Edges a tenth of an octave wide: as steep as a telephone filter, without ringing.
    edges = 1 / (1 + np.exp(-np.log2(np.maximum(hz, 1) / 300) * 60)) / (1 + np.exp(np.log2(np.maximum(hz, 1) / 3400) * 60))
    narrow = np.clip(np.fft.irfft(spectrum * edges, size)[: len(narrow)], -1, 1)
    pressed = np.sign(narrow) * np.log1p(_MU * np.abs(narrow)) / np.log1p(_MU)
    stepped = np.round(pressed * 127) / 127
    narrow = np.sign(stepped) * np.expm1(np.abs(stepped) * np.log1p(_MU)) / _MU
    return _fitted(
        np.asarray(soxr.resample(narrow.astype(np.float32), _PHONE_RATE, rate, quality="HQ"), np.float32), len(samples)
    )


def coded(samples: FloatArray, rate: int, kind: str, subtype: str, level: float) -> FloatArray:
    """Through a lossy codec of libsndfile and back; ``level`` 0 (best) to 1 (smallest)."""
    file = io.BytesIO()
    # Scale the copy, because codecs clip at full scale.
    peak = max(1.0, float(np.abs(samples).max(initial=0)) * 1.1)
    soundfile.write(file, samples / peak, rate, format=kind, subtype=subtype, compression_level=level)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    # Remove the encoder's delay from the MP3 decoder's output.
    late = _MP3_DELAY if kind == "MP3" else 0
    return _fitted(decoded[late:] * np.float32(peak), len(samples))


def _fitted(samples: FloatArray, length: int) -> FloatArray:
    """Cut or padded with silence to ``length``."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def _filtered(samples: FloatArray, points_db: npt.NDArray[np.float64]) -> FloatArray:
    """Apply a zero-phase equaliser given by its gain in dB at points evenly spaced on a square-root frequency axis."""
    # Pad, because an FFT of prime length takes ten times as long; the equaliser wraps around the end only a little.
    spectrum = np.fft.rfft(samples, next_fast_len(len(samples), real=True))
    axis = np.sqrt(np.linspace(0, 1, len(spectrum)))
    gain = np.interp(axis, np.linspace(0, 1, len(points_db)), points_db)
    size = next_fast_len(len(samples), real=True)
    return np.asarray(np.fft.irfft(spectrum * 10 ** (gain / 20), size)[: len(samples)], np.float32)


def _reverb(samples: FloatArray, rt60_s: float, rate: int, rng: np.random.Generator) -> FloatArray:
    """Convolve with decaying noise after a direct sound, at constant level."""
    length = int(rt60_s * rate)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail *= rng.uniform(0.2, 0.8) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    size = next_fast_len(len(samples) + length, real=True)
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    wet *= np.sqrt(np.mean(samples**2) / max(float(np.mean(wet**2)), 1e-12))
    return np.asarray(wet, np.float32)


def _coloured(length: int, slope: float, rng: np.random.Generator) -> FloatArray:
    """Noise of unit RMS whose power falls with the given exponent of frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(next_fast_len(length, real=True)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** (slope / 2)
    noise = np.fft.irfft(spectrum, next_fast_len(length, real=True))[:length]
    return np.asarray(noise / np.sqrt(np.mean(noise**2)), np.float32)
