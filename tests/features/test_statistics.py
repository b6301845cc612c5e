"""The flatstats vector: what it must ignore, and its entries against plain NumPy."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from signals import harmonics, voice

from bundles import FRONT_ENDS, RATE
from realtime_ser.features.frames import FrameTransform
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.prosody import rhythm, swings
from realtime_ser.features.spec import FrontEndSpec

SPEC = FrontEndSpec(**FRONT_ENDS["flatstats"], frame_db=45.0)
ROWS = SPEC.n_mels + SPEC.n_mfcc + 6
LEVEL = SPEC.n_mels + SPEC.n_mfcc
FRAME_S = SPEC.hop_length / SPEC.sample_rate
# Where each kind of entry begins; entries of one kind share a scale: hertz, decibels and shares stand side by side.
KINDS = {
    **{name: i * ROWS for i, name in enumerate(("mean", "deviation", "change", "slope", "root mean square change", "loud"))},
    **{name: (6 + i) * ROWS for i, name in enumerate(("curvature", "10th", "50th", "90th"))},
    "voiced": 10 * ROWS,
    "unvoiced": 10 * ROWS + SPEC.n_mels,
    "swings": 10 * ROWS + 2 * SPEC.n_mels,
    "pitch": 10 * ROWS + 2 * SPEC.n_mels + 30,
    "rhythm": 10 * ROWS + 2 * SPEC.n_mels + 47,
}
SIZE = KINDS["rhythm"] + 11


def vector(samples: np.ndarray, window_s: float = 2.0, spec: FrontEndSpec = SPEC) -> np.ndarray:
    front_end = FrontEnd(spec, window_s)
    front_end.push(samples)
    return front_end.window()


def columns(samples: np.ndarray) -> np.ndarray:
    """The front end's own base columns: log-mel, MFCC, level, zero crossings, centroid, rolloff, voicing, flux, pitch."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, SPEC.n_fft)[:: SPEC.hop_length]
    transform = FrameTransform(SPEC)
    out = np.empty((transform.n_columns, len(frames)), np.float32)
    transform(frames, out)
    return out[: ROWS + 1].astype(np.float64)


def runs_of(flags: np.ndarray) -> list[int]:
    return [len(list(group)) for value, group in itertools.groupby(flags) if value]


def expected_vector(samples: np.ndarray) -> dict[str, np.ndarray]:
    """The documented layout, written out without regard to speed."""
    view = columns(samples)
    mels = SPEC.n_mels
    log_mel = view[:mels]
    assert (log_mel >= log_mel.max(axis=0) - SPEC.frame_db - 1e-3).all()
    view[ROWS - 1] = np.concatenate(([0.0], np.maximum(np.diff(log_mel, axis=1), 0).mean(axis=0)))
    change = np.abs(view[:ROWS, 2:] - view[:ROWS, :-2])
    change = np.concatenate((np.zeros((ROWS, min(2, view.shape[1]))), change), axis=1)[:, : view.shape[1]]
    past = min(3, view.shape[1] - 1)
    view, change = view[:, past:], change[:, past:]
    level = view[LEVEL]
    active = level > level.max() - SPEC.active_db
    voiced = active & (view[LEVEL + 4] > 0.45)
    when = np.arange(len(level)) * FRAME_S
    chosen, changed = view[:ROWS, active], change[:, active]
    found = {
        "mean": chosen.mean(axis=1),
        "deviation": chosen.std(axis=1),
        "change": changed.mean(axis=1),
        "slope": np.polyfit(when[active], chosen.T, 1)[0] if active.sum() > 1 else np.zeros(ROWS),
        "root mean square change": np.sqrt((changed**2).mean(axis=1)),
        "loud": view[:ROWS, level > level.max() - 12].mean(axis=1),
        "curvature": np.polyfit(when[active], chosen.T, 2)[0] if active.sum() > 2 else np.zeros(ROWS),
    }
    found |= dict(zip(("10th", "50th", "90th"), np.percentile(chosen, (10, 50, 90), axis=1), strict=True))
    offset = found["mean"][:mels].mean()
    for name in ("mean", "loud", "10th", "50th", "90th"):
        found[name][:mels] -= offset
        found[name][LEVEL] -= offset
    for name, which in (("voiced", voiced), ("unvoiced", active & ~voiced)):
        found[name] = log_mel[:, past:][:, which].mean(axis=1) - offset if which.sum() >= 3 else np.zeros(mels)
    found["swings"] = expected_swings(view, active)
    found["pitch"] = expected_pitch(view[ROWS], view[LEVEL + 4], level, voiced, when)
    found["rhythm"] = expected_rhythm(level, active, voiced)
    return found


