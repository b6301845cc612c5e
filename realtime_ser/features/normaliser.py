"""Running normalisation: features relative to the mean and deviation of the stream's speech so far.

Voice, room and microphone shift features constantly, emotions change them. Mean and deviation of each feature are therefore
updated along the stream, starting from the training speakers' values as a prior, and every window is normalised by them. This
is online cepstral mean and variance normalisation (Viikki and Laurila 1998, "Cepstral domain segmental feature vector
normalization for noise robust speech recognition") with a maximum a posteriori start. Causal, and forgotten by ``reset``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from realtime_ser.config_build import build
from realtime_ser.errors import ModelError
from realtime_ser.features.spec import STATISTICS, FrontEndSpec
from realtime_ser.records import FloatArray

SPEECH_BAND_HZ = (300.0, 3400.0)  # the level is measured in this band, which every channel transmits
DEVIATION_DB = 12.0  # deviation of a band after normalisation: keeps the scale of decibels
_LEAST_DEVIATION = 1e-3


@dataclass(frozen=True, slots=True)
class Normalisation:
    """A card's ``normalisation``: the prior and its weight.

    Attributes
    ----------
    mean, deviation : of each feature (flatstats, moments), of each band (stacked) or of both (joint) in the training speakers'
        speech
    prior_s : weight of the prior, in seconds of speech
    memory_s : longest average, in seconds of speech; older speech decays
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    prior_s: float
    memory_s: float

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], size: int) -> Normalisation:
        """Read a card's section for ``size`` features.

        Raises
        ------
        ModelError : a key is unknown, missing, ill-typed or out of range
        """
        read = build(cls, values, "normalisation", "", error=ModelError, what="key")
        for key, numbers in (("mean", read.mean), ("deviation", read.deviation)):
            if len(numbers) != size or not all(map(math.isfinite, numbers)):
                raise ModelError(f"normalisation: {key!r} must be {size} finite numbers, one for each of the front end's")
        if min(read.deviation) < _LEAST_DEVIATION:
            raise ModelError(f"normalisation: 'deviation' must be at least {_LEAST_DEVIATION:g}")
        if not (0 < read.prior_s <= 3600 and 0 < read.memory_s <= 3600):
            raise ModelError("normalisation: needs 'prior_s' and 'memory_s' above 0 and at most 3600 s")
        return read


