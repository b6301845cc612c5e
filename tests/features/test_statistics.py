"""The flatstats vector: what it must ignore, and its entries against plain NumPy."""

from __future__ import annotations

import numpy as np
from signals import harmonics, voice

from bundles import FRONT_ENDS, RATE
from realtime_ser.features.frames import FrameTransform
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.features.windows import FrontEnd

SPEC = FrontEndSpec(**FRONT_ENDS["flatstats"])
ROWS = SPEC.n_mels + SPEC.n_mfcc + 6
ORDERED = ROWS - SPEC.n_mels  # rows that have percentiles
PROSODY = 5 * ROWS + 3 * ORDERED
SIZE = PROSODY + 10


def vector(samples: np.ndarray, window_s: float = 2.0) -> np.ndarray:
    front_end = FrontEnd(SPEC, window_s)
    front_end.push(samples)
    return front_end.window()


def columns(samples: np.ndarray) -> np.ndarray:
    """The front end's own base columns: log-mel, MFCC, level, zero crossings, centroid, rolloff, voicing, flux, pitch."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, SPEC.n_fft)[:: SPEC.hop_length]
    transform = FrameTransform(SPEC)
    out = np.empty((transform.n_columns, len(frames)), np.float32)
    transform(frames, out)
    return out[: ROWS + 1].astype(np.float64)


def expected_vector(samples: np.ndarray) -> np.ndarray:
    """The documented layout, written out without regard to speed."""
    view = columns(samples)
    mels, mfccs = SPEC.n_mels, SPEC.n_mfcc
    level_row = mels + mfccs
    log_mel = view[:mels]
    assert (log_mel >= log_mel.max(axis=0) - SPEC.top_db - 1e-3).all()
    view[ROWS - 1] = np.concatenate(([0.0], np.maximum(np.diff(log_mel, axis=1), 0).mean(axis=0)))
    change = np.abs(view[:ROWS, 2:] - view[:ROWS, :-2])
    change = np.concatenate((np.zeros((ROWS, min(2, view.shape[1]))), change), axis=1)[:, : view.shape[1]]
    past = min(3, view.shape[1] - 1)
    view, change = view[:, past:], change[:, past:]
    level, voicing, pitch = view[level_row], view[level_row + 4], view[ROWS]
    active = level > level.max() - SPEC.active_db
    when = np.arange(len(level)) * SPEC.hop_length / SPEC.sample_rate
    chosen, changed = view[:ROWS, active], change[:, active]
    slope = np.polyfit(when[active], chosen.T, 1)[0] if active.sum() > 1 else np.zeros(ROWS)
    stats = np.stack((chosen.mean(axis=1), chosen.std(axis=1), changed.mean(axis=1), slope, np.sqrt((changed**2).mean(axis=1))))
    percentiles = np.percentile(chosen[mels:], (10, 50, 90), axis=1)
    offset = stats[0, :mels].mean()
    stats[0, :mels] -= offset
    stats[0, level_row] -= offset
    percentiles[:, level_row - mels] -= offset
    voiced = active & (voicing > 0.45)
    tail = np.zeros(10)
    if voiced.sum() >= 3:
        both = voiced[1:] & voiced[:-1]
        tail[:7] = [
            pitch[voiced].mean(),
            pitch[voiced].std(),
            *np.percentile(pitch[voiced], (10, 50, 90)),
            np.abs(np.diff(pitch))[both].mean() if both.any() else 0.0,
            np.polyfit(when[voiced], pitch[voiced], 1)[0],
        ]
    runs = np.count_nonzero(np.diff(np.concatenate(([False], voiced)).astype(int)) == 1)
    tail[7:] = [
        active.mean(),
        voiced.sum() / active.sum(),
        runs / (active.sum() * SPEC.hop_length / SPEC.sample_rate),
    ]
    return np.concatenate((stats.ravel(), percentiles.ravel(), tail))


def test_vector_is_what_its_layout_says() -> None:
    signals = {
        "voice": voice(RATE, 2.0),
        "steady tone": harmonics(RATE, 2.0, 150),
        "noise": np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32),
        "clamped": np.concatenate((np.zeros(RATE, np.float32), voice(RATE, 1.0))),
        "silence": np.zeros(2 * RATE, np.float32),
        "one frame": voice(RATE, SPEC.n_fft / RATE, seed=4) + harmonics(RATE, SPEC.n_fft / RATE, 150),
    }
    for name, samples in signals.items():
        used = samples[: SPEC.samples_in(SPEC.frames_in(2.0))]
        got, expected = vector(used), expected_vector(used)
        assert got.shape == (SIZE,) == expected.shape
        # Entries of one kind share a scale: hertz, decibels and shares stand side by side.
        kinds = [*range(0, 5 * ROWS, ROWS), 5 * ROWS, 5 * ROWS + ORDERED, 5 * ROWS + 2 * ORDERED]
        for start in kinds:
            length = ROWS if start < 5 * ROWS else ORDERED
            mine, theirs = got[start : start + length], expected[start : start + length]
            np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=5e-3, err_msg=f"{name}, entries from {start}")
        np.testing.assert_allclose(got[PROSODY:], expected[PROSODY:], rtol=1e-3, atol=1e-3, err_msg=name)


def test_gain_changes_nothing() -> None:
    samples = voice(RATE, 2.0)
    loud = vector(samples)
    for gain in (0.1, 0.5, 2.0):
        np.testing.assert_allclose(vector((gain * samples).astype(np.float32)), loud, rtol=2e-3, atol=0.02)


def test_surrounding_silence_hardly_changes_the_statistics() -> None:
    samples = voice(RATE, 1.5)
    padded = np.concatenate((samples, np.zeros(RATE // 2, np.float32)))
    alone, inside = vector(samples), vector(padded)
    # The share of active frames falls; the means over active frames stay within a few decibels (edge frames).
    assert inside[-3] < alone[-3]
    assert np.abs(inside[:64] - alone[:64]).max() < 3.0


def test_a_rising_pitch_has_a_rising_slope() -> None:
    t = np.arange(2 * RATE) / RATE
    octaves_per_s = 0.5
    phase = 2 * np.pi * 110 * (2 ** (octaves_per_s * t) - 1) / (octaves_per_s * np.log(2))
    glide = np.sum([np.sin(k * phase) / k for k in range(1, 10)], axis=0).astype(np.float32) * 0.1
    pitch = vector(glide)[PROSODY:]
    np.testing.assert_allclose(pitch[6], octaves_per_s, rtol=0.03)
    np.testing.assert_allclose(2 ** pitch[0], 110 * 2 ** (octaves_per_s * 1.0), rtol=0.03)
    np.testing.assert_allclose(vector(glide[::-1].copy())[PROSODY + 6], -octaves_per_s, rtol=0.03)
