"""Degradations of a clip's audio: level, noise, bandwidth, coding, rooms.

A condition returns samples *and their rate*: telephone audio reaches the engine at 8 kHz, as from a device. Everything random
is drawn from the clip's own seed, so that a run can be repeated and clips differ.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import soxr

from realtime_ser.records import FloatArray
from train.data.features import read_clip
from train.data.manifest import Row
from train.evaluation.streaming.conversation import voiced_span
from train.evaluation.streaming.sounds import Signal, noise

Degraded = tuple[FloatArray, int]
TALKERS = 6  # voices in a babble
_CLIPS_OF_TALKER = 8
_ROOM_RATIO_DB = 0.0  # direct sound to reverberation


@dataclass(frozen=True, slots=True)
class Condition:
    """One point of a curve.

    Attributes
    ----------
    group : the curve: "gain", "noise", "babble", "bandwidth", "coding", "low", "room"
    name : shown in tables
    value : position on the curve's axis
    apply : (samples float32 (n,), rate in Hz, row) -> (samples, rate)
    """

    group: str
    name: str
    value: float
    apply: Callable[[FloatArray, int, Row], Degraded]


def seed_of(row: Row) -> int:
    """A clip's own seed: the first digits of its hash."""
    return int(row.sha256[:8], 16)


def gained(samples: FloatArray, rate: int, row: Row, *, db: float) -> Degraded:  # noqa: ARG001
    """Apply a gain, then round to 16 bits and clip at full scale, as a microphone does."""
    return quantised(samples * np.float32(10 ** (db / 20))), rate


def quantised(samples: FloatArray) -> FloatArray:
    """Rounded to 16 bits, clipped at full scale."""
    return np.asarray(np.clip(np.round(samples * 32768), -32768, 32767) / 32768, np.float32)


def noisy(samples: FloatArray, rate: int, row: Row, *, colour: str, snr_db: float) -> Degraded:
    """Steady noise throughout, ``snr_db`` below the level of the voice (its pauses at either end not counted)."""
    added = noise(colour, len(samples), rate, seed=seed_of(row))
    return _mixed(samples, added, rate, snr_db), rate


def babbled(samples: FloatArray, rate: int, row: Row, *, talk: Babble, snr_db: float) -> Degraded:
    """Six other people talking at once throughout, together ``snr_db`` below the voice."""
    return _mixed(samples, talk(len(samples), rate, row), rate, snr_db), rate


class Babble:
    """Other speakers of the same corpora, all talking at once.

    Parameters
    ----------
    rows : clips to draw from; of each speaker a few are taken
    """

    def __init__(self, root: Path, rows: Sequence[Row]) -> None:
        self._root = root
        self._clips: dict[str, list[Row]] = {}
        for name in sorted({row.speaker for row in rows}):
            own = [row for row in rows if row.speaker == name]
            chosen = np.random.default_rng(0).permutation(len(own))[:_CLIPS_OF_TALKER]
            self._clips[name] = [own[i] for i in chosen]
        self._known: dict[str, FloatArray] = {}

    def __call__(self, count: int, rate: int, row: Row) -> Signal:
        """Babble of unit RMS, float64 (count,), without the speaker of ``row``."""
        rng = np.random.default_rng(seed_of(row))
        others = [name for name in self._clips if name != row.speaker]
        total = np.zeros(count)
        for place in rng.permutation(len(others))[:TALKERS]:
            own = self._clips[others[place]]
            parts: list[FloatArray] = []
            while sum(map(len, parts)) < count:
                parts.append(self._voice(own[int(rng.integers(len(own)))], rate))
            voice = np.concatenate(parts)[:count].astype(np.float64)
            total += voice / max(float(np.sqrt(np.mean(voice**2))), 1e-9)
        return np.asarray(total / max(float(np.sqrt(np.mean(total**2))), 1e-9))

    def _voice(self, row: Row, rate: int) -> FloatArray:
        if row.path not in self._known:
            clip = read_clip(self._root / row.path, rate)
            first, last = voiced_span(clip, rate)
            self._known[row.path] = clip[first:last]
        return self._known[row.path]


def banded(samples: FloatArray, rate: int, row: Row, *, low_hz: float, high_hz: float, to_rate: int) -> Degraded:  # noqa: ARG001
    """Only ``low_hz`` to ``high_hz`` are left, at a sampling rate of ``to_rate``; edges a sixth of an octave wide."""
    narrow = samples if to_rate == rate else soxr.resample(samples, rate, to_rate, quality="HQ")
    frequency = np.maximum(np.fft.rfftfreq(len(narrow), 1 / to_rate), 1e-3)
    octaves = np.minimum(np.log2(frequency / low_hz) if low_hz else np.inf, np.log2(high_hz / frequency))
    gain = np.clip(0.5 + 6 * octaves, 0, 1)
    return np.asarray(np.fft.irfft(np.fft.rfft(narrow) * gain, len(narrow)), np.float32), to_rate