def expected_swings(view: np.ndarray, active: np.ndarray) -> np.ndarray:
    level = view[LEVEL]
    rows = [np.maximum(level, level.max() - SPEC.active_db), *view[SPEC.n_mels : SPEC.n_mels + 4], view[LEVEL + 2]]
    hz = np.arange(129) / 256 / FRAME_S
    found = []
    for low, high in ((0.5, 2), (2, 4), (4, 8), (8, 16), (16, 32)):
        for row in rows:
            swing = np.where(active, row - row[active].mean(), 0.0)
            power = np.abs(np.fft.fft(np.concatenate((swing, np.zeros(256 - len(swing)))))[:129]) ** 2
            found.append(np.log(power[(hz >= low) & (hz < high)].mean() / active.sum() + 1e-6))
    return np.array(found)


def expected_pitch(
    pitch: np.ndarray, voicing: np.ndarray, level: np.ndarray, voiced: np.ndarray, when: np.ndarray
) -> np.ndarray:
    if voiced.sum() < 3:
        return np.zeros(17)
    octaves, where = pitch[voiced], np.flatnonzero(voiced)
    steps = np.diff(octaves)[np.diff(where) == 1]
    quarter = max(1, len(octaves) // 4)
    loudest = level[voiced] > level[voiced].max() - 6
    flat = octaves.std() * level[voiced].std() < 1e-4
    return np.array(
        [
            octaves.mean(),
            octaves.std(),
            *np.percentile(octaves, (10, 50, 90)),
            np.abs(steps).mean() if len(steps) else 0.0,
            np.polyfit(when[voiced], octaves, 1)[0],
            np.percentile(octaves, 97) - np.percentile(octaves, 3),
            steps.std() if len(steps) else 0.0,
            (steps > 0.02).mean() if len(steps) else 0.0,
            (steps < -0.02).mean() if len(steps) else 0.0,
            np.abs(np.diff(steps)).mean() if len(steps) > 1 else 0.0,
            0.0 if flat else np.corrcoef(octaves, level[voiced])[0, 1],
            octaves[-quarter:].mean() - octaves[:quarter].mean(),
            octaves[loudest].mean() - octaves.mean(),
            voicing[voiced].mean(),
            voicing[voiced].std(),
        ]
    )


def expected_rhythm(level: np.ndarray, active: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    seconds = active.sum() * FRAME_S
    height = np.maximum(level - level.max() + SPEC.active_db, 0)
    padded = np.concatenate((np.zeros(2), height, np.zeros(2)))
    smooth = np.array([padded[i : i + 5].mean() for i in range(len(height))])
    tops = [i for i in range(1, len(smooth) - 1) if smooth[i - 1] < smooth[i] >= smooth[i + 1]]
    tops = [i for i in tops if smooth[i] > SPEC.active_db - 25]
    valleys = [min(smooth[a], smooth[b]) - smooth[a:b].min() for a, b in itertools.pairwise(tops)]
    spoken = np.array(runs_of(voiced)) * FRAME_S
    between = np.trim_zeros(active)
    pauses = np.array(runs_of(~between)) * FRAME_S
    return np.array(
        [
            active.mean(),
            voiced.sum() / active.sum(),
            len(spoken) / seconds,
            len(tops) / seconds,
            smooth[tops].std() if len(tops) > 1 else 0.0,
            np.mean(valleys) if valleys else 0.0,
            *((spoken.mean(), spoken.max(), spoken.std()) if len(spoken) else (0.0, 0.0, 0.0)),
            *((pauses.sum() / FRAME_S / len(between), pauses.max()) if len(pauses) else (0.0, 0.0)),
        ]
    )


@pytest.mark.slow
def test_vector_is_what_its_layout_says() -> None:
    signals = {
        "voice": voice(RATE, 2.0),
        "another voice": voice(RATE, 2.0, seed=3)[::-1].copy(),
        "steady tone": harmonics(RATE, 2.0, 150),
        "noise": np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32),
        "clamped": np.concatenate((np.zeros(RATE, np.float32), voice(RATE, 1.0))),
        "silence": np.zeros(2 * RATE, np.float32),
        "one frame": voice(RATE, SPEC.n_fft / RATE, seed=4) + harmonics(RATE, SPEC.n_fft / RATE, 150),
    }
    for name, samples in signals.items():
        used = samples[: SPEC.samples_in(SPEC.frames_in(2.0))]
        got, expected = vector(used), expected_vector(used)
        assert got.shape == (SIZE,)
        assert list(expected) == list(KINDS)
        for kind, start in KINDS.items():
            mine, theirs = got[start : start + len(expected[kind])], expected[kind]
            np.testing.assert_allclose(mine, theirs, rtol=3e-3, atol=8e-3, err_msg=f"{name}, {kind}")


def test_rhythm_of_fewer_frames_than_its_smoothing() -> None:
    for count in (2, 3, 4):
        level = np.array([-30.0, -20.0, -40.0, -25.0], np.float32)[:count]
        spoken, voiced = level > level.max() - SPEC.active_db, level > -35
        got = rhythm(level, spoken, voiced, np.float32(SPEC.active_db), FRAME_S)
        np.testing.assert_allclose(got, expected_rhythm(level.astype(np.float64), spoken, voiced), rtol=1e-4, atol=1e-4)


def test_a_coarse_frame_rate_has_no_fast_swings() -> None:
    slow = swings(np.random.default_rng(0).normal(size=(2, 60)).astype(np.float32), np.full(60, 1 / 60, np.float32), 1 / 24)
    assert np.isfinite(slow).all()
    np.testing.assert_allclose(slow[-2:], np.log(1e-6), rtol=1e-5)


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
    assert inside[KINDS["rhythm"]] < alone[KINDS["rhythm"]]
    assert np.abs(inside[:64] - alone[:64]).max() < 3.0


def test_an_empty_band_says_little_more_than_a_weak_one() -> None:
    samples = voice(RATE, 2.0) + np.random.default_rng(0).normal(0, 1e-3, 2 * RATE).astype(np.float32)
    spectrum = np.fft.rfft(samples)
    spectrum[len(spectrum) * 11 // 16 :] = 0  # a headset that ends at 5.5 kHz
    narrow = np.fft.irfft(spectrum, len(samples)).astype(np.float32)
    empty = slice(SPEC.n_mels - 8, SPEC.n_mels)
    moved = {}
    for frame_db in (45.0, 80.0):
        spec = replace(SPEC, frame_db=frame_db)
        moved[frame_db] = np.abs(vector(narrow, spec=spec) - vector(samples, spec=spec))[empty].max()
    assert moved[45.0] < 20 < moved[80.0] - 10


def test_a_rising_pitch_has_a_rising_slope() -> None:
    t = np.arange(2 * RATE) / RATE
    octaves_per_s = 0.5
    phase = 2 * np.pi * 110 * (2 ** (octaves_per_s * t) - 1) / (octaves_per_s * np.log(2))
    glide = np.sum([np.sin(k * phase) / k for k in range(1, 10)], axis=0).astype(np.float32) * 0.1
    pitch = vector(glide)[KINDS["pitch"] :]
    np.testing.assert_allclose(pitch[6], octaves_per_s, rtol=0.03)
    np.testing.assert_allclose(2 ** pitch[0], 110 * 2 ** (octaves_per_s * 1.0), rtol=0.03)
    np.testing.assert_allclose(vector(glide[::-1].copy())[KINDS["pitch"] + 6], -octaves_per_s, rtol=0.03)