class RunningNormaliser:
    """Updates mean and deviation with each window of speech, then normalises it.

    Parameters
    ----------
    normalisation : the card's
    spec : its front end; recipe "flatstats", "moments", "stacked" or "joint"

    Attributes
    ----------
    speech_s : seconds of speech in the averages, up to ``memory_s``
    """

    def __init__(self, normalisation: Normalisation, spec: FrontEndSpec) -> None:
        self._prior = normalisation
        self._vector = len(normalisation.mean) - (0 if spec.recipe in STATISTICS else spec.n_mels)
        self._recipe = spec.recipe
        self._spectrum = slice(spec.n_mels + (0 if spec.recipe in ("stacked", "moments") else spec.n_mfcc))
        self._n_mels = spec.n_mels
        self._band = slice(0) if spec.recipe in STATISTICS else speech_band(spec)
        self._active_db = np.float32(spec.active_db)
        self._prior_mean = np.array(normalisation.mean, np.float32)
        self._prior_deviation = np.array(normalisation.deviation, np.float32)
        self.reset()

    def reset(self) -> None:
        """Start a new stream from the prior."""
        self.speech_s = 0.0
        self._mean = self._prior_mean.copy()
        self._deviation = self._prior_deviation.copy()
        self._earlier: tuple[float, FloatArray, FloatArray] | None = None

    def snapshot(self) -> tuple[float, ...]:
        """The averages as plain numbers, independent of later updates."""
        return (self.speech_s, *self._mean.tolist(), *self._deviation.tolist())

    def restore(self, numbers: Sequence[float]) -> None:
        """Continue from a ``snapshot``, bit for bit.

        Raises
        ------
        ModelError : the numbers do not fit this normalisation. Nothing has changed then.
        """
        size = len(self._prior_mean)
        if len(numbers) != 1 + 2 * size or not all(map(math.isfinite, numbers)):
            raise ModelError(f"a voice's state: {1 + 2 * size} finite numbers are needed, not {len(numbers)}")
        speech_s = float(numbers[0])
        mean, deviation = np.array(numbers[1 : 1 + size], np.float32), np.array(numbers[1 + size :], np.float32)
        if not (0 <= speech_s <= self._prior.memory_s and (deviation > 0).all()):
            raise ModelError("a voice's state: seconds or deviations out of range")
        self.speech_s, self._mean, self._deviation = speech_s, mean, deviation
        self._earlier = None

    @property
    def mean(self) -> FloatArray:
        """The mean of each feature, as known so far: float32 (n,), a copy."""
        return np.array(self._mean)

    def likeness(self, known: FloatArray) -> float:
        """How alike this stream's own speech is to other means, as a cosine.

        Long-term spectra are compared (the means of log-mel and MFCC, which come first), as they deviate from the prior's, in
        the prior's deviations. The prior's share in either mean does not count.

        Parameters
        ----------
        known : float32 (n,), ``mean`` of another stream

        Returns
        -------
        1: they deviate from the training speakers alike; 0: unrelated; -1: opposite. 1 where one does not deviate
        """
        at, deviation = self._spectrum, self._prior_deviation[self._spectrum]
        own, other = ((mean[at] - self._prior_mean[at]) / deviation for mean in (self._mean, known))
        length = math.sqrt(float(own @ own) * float(other @ other))
        return float(own @ other) / length if length > 0 else 1.0

    def normalise(self, features: FloatArray, hop_s: float) -> FloatArray:
        """Take a window of speech into the averages and return it relative to them.

        Parameters
        ----------
        features : float32, a window as the front end gives it
        hop_s : seconds since the last such window: the weight of this one

        Returns
        -------
        float32 of the same shape: statistics in deviations of the prior; log-mel in dB about 0 with a deviation of about
        ``DEVIATION_DB``, whatever the recording's level
        """
        self._earlier = self.speech_s, self._mean.copy(), self._deviation.copy()
        self.speech_s = min(self.speech_s + hop_s, self._prior.memory_s)
        return self._relative(features, np.float32(hop_s / (self._prior.prior_s + self.speech_s)))

    def undo(self) -> None:
        """Take the window of the last ``normalise`` out of the averages again: it held no speech after all."""
        if self._earlier is not None:
            self.speech_s, self._mean, self._deviation = self._earlier
            self._earlier = None

    def relative(self, features: FloatArray) -> FloatArray:
        """As ``normalise``, without updating the averages."""
        return self._relative(features, np.float32(0))

    def _relative(self, features: FloatArray, rate: np.float32) -> FloatArray:
        if self._recipe in STATISTICS:
            return self._statistics(features, rate)
        if self._recipe == "stacked":
            return self._log_mel(features, rate)
        log_mel = features[self._vector :].reshape(self._n_mels, -1)
        return np.concatenate((self._statistics(features[: self._vector], rate), self._log_mel(log_mel, rate).ravel()))

    def _statistics(self, vector: FloatArray, rate: np.float32) -> FloatArray:
        mean = self._mean[: self._vector]
        mean += rate * (vector - mean)
        return np.asarray((vector - mean) / self._prior_deviation[: self._vector], np.float32)

    def _log_mel(self, log_mel: FloatArray, rate: np.float32) -> FloatArray:
        mean, deviation = self._mean[self._vector :], self._deviation[self._vector :]
        level, own_mean, own_deviation = band_profile(log_mel, self._band, self._active_db)
        mean += rate * (own_mean - mean)
        deviation += rate * (own_deviation - deviation)
        relative: FloatArray = log_mel - (mean + level)[:, np.newaxis]
        relative *= (np.float32(DEVIATION_DB) / deviation)[:, np.newaxis]
        return relative


def speech_band(spec: FrontEndSpec) -> slice:
    """The mel bands whose centres lie in ``SPEECH_BAND_HZ``; at least one."""
    from realtime_ser.features.filters import mel_filters

    bank = mel_filters(spec.sample_rate, spec.n_fft, spec.n_mels, fmin=spec.fmin, fmax=spec.fmax)
    hz = np.linspace(0, spec.sample_rate / 2, bank.shape[1])
    centres = (bank @ hz) / np.maximum(bank.sum(axis=1), 1e-12)
    inside = np.flatnonzero((centres >= SPEECH_BAND_HZ[0]) & (centres <= SPEECH_BAND_HZ[1]))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, spec.n_mels)


def band_profile(log_mel: FloatArray, band: slice, active_db: float) -> tuple[np.float32, FloatArray, FloatArray]:
    """Level of a window's active frames, and each band's mean and deviation relative to it.

    Parameters
    ----------
    log_mel : float32 (n_mels, frames) in dB
    band : bands that give the level
    active_db : frames this far below the loudest do not count

    Returns
    -------
    level in dB, mean float32 (n_mels,) and deviation float32 (n_mels,) in dB
    """
    loudness = log_mel[band].mean(axis=0)
    share = (loudness > loudness.max() - np.float32(active_db)).astype(np.float32)
    share /= share.sum()
    level = np.float32(loudness @ share)
    mean = log_mel @ share
    deviation = log_mel - mean[:, np.newaxis]
    deviation *= deviation
    return level, mean - level, np.sqrt(deviation @ share)
