"""Random channel for each group of windows: room, microphone, noise, line, level.

``train.data.augment`` makes a few cached versions of each clip; this is for training that reads the audio at every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.fft import next_fast_len

from realtime_ser.records import FloatArray
from train.data.augment import coded
from train.data.responses import Responses

RATE = 16000
_SPEEDS = (0.83, 1.2)  # another speed makes another voice
_PHONE_HZ = (300.0, 3400.0)
_CODECS = (("MP3", "MPEG_LAYER_III", 0.9), ("OGG", "OPUS", 1.0), ("OGG", "OPUS", 0.9))
_NOISES, _NOISE_SHARES = ("noise", "sound", "babble"), (0.35, 0.35, 0.3)
_QUIETEST_TALK_DB = 6.0

Draw = Callable[[int], FloatArray]  # so many samples of another voice, or of a sound


@dataclass
class Channel:
    """One draw, constant over a speaker's utterances.

    Attributes
    ----------
    strength : 0 to 1, factor of the chance of each change but the level's
    speed : resampling factor, which changes the voice
    """

    rng: np.random.Generator
    responses: Responses = field(default_factory=Responses)
    strength: float = 1.0

    def __post_init__(self) -> None:
        rng = self.rng
        self.speed = float(np.exp(rng.uniform(*np.log(_SPEEDS)))) if self._happens(0.6) else 1.0
        microphones, rooms = self.responses.microphones, self.responses.rooms
        self._microphone = microphones[rng.integers(len(microphones))] if microphones and self._happens(0.4) else None
        self._room = None
        if self._happens(0.3):
            measured = rooms and rng.random() < 0.4
            self._room = rooms[rng.integers(len(rooms))] if measured else exponential_room(float(rng.uniform(0.1, 0.8)), rng)
        self._equaliser_db = rng.uniform(-1, 1, 8) * rng.uniform(2, 9) if self._happens(0.5) else None
        self._line = self._drawn_line() if self._happens(0.25) else None
        self._stepped = self._line == _PHONE_HZ and rng.random() < 0.6
        self._codec = _CODECS[rng.integers(len(_CODECS))] if self._happens(0.07) else None
        self._noise, self._snr_db = "none", float(rng.uniform(5, 32))
        if self._happens(0.6):
            self._noise = str(rng.choice(_NOISES, p=_NOISE_SHARES))
        self._rumble_db = float(rng.uniform(-20, 5)) if self._happens(0.15) else None
        self._offset = float(rng.uniform(-0.1, 0.1)) if self._happens(0.1) else 0.0
        self._hum_db = float(rng.uniform(-20, 5)) if self._happens(0.07) else None
        self._gain = float(10 ** (rng.uniform(-30, 6) / 20)) if rng.random() < 0.7 else 1.0

    def _happens(self, chance: float) -> bool:
        return bool(self.rng.random() < chance * self.strength)

    def __call__(self, samples: FloatArray, talk: Draw, sound: Draw, *, speech: bool = True) -> FloatArray:
        """One utterance through it, float32 (n,) at 16 kHz.

        Parameters
        ----------
        talk, sound : draw background speech and sounds
        speech : False: ``samples`` hold no speech, and none is added in the background
        """
        x = samples
        if self._microphone is not None:
            x = convolved(x, self._microphone)
        if self._room is not None:
            x = at_level(convolved(x, self._room), level_of(x))
        if self._equaliser_db is not None:
            x = equalised(x, self._equaliser_db)
        level = level_of(x)
        if self._noise != "none":
            x = x + at_level(self._background(len(x), talk, sound, speech), level * 10 ** (-self._background_db() / 20))
        if self._line is not None:
            x = limited(x, *self._line)
            x = stepped(x) if self._stepped else x
        if self._codec is not None:
            x = coded(x, RATE, *self._codec)
        if self._rumble_db is not None:
            walk = np.cumsum(self.rng.standard_normal(len(x)))
            walk -= np.linspace(walk[0], walk[-1], len(walk))
            x = x + at_level(walk.astype(np.float32), level * 10 ** (-self._rumble_db / 20))
        if self._hum_db is not None:
            turns = 2 * np.pi * np.arange(len(x)) / RATE * (50 if self.rng.random() < 0.5 else 60)
            hum = (np.sin(turns) + 0.3 * np.sin(2 * turns + 1)).astype(np.float32)
            x = x + at_level(hum, level * 10 ** (-self._hum_db / 20))
        return np.asarray(x * self._gain + self._offset, np.float32)

    def _drawn_line(self) -> tuple[float, float]:
        if self.rng.random() < 0.5:
            return _PHONE_HZ
        low_hz = float(self.rng.uniform(50, 400)) if self.rng.random() < 0.5 else 0.0
        return low_hz, float(np.exp(self.rng.uniform(np.log(3000), np.log(8000))))

    def _background_db(self) -> float:
        return max(self._snr_db, _QUIETEST_TALK_DB) if self._noise == "babble" else self._snr_db

    def _background(self, length: int, talk: Draw, sound: Draw, speech: bool) -> FloatArray:
        if self._noise == "sound":
            return sound(length)
        if self._noise == "babble" and speech:
            voices = [at_level(talk(length), 1.0) for _ in range(int(self.rng.integers(3, 7)))]
            return np.asarray(np.sum(voices, axis=0), np.float32)
        spectrum = np.fft.rfft(self.rng.standard_normal(length))
        spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** (self.rng.uniform(0, 1.2) / 2)
        return np.asarray(np.fft.irfft(spectrum, length), np.float32)


def level_of(samples: FloatArray) -> float:
    """RMS, with a small positive minimum."""
    return float(np.sqrt(np.mean(samples**2))) + 1e-7


def at_level(samples: FloatArray, level: float) -> FloatArray:
    """Scale to an RMS of ``level``."""
    return np.asarray(samples * np.float32(level / level_of(samples)), np.float32)


def convolved(samples: FloatArray, response: FloatArray) -> FloatArray:
    """Convolve with an impulse response, cut to the same length."""
    size = next_fast_len(len(samples) + len(response), real=True)
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)], np.float32)


def exponential_room(rt60_s: float, rng: np.random.Generator) -> FloatArray:
    """A direct sound, then noise that decays by 60 dB in ``rt60_s``."""
    length = int(rt60_s * RATE)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail *= rng.uniform(0.2, 0.9) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail.astype(np.float32)


def equalised(samples: FloatArray, points_db: npt.NDArray[np.float64]) -> FloatArray:
    """Gains in dB at points evenly spaced on a square-root frequency axis, without a change of phase."""
    size = next_fast_len(len(samples), real=True)
    spectrum = np.fft.rfft(samples, size)
    gain = np.interp(np.sqrt(np.linspace(0, 1, len(spectrum))), np.linspace(0, 1, len(points_db)), points_db)
    return np.asarray(np.fft.irfft(spectrum * 10 ** (gain / 20), size)[: len(samples)], np.float32)


def limited(samples: FloatArray, low_hz: float, high_hz: float) -> FloatArray:
    """Band-pass with edges a sixth of an octave wide."""
    size = next_fast_len(len(samples), real=True)
    hz = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 1.0)
    gain = np.clip(0.5 + 6 * np.log2(high_hz / hz), 0, 1)
    if low_hz:
        gain = gain * np.clip(0.5 + 6 * np.log2(hz / low_hz), 0, 1)
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, size) * gain, size)[: len(samples)], np.float32)


def stepped(samples: FloatArray) -> FloatArray:
    """In the 255 steps of mu-law (G.711)."""
    peak = float(np.abs(samples).max(initial=0)) + 1e-6
    pressed = np.sign(samples) * np.log1p(255 * np.abs(samples) / peak) / np.log1p(255)
    rounded = np.round(pressed * 127) / 127
    return np.asarray(np.sign(rounded) * np.expm1(np.abs(rounded) * np.log1p(255)) / 255 * peak, np.float32)
