"""The resampler: level, aliasing, delay, and that pieces make no difference."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_ser.audio.resample import Resampler
from realtime_ser.errors import SourceError

TARGET = 16_000
RATES = [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000]


def tone(frequency, rate, seconds=1.0, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def level_db(samples):
    middle = samples[len(samples) // 5 : -len(samples) // 5]
    return 20 * np.log10(np.sqrt(np.mean(np.square(middle, dtype=np.float64))) + 1e-12)


@pytest.mark.parametrize(
    ("rate", "frequency"),
    [(rate, frequency) for rate in RATES for frequency in (200, 1_000, 3_000, 7_000) if frequency < 0.42 * rate],
)
def test_a_tone_keeps_its_level_and_frequency(rate, frequency):
    given_tone = tone(frequency, rate)
    out = Resampler(rate, TARGET).push(given_tone, last=True)
    assert level_db(out) == pytest.approx(level_db(given_tone), abs=0.1)
    spectrum = np.abs(np.fft.rfft(out[: TARGET // 2] * np.hanning(TARGET // 2)))
    assert np.argmax(spectrum) * 2 == pytest.approx(frequency, abs=2)


@pytest.mark.parametrize(
    ("rate", "frequency"),
    [(rate, frequency) for rate in RATES for frequency in (9_000, 10_000, 15_000) if frequency < rate / 2],
)
def test_what_the_target_cannot_carry_is_removed(rate, frequency):
    out = Resampler(rate, TARGET).push(tone(frequency, rate), last=True)
    assert level_db(out) < -90


@settings(max_examples=40, deadline=None)
@given(rate=st.sampled_from(RATES), cuts=st.lists(st.integers(0, 20_000), max_size=12))
def test_pieces_give_what_the_whole_gives(rate, cuts):
    samples = np.random.default_rng(7).uniform(-1, 1, 20_000).astype(np.float32)
    whole = Resampler(rate, TARGET).push(samples, last=True)
    resampler = Resampler(rate, TARGET)
    edges = [0, *sorted(cuts), len(samples)]
    pieces = [resampler.push(samples[a:b]) for a, b in itertools.pairwise(edges)]
    pieces.append(resampler.push(samples[:0], last=True))
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-5, rtol=0)
    assert abs(len(whole) - len(samples) * TARGET / rate) <= 1


@pytest.mark.parametrize(("rate", "bound_ms"), [(44_100, 14), (48_000, 14), (96_000, 15), (192_000, 15)])
def test_the_delay_is_short_in_every_block(rate, bound_ms):
    resampler = Resampler(rate, TARGET)
    block = np.zeros(rate // 50, dtype=np.float32)
    lags = []
    for _ in range(100):
        resampler.push(block)
        lags.append(resampler.lag_s * 1000)
    assert max(lags) < bound_ms


def test_time_is_kept_to_a_fraction_of_a_millisecond():
    rate = 48_000
    seconds = np.arange(rate) / rate
    bump = np.exp(-(((seconds - 0.5) / 0.0008) ** 2)).astype(np.float32)
    out = Resampler(rate, TARGET).push(bump, last=True)
    centre_s = float((np.arange(len(out)) / TARGET * out).sum() / out.sum())
    assert centre_s == pytest.approx(0.5, abs=0.0002)


def test_equal_rates_pass_through_untouched():
    samples = tone(440, TARGET)
    out = Resampler(TARGET, TARGET).push(samples)
    assert out is samples


def test_reset_forgets_everything():
    samples = tone(440, 48_000)
    resampler = Resampler(48_000, TARGET)
    first = resampler.push(samples, last=True)
    resampler.reset()
    assert resampler.lag_s == 0
    np.testing.assert_array_equal(resampler.push(samples, last=True), first)


def test_an_odd_ratio_does_not_drift():
    resampler = Resampler(44_100, TARGET)
    seconds = 60
    block = np.zeros(44_100, dtype=np.float32)
    produced = sum(len(resampler.push(block)) for _ in range(seconds)) + len(resampler.push(block[:0], last=True))
    assert abs(produced - seconds * TARGET) <= 1


@pytest.mark.parametrize("rate", [0, -16_000, 999, 1_000_000, 2**31, 16_000.5, float("nan"), float("inf"), True, "fast", None])
def test_rates_that_make_no_sense_are_refused(rate):
    with pytest.raises(SourceError, match="Hz"):
        Resampler(rate, TARGET)
    with pytest.raises(SourceError, match="Hz"):
        Resampler(TARGET, rate)
