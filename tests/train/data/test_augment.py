"""Versions of a clip have the effects of their settings and no others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from realtime_ser.features.spec import FrontEndSpec
from train.data.augment import PLAIN, Variant, vary

RATE = FrontEndSpec("stacked").sample_rate


def level_db(samples: npt.NDArray[np.float32], low_hz: float, high_hz: float) -> float:
    """Mean power of the bins from ``low_hz`` to ``high_hz``."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].mean() + 1e-12))


def test_a_variant_keeps_speech_where_it_is() -> None:
    t = np.arange(2 * RATE) / RATE
    samples = np.where(t > 1.0, np.sin(2 * np.pi * 200 * t), 0).astype(np.float32)
    speech = np.repeat([False, True], 31)
    slow, activity = vary(samples, speech, Variant("slow", speed=0.8), RATE, seed=0)
    assert abs(len(slow) - 2.5 * RATE) <= 1
    assert abs(int(np.argmax(activity)) / len(activity) - 0.5) < 0.02
    spectrum = np.abs(np.fft.rfft(slow[-RATE:]))
    assert int(np.argmax(spectrum)) == 160


def test_noise_lies_as_far_below_the_voice_as_asked_and_plain_is_plain() -> None:
    voice = np.sin(np.arange(RATE) * 0.1).astype(np.float32)
    noisy, _ = vary(voice, np.ones(31, bool), Variant("noisy", snr_db=(20.0, 20.0)), RATE, seed=1)
    noise = noisy - voice
    assert abs(10 * np.log10(np.mean(voice**2) / np.mean(noise**2)) - 20) < 0.1
    plain, _ = vary(voice, np.ones(31, bool), PLAIN, RATE, seed=1)
    assert np.array_equal(plain, voice)


def test_a_room_and_an_equaliser_keep_the_length_and_stay_finite() -> None:
    voice = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    changed, _ = vary(voice, np.ones(31, bool), Variant("room", eq_db=6, reverb_s=0.5), RATE, seed=1)
    assert changed.shape == voice.shape
    assert bool(np.isfinite(changed).all())
    assert 0.3 < float(np.std(changed) / np.std(voice)) < 3


@pytest.mark.slow
def test_a_line_takes_all_that_lies_outside_its_band_and_nothing_inside() -> None:
    white = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    bands = set()
    for speaker in range(40):
        heard, _ = vary(white, np.ones(62, bool), Variant("line", line=True, seed=10), RATE, seed=1, channel=speaker)
        assert abs(level_db(heard, 700, 2500) - level_db(white, 700, 2500)) < 0.01
        top = max(hz for hz in range(2500, 8000, 100) if level_db(heard, hz, hz + 100) > level_db(white, hz, hz + 100) - 6)
        bottom = level_db(heard, 100, 230) < level_db(white, 100, 230) - 40
        bands.add((top, bottom))
        if top < 5000:  # an octave's sixth beyond the edge little is left
            assert level_db(heard, 1.2 * top + 200, 8000) < level_db(white, 1.2 * top + 200, 8000) - 60
    telephones = [band for band in bands if band == (3300, True)]
    assert telephones
    assert len(bands) > 5  # and headsets of many kinds


def test_a_speaker_keeps_the_line_from_clip_to_clip() -> None:
    rng = np.random.default_rng(0)
    line = Variant("line", line=True, seed=10)
    for speaker in range(10):
        heard = [
            vary(rng.normal(0, 0.1, RATE).astype(np.float32), np.ones(31, bool), line, RATE, seed=clip, channel=speaker)[0]
            for clip in range(2)
        ]
        shapes = [
            np.array([level_db(h, hz, hz + 200) for hz in range(0, 8000, 200)]) > level_db(h, 700, 2500) - 20 for h in heard
        ]
        assert np.array_equal(*shapes)


def test_other_people_talk_as_far_below_the_voice_as_asked_all_the_time_and_in_other_voices() -> None:
    t = np.arange(RATE) / RATE
    silence = np.zeros(RATE // 2, np.float32)
    talkers = [
        np.concatenate((silence, np.sin(2 * np.pi * hz * t).astype(np.float32), silence)) for hz in (1000.0, 3000.0, 5000.0)
    ]
    voice = np.sin(2 * np.pi * 200 * np.arange(3 * RATE) / RATE).astype(np.float32)
    babble = Variant("babble", babble_db=(12.0, 12.0))
    heard, _ = vary(voice, np.ones(93, bool), babble, RATE, seed=1, talkers=talkers)
    behind = heard - voice
    assert abs(10 * np.log10(np.mean(voice**2) / np.mean(behind**2)) - 12) < 0.1
    # Their own silence is left out: somebody talks at every moment.
    assert min(np.std(part) for part in np.split(behind, 30)) > 0.5 * np.std(behind)
    spectrum = np.abs(np.fft.rfft(behind))
    tones = [int(np.argmax(spectrum[low * 3 : high * 3])) / 3 + low for low, high in ((700, 1400), (2200, 4100), (4100, 7000))]
    for tone, own in zip(tones, (1000, 3000, 5000), strict=True):
        assert 0.7 * own < tone < 1.4 * own
        assert abs(tone - own) > 5
    other, _ = vary(voice, np.ones(93, bool), babble, RATE, seed=2, talkers=talkers)
    assert not np.allclose(other, heard)


def test_where_nobody_can_talk_behind_a_voice_it_stays_alone() -> None:
    voice = np.sin(np.arange(RATE) * 0.1).astype(np.float32)
    for talkers in ([], [np.zeros(RATE, np.float32)], [np.zeros(0, np.float32)]):
        heard, _ = vary(voice, np.ones(31, bool), Variant("babble", babble_db=(5.0, 5.0)), RATE, seed=1, talkers=talkers)
        assert np.array_equal(heard, voice)


def test_what_a_variant_is_called_in_the_cache_did_not_change_when_lines_and_talkers_came() -> None:
    assert not {"line", "babble_db"} & set(Variant("phone", phone=True).as_dict())
    assert Variant("line", line=True).as_dict() != Variant("line").as_dict()
    assert Variant("babble", babble_db=(5.0, 25.0)).as_dict() != Variant("babble").as_dict()
