"""The high-pass: SciPy's numbers, in pieces of any size, at every rate, for hours, and nearly for free."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from realtime_ser.audio.high_pass import HighPass, design, high_passed
from realtime_ser.errors import SourceError

RATES = (8000, 16_000, 22_050, 44_100, 48_000)


def by_scipy(samples: np.ndarray, rate: int) -> np.ndarray:
    sos = signal.cheby2(11, 70, 60, "high", fs=rate, output="sos")
    out, _ = signal.sosfilt(sos, samples.astype(float), zi=signal.sosfilt_zi(sos) * samples[0])
    return out


def noise(seconds: float, rate: int, *, offset: float = 0.0, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)) + offset).astype(np.float32)


def ordered(roots: np.ndarray) -> np.ndarray:
    return np.array(sorted(roots, key=lambda root: (round(root.imag, 9), round(root.real, 9))))


@pytest.mark.parametrize("rate", RATES)
def test_the_design_is_scipys(rate: int) -> None:
    zeros, poles, gain = design(rate)
    expected_zeros, expected_poles, expected_gain = signal.cheby2(11, 70, 60, "high", fs=rate, output="zpk")
    np.testing.assert_allclose(ordered(zeros), ordered(expected_zeros), atol=1e-9)
    np.testing.assert_allclose(ordered(poles), ordered(expected_poles), atol=1e-9)
    assert gain == pytest.approx(expected_gain, abs=1e-9)


@pytest.mark.parametrize("rate", RATES)
def test_the_output_is_scipys(rate: int) -> None:
    samples = noise(5.3, rate, offset=0.3)
    np.testing.assert_allclose(high_passed(samples, rate), by_scipy(samples, rate), atol=1e-7)


@given(data=st.data())
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_pieces_of_any_size_equal_the_whole(rate: int, data: st.DataObject) -> None:
    samples = noise(0.7, rate, offset=-0.2)
    cuts = data.draw(st.lists(st.integers(0, len(samples)), max_size=60))
    regular = data.draw(st.sampled_from([0, 1, 79, 80, 81, 320, 4000, 4001]))
    cuts += list(range(0, len(samples) if regular > 1 else 200, regular)) if regular else []
    filtered = HighPass(rate)
    got = np.concatenate([filtered.push(samples[a:b]) for a, b in pairwise([0, *sorted(cuts), len(samples)])])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, high_passed(samples, rate), atol=1e-7)


def test_ten_minutes_go_no_further_astray_than_a_second() -> None:
    rate, minute = 16_000, 60 * 16_000
    sos = signal.cheby2(11, 70, 60, "high", fs=rate, output="sos")
    state, filtered, worst = None, HighPass(rate), 0.0
    for index in range(10):
        samples = noise(60, rate, offset=0.5, seed=index % 3)
        assert len(samples) == minute
        if state is None:
            state = signal.sosfilt_zi(sos) * samples[0]
        expected, state = signal.sosfilt(sos, samples.astype(float), zi=state)
        worst = max(worst, float(np.abs(filtered.push(samples) - expected).max()))
    assert worst < 1e-6


def test_a_dc_offset_makes_no_step() -> None:
    assert np.abs(high_passed(np.full(16_000, 0.5, np.float32), 16_000)).max() < 1e-9


def test_what_no_voice_makes_is_gone_and_a_voice_stays() -> None:
    seconds = np.arange(2 * 16_000) / 16_000
    limits = ((20, -120, -70), (50, -90, -70), (60, -90, -69), (85, -0.7, 0), (100, -0.1, 0.1), (200, -0.1, 0.1))
    for hz, least_db, most_db in limits:
        out = high_passed(np.sin(2 * np.pi * hz * seconds).astype(np.float32), 16_000)[16_000:]
        assert least_db <= 10 * np.log10(2 * np.mean(out.astype(float) ** 2)) <= most_db, f"{hz} Hz"


def test_reset_equals_new_and_the_input_stays_as_it_is() -> None:
    samples = noise(0.3, 16_000, offset=0.1)
    before = samples.copy()
    filtered = HighPass(16_000)
    filtered.push(samples[::-1].copy())
    filtered.reset()
    np.testing.assert_array_equal(filtered.push(samples), high_passed(samples, 16_000))
    np.testing.assert_array_equal(samples, before)
    assert len(filtered.push(samples[:0])) == 0


def test_silence_after_a_voice_becomes_exact_and_costs_no_more() -> None:
    """Denormal numbers would make it slow."""
    filtered = HighPass(16_000)
    filtered.push(noise(1, 16_000))
    silence = np.zeros(16_000, np.float32)
    for _ in range(10):
        out = filtered.push(silence)
    assert not out.any()


@pytest.mark.parametrize(("samples", "limit_us"), [(4000, 50), (320, 50)])
def test_a_hop_is_cheap(samples: int, limit_us: float) -> None:
    filtered, hop, times = HighPass(16_000), noise(samples / 16_000, 16_000), []
    for _ in range(300):
        started = time.perf_counter()
        filtered.push(hop)
        times.append(time.perf_counter() - started)
    # The quickest tenth: other programs run on the machine too. Twice the limit, for older ones.
    assert 1e6 * np.quantile(times, 0.1) < 2 * limit_us


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(SourceError, match="high-pass"):
        HighPass(0)


def test_ringing_in_digital_silence_is_silence() -> None:
    """A resampler leaves samples of 1e-20, whose power is a denormal number: networks become many times slower."""
    ringing = np.float32(1e-20) * noise(1, 16_000)
    voice = noise(1, 16_000)
    out = high_passed(np.concatenate((voice, ringing, voice)), 16_000)
    inside = out[16_000 + 8000 : 32_000]
    assert np.any(ringing[8000:])
    assert not np.any(inside)
    power = out.astype(np.float32) ** 2
    assert not np.any((power > 0) & (power < np.finfo(np.float32).tiny))
    # What is above -200 dBFS stays.
    assert np.any(high_passed(np.float32(1e-8) * voice, 16_000)[8000:])
