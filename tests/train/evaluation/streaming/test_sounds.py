"""What is no speech sounds as it is called, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from train.evaluation.streaming.sounds import SOUNDS, at_level, noise

RATE = 16_000


@pytest.mark.parametrize(("colour", "fall_db"), [("white", 0.0), ("pink", 3.0), ("brown", 6.0)])
def test_noise_falls_by_its_colour_in_each_octave(colour: str, fall_db: float) -> None:
    power = np.abs(np.fft.rfft(noise(colour, 20 * RATE, RATE, seed=0))) ** 2
    frequency = np.fft.rfftfreq(20 * RATE, 1 / RATE)
    low, high = (power[(frequency > f) & (frequency < 1.1 * f)].mean() for f in (500, 4000))
    assert 10 * np.log10(low / high) == pytest.approx(3 * fall_db, abs=1.0)


@pytest.mark.parametrize("name", SOUNDS)
def test_every_sound_is_finite_repeats_and_has_the_length_asked_for(name: str) -> None:
    for count in (RATE // 3, 3 * RATE + 17):
        one, same = (SOUNDS[name](count, RATE, seed=4) for _ in range(2))
        assert one.shape == (count,)
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, same)
        assert name == "silence" or np.any(one)


def test_a_level_is_kept_and_never_leaves_full_scale() -> None:
    signal = noise("pink", RATE, RATE, seed=0)
    soft = at_level(signal, -40)
    assert soft.dtype == np.float32
    assert 20 * np.log10(np.sqrt(np.mean(soft.astype(float) ** 2))) == pytest.approx(-40, abs=0.01)
    assert np.abs(at_level(signal, 10)).max() == 1.0
    assert not at_level(np.zeros(10), -20).any()
    assert len(at_level(np.zeros(0), -20)) == 0
