"""Augmentation of a batch of log-mel, drawn anew in every epoch: microphones, voices, noise, and SpecAugment.

The level is not changed, because the networks remove it. Mixup belongs to ``networks.loss``.
"""

from __future__ import annotations

import math

import torch

from train.recipe import Masking

VOICES = 6  # of a babble


def channel_batch(log_mel: torch.Tensor, masking: Masking, generator: torch.Generator) -> torch.Tensor:
    """Simulate another microphone, room and vocal tract for each window of a batch.

    Babble of other windows, a tilt and a bend of the spectrum, a warp of the mel axis (vocal tract length),
    noise added as power, a band limit.

    Parameters
    ----------
    log_mel : float32 (batch, n_mels, frames) in dB

    Returns
    -------
    a new tensor of that shape
    """
    batch, bands, frames = log_mel.shape

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    if masking.babble_probability:
        log_mel = _babble(log_mel, masking, generator)
    # Warp the mel axis linearly: source position of each band.
    axis = torch.arange(bands, dtype=torch.float32)
    shift = (uniform(batch, 1) * 2 - 1) * masking.shift_bands
    position = (axis + shift * (axis / bands + 0.25)).clamp(0, bands - 1)
    # Linear interpolation as one product: weights fall linearly with the distance, to zero at one band.
    x = torch.bmm((1 - (position[:, :, None] - axis).abs()).clamp(min=0), log_mel)

    unit = torch.linspace(-1, 1, bands)
    curve = (uniform(batch, 1) * 2 - 1) * unit + (uniform(batch, 1) * 2 - 1) * (unit**2 - 1 / 3)
    curve = curve + (uniform(batch, 1) * 2 - 1) * torch.sin(unit * 5 + uniform(batch, 1) * 6.3)
    x = x + (curve * masking.tilt_db)[:, :, None]

    noisy = uniform(batch) < masking.noise_probability
    if bool(noisy.any()):
        low_db, high_db = masking.noise_db
        peak = x[noisy].amax((1, 2), keepdim=True)
        level = peak + low_db + uniform(int(noisy.sum()), 1, 1) * (high_db - low_db)
        slope = (uniform(int(noisy.sum()), 1, 1) * 2 - 1) * 10 * unit[None, :, None]
        # A band's power in one frame of noise is about exponentially distributed; a band sums a few bins.
        flutter = 10 * torch.log10(-torch.log(uniform(int(noisy.sum()), bands, frames).clamp(1e-4, 0.9999)))
        noise = level + slope + 0.6 * flutter
        x[noisy] = 10 * torch.log10(_power(x[noisy]) + _power(noise))

    if masking.limit_probability:
        limited = uniform(batch) < masking.limit_probability
        # Attenuate above 2.5 to 8 kHz and, for half of them, below 100 to 400 Hz.
        top = bands * (0.55 + 0.45 * uniform(batch, 1))
        bottom = bands * 0.12 * uniform(batch, 1) * (uniform(batch, 1) < 0.5)
        beyond = (axis - top).clamp(min=0) + (bottom - axis).clamp(min=0)
        x = x - (beyond * 20).clamp(max=70)[:, :, None] * limited[:, None, None]
    return x


def _babble(log_mel: torch.Tensor, masking: Masking, generator: torch.Generator) -> torch.Tensor:
    """Add six other windows of the batch as babble to some windows; powers add, because the phases of different voices are
    unrelated."""
    talked = torch.rand(len(log_mel), generator=generator) < masking.babble_probability
    count = int(talked.sum())
    if not count:
        return log_mel
    power = _power(log_mel)
    voices = torch.randint(len(log_mel), (count, VOICES), generator=generator)
    crowd = power[voices].mean(1)
    low_db, high_db = masking.babble_snr_db
    snr_db = low_db + torch.rand(count, 1, 1, generator=generator) * (high_db - low_db)
    own = power[talked]
    gain = own.mean((1, 2), keepdim=True) / crowd.mean((1, 2), keepdim=True) * 10 ** (-snr_db / 10)
    mixed = log_mel.clone()
    mixed[talked] = 10 * torch.log10(own + gain * crowd)
    return mixed


def _power(decibels: torch.Tensor) -> torch.Tensor:
    """10 ** (decibels / 10), by the exponential, which is twice as fast."""
    return torch.exp(decibels * (math.log(10) / 10))


def mask_batch(x: torch.Tensor, masking: Masking, generator: torch.Generator) -> torch.Tensor:
    """SpecAugment masks (Park et al. 2019, https://arxiv.org/abs/1904.08779) filled with the window's mean.

    Parameters
    ----------
    x : float32 (batch, n_mels, frames)

    Returns
    -------
    a new tensor of that shape
    """
    batch, bands, frames = x.shape

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    fill = x.mean((1, 2), keepdim=True)
    hidden = torch.zeros(batch, bands, frames, dtype=torch.bool)
    times, every = torch.arange(frames)[None], torch.arange(bands, dtype=torch.float32)[None]
    for _ in range(masking.time_masks):
        width = uniform(batch, 1) * min(masking.time_width, frames // 5)
        start = uniform(batch, 1) * (frames - width)
        hidden |= ((times >= start) & (times < start + width))[:, None, :]
    for _ in range(masking.band_masks):
        width = uniform(batch, 1) * masking.band_width
        start = uniform(batch, 1) * (bands - width)
        hidden |= ((every >= start) & (every < start + width))[:, :, None]
    return torch.where(hidden, fill, x)