def coded(samples: FloatArray, rate: int, row: Row, *, format: str, subtype: str, to_rate: int) -> Degraded:
    """Written and read again by libsndfile's encoder of this format, at its own default quality."""
    band = banded(samples, rate, row, low_hz=300, high_hz=3400, to_rate=to_rate)[0] if to_rate == 8000 else samples
    file = io.BytesIO()
    soundfile.write(file, np.clip(band, -1, 1), to_rate, format=format, subtype=subtype)
    file.seek(0)
    decoded, got = soundfile.read(file, dtype="float32")
    return np.asarray(decoded, np.float32), int(got)


def offset(samples: FloatArray, rate: int, row: Row, *, dc: float) -> Degraded:  # noqa: ARG001
    """A constant ``dc`` (full scale is 1) under the voice, as of a cheap input."""
    return np.asarray(samples + np.float32(dc), np.float32), rate


def hummed(samples: FloatArray, rate: int, row: Row, *, hz: float, amplitude: float) -> Degraded:
    """A tone of the mains' frequency; its phase is the clip's own."""
    phase = np.random.default_rng(seed_of(row)).uniform(0, 2 * np.pi)
    tone = amplitude * np.sin(2 * np.pi * hz * np.arange(len(samples)) / rate + phase)
    return np.asarray(samples + tone, np.float32), rate


def rumbled(samples: FloatArray, rate: int, row: Row, *, above_db: float, below_hz: float = 60.0) -> Degraded:
    """Brown noise with nothing above ``below_hz``, ``above_db`` over the voice; both softer together where they would clip."""
    spectrum = np.fft.rfft(noise("brown", len(samples), rate, seed=seed_of(row)))
    spectrum[np.fft.rfftfreq(len(samples), 1 / rate) > below_hz] = 0
    low = np.fft.irfft(spectrum, len(samples))
    mixed = _mixed(samples, low / max(float(np.sqrt(np.mean(low**2))), 1e-9), rate, -above_db)
    return np.asarray(mixed / max(1.0, float(np.abs(mixed).max(initial=0))), np.float32), rate


def roomy(samples: FloatArray, rate: int, row: Row, *, rt60_s: float) -> Degraded:
    """In a room: the direct sound, and as much energy again in a tail of noise that falls by 60 dB in ``rt60_s``."""
    rng = np.random.default_rng(seed_of(row))
    length = max(2, round(rt60_s * rate))
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail[: round(0.002 * rate)] = 0.0
    tail *= 10 ** (-_ROOM_RATIO_DB / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    size = len(samples) + length
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    # Keep the level: the condition models the room, not the distance.
    wet *= np.sqrt(np.mean(samples.astype(np.float64) ** 2) / max(float(np.mean(wet**2)), 1e-12))
    return np.asarray(wet, np.float32), rate


def conditions(root: Path, rows: Sequence[Row]) -> list[Condition]:
    """All points of all curves. ``rows`` are the clips for babble."""
    talk = Babble(root, rows)
    found = [Condition("gain", f"{db:+d} dB", db, partial(gained, db=db)) for db in (-40, -30, -20, -10, 10, 20)]
    for colour in ("white", "pink"):
        for snr in (0, 5, 10, 20, 40):
            found.append(Condition(f"{colour} noise", f"{snr} dB", snr, partial(noisy, colour=colour, snr_db=snr)))
    found += [Condition("babble", f"{snr} dB", snr, partial(babbled, talk=talk, snr_db=snr)) for snr in (0, 5, 10, 20, 40)]
    for name, low, high, rate in (
        ("telephone, 300 to 3,400 Hz", 300, 3400, 8000),
        ("to 4 kHz", 0, 4000, 8000),
        ("to 5.5 kHz", 0, 5500, 11025),
        ("to 6 kHz", 0, 6000, 12000),
    ):
        found.append(Condition("bandwidth", name, high, partial(banded, low_hz=low, high_hz=high, to_rate=rate)))
    for name, format, subtype, rate in (
        ("telephone, mu-law (G.711)", "WAV", "ULAW", 8000),
        ("telephone, GSM 06.10", "WAV", "GSM610", 8000),
        ("MP3, 16 kHz", "MP3", "MPEG_LAYER_III", 16000),
        ("Opus, 16 kHz", "OGG", "OPUS", 16000),
    ):
        found.append(Condition("coding", name, 0, partial(coded, format=format, subtype=subtype, to_rate=rate)))
    found += low_frequencies()
    found += [Condition("room", f"RT60 {s:g} s", s, partial(roomy, rt60_s=s)) for s in (0.2, 0.4, 0.8, 1.2)]
    return found


def low_frequencies() -> list[Condition]:
    """What no voice makes: an offset, the mains' hum, and the rumble of traffic, fans and desks."""
    return [
        Condition("low", "DC 0.1", 0, partial(offset, dc=0.1)),
        Condition("low", "hum of 50 Hz, 0.1", 0, partial(hummed, hz=50.0, amplitude=0.1)),
        Condition("low", "rumble, 20 dB over the voice", 0, partial(rumbled, above_db=20.0)),
    ]


def _mixed(samples: FloatArray, added: Signal, rate: int, snr_db: float) -> FloatArray:
    first, last = voiced_span(samples, rate)
    level = float(np.sqrt(np.mean(samples[first:last].astype(np.float64) ** 2)))
    return np.asarray(samples + added * level * 10 ** (-snr_db / 20), np.float32)
