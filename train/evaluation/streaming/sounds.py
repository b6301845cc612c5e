"""Sounds without speech: noise of three colours, clicks, chords, drums and the two together. Synthetic and seeded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from realtime_ser.records import FloatArray

Signal = npt.NDArray[np.float64]

# Exponent of frequency by which the power falls.
COLOURS: Mapping[str, float] = {"white": 0.0, "pink": 1.0, "brown": 2.0}
_LOWEST_HZ = 20.0  # constant power below it: an exponent of 2 would leave mostly drift
_CHORDS = ((261.63, 329.63, 392.0), (220.0, 261.63, 329.63), (174.61, 220.0, 261.63), (196.0, 246.94, 293.66))  # C a F G


def noise(colour: str, count: int, rate: int, *, seed: int) -> Signal:
    """Steady noise of unit RMS.

    Parameters
    ----------
    colour : "white", "pink" (power falls as 1/f) or "brown" (1/f squared)
    count : samples, at ``rate`` Hz
    """
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequency = np.maximum(np.fft.rfftfreq(count, 1 / rate), _LOWEST_HZ)
    signal = np.fft.irfft(spectrum / frequency ** (COLOURS[colour] / 2), count)
    return np.asarray(signal / np.sqrt(np.mean(signal**2)))


def clicks(count: int, rate: int, *, seed: int) -> Signal:
    """Clicks of 1 to 8 ms at random moments, three a second: keys, knocks, a bad plug."""
    rng = np.random.default_rng(seed)
    signal = np.zeros(count)
    for start in rng.integers(0, count, max(1, 3 * count // rate)):
        length = min(int(rng.uniform(0.001, 0.008) * rate), count - int(start))
        decay = np.exp(-5 * np.arange(length) / max(1, length))
        signal[start : start + length] += rng.uniform(0.3, 1.0) * decay * rng.standard_normal(length)
    return signal


def chords(count: int, rate: int, *, seed: int) -> Signal:
    """Four chords of two seconds each, over and over: struck tones with six overtones, each slightly out of tune."""
    rng = np.random.default_rng(seed)
    signal, length = np.zeros(count), 2 * rate
    t = np.arange(length) / rate
    for number, start in enumerate(range(0, count, length)):
        bar = np.zeros(length)
        for tone in _CHORDS[number % len(_CHORDS)]:
            tuned = tone * rng.uniform(0.997, 1.003)
            for k in range(1, 8):
                bar += np.sin(2 * np.pi * k * tuned * t + rng.uniform(0, 2 * np.pi)) * np.exp(-t * (0.6 + 0.4 * k)) / k
        bar *= np.minimum(1.0, np.minimum(t / 0.01, (2 - t) / 0.02))
        signal[start : start + length] += bar[: count - start]
    return signal


def drums(count: int, rate: int, *, seed: int) -> Signal:
    """A beat at 120 a minute: a bass drum on every beat, a snare on every second one, a cymbal twice a beat."""
    rng = np.random.default_rng(seed)
    signal, t = np.zeros(count), np.arange(rate // 4) / rate
    kick = np.sin(2 * np.pi * 120 * (1 - np.exp(-25 * t)) / 25) * np.exp(-t / 0.06)
    for number, start in enumerate(range(0, count, rate // 4)):
        hit = 0.15 * np.diff(rng.standard_normal(len(t)), prepend=0.0) * np.exp(-t / 0.02)
        if number % 2 == 0:
            hit += kick
        if number % 4 == 2:
            hit += 0.5 * rng.standard_normal(len(t)) * np.exp(-t / 0.05)
        signal[start : start + len(t)] += rng.uniform(0.8, 1.0) * hit[: count - start]
    return signal


def band(count: int, rate: int, *, seed: int) -> Signal:
    """Chords, drums and a bass line on the chords' roots."""
    t = np.arange(count) / rate
    roots = np.array([chord[0] / 4 for chord in _CHORDS])[(t // 2).astype(int) % len(_CHORDS)]
    bass = np.sin(2 * np.pi * np.cumsum(roots) / rate) * np.exp(-(t % 0.5) / 0.3)
    parts = [chords(count, rate, seed=seed), drums(count, rate, seed=seed + 1), bass]
    return np.asarray(sum(part / np.sqrt(np.mean(part**2)) for part in parts))


def silence(count: int, rate: int, *, seed: int) -> Signal:  # noqa: ARG001
    """Digital silence."""
    return np.zeros(count)


SOUNDS: Mapping[str, Callable[..., Signal]] = {
    "silence": silence,
    "white noise": lambda count, rate, *, seed: noise("white", count, rate, seed=seed),
    "pink noise": lambda count, rate, *, seed: noise("pink", count, rate, seed=seed),
    "brown noise": lambda count, rate, *, seed: noise("brown", count, rate, seed=seed),
    "clicks": clicks,
    "chords": chords,
    "drums": drums,
    "band": band,
}


def at_level(signal: Signal | FloatArray, dbfs: float) -> FloatArray:
    """The signal at this RMS level in dB relative to full scale, clipped to full scale; silence stays silent."""
    rms = float(np.sqrt(np.mean(np.square(signal, dtype=np.float64)))) if len(signal) else 0.0
    scale = 10 ** (dbfs / 20) / rms if rms > 0 else 0.0
    return np.asarray(np.clip(np.asarray(signal, np.float64) * scale, -1, 1), np.float32)
