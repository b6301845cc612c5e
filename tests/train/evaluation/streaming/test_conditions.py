"""What stands between a voice and the model does what its name says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from synthetic_rows import made_rows

from train.data.features import read_clip
from train.data.manifest import Row
from train.evaluation.streaming import conditions as bad
from train.evaluation.streaming.conversation import voiced_span

RATE = 16_000


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return [row for name in "abc" for row in made_rows(tmp_path, emotions=("happy",), each=2, speaker=name)]


def share_above(samples: np.ndarray, rate: int, hz: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[np.fft.rfftfreq(len(samples), 1 / rate) > hz].sum() / power.sum())


def test_gain_clips_at_full_scale_and_rounds_to_sixteen_bits(tmp_path: Path, rows: list[Row]) -> None:
    clip = read_clip(tmp_path / rows[0].path, RATE)
    loud, rate = bad.gained(clip, RATE, rows[0], db=40)
    assert rate == RATE
    assert np.abs(loud).max() <= 1.0
    assert np.mean(np.abs(loud) > 0.99) > 0.1
    soft, _ = bad.gained(clip, RATE, rows[0], db=-20)
    np.testing.assert_allclose(soft, clip / 10, atol=0.6 / 32768)
    np.testing.assert_array_equal(soft * 32768, np.round(soft * 32768))


@pytest.mark.parametrize("snr_db", [0, 10, 30])
def test_noise_lies_that_far_below_the_voice(tmp_path: Path, rows: list[Row], snr_db: float) -> None:
    clip = read_clip(tmp_path / rows[0].path, RATE)
    first, last = voiced_span(clip, RATE)
    for worse, _ in (
        bad.noisy(clip, RATE, rows[0], colour="white", snr_db=snr_db),
        bad.babbled(clip, RATE, rows[0], talk=bad.Babble(tmp_path, rows), snr_db=snr_db),
    ):
        added = (worse - clip).astype(float)
        voice = np.mean(clip[first:last].astype(float) ** 2)
        assert 10 * np.log10(voice / np.mean(added**2)) == pytest.approx(snr_db, abs=0.1)


def test_babble_leaves_out_the_speaker_and_differs_between_clips(tmp_path: Path, rows: list[Row]) -> None:
    talk = bad.Babble(tmp_path, rows)
    own = [row for row in rows if row.speaker == "a"]
    for row in rows:
        if row.speaker == "a":
            (tmp_path / row.path).unlink()  # would fail if it were read
    one, other = (talk(RATE, RATE, row) for row in own)
    assert np.sqrt(np.mean(one**2)) == pytest.approx(1)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, talk(RATE, RATE, own[0]))


def test_a_telephone_has_no_treble_and_no_bass_and_half_the_rate(rows: list[Row]) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    heard, rate = bad.banded(hiss, RATE, rows[0], low_hz=300, high_hz=3400, to_rate=8000)
    assert (rate, len(heard)) == (8000, RATE // 2)
    assert share_above(heard, rate, 3700) < 0.001
    assert 1 - share_above(heard, rate, 250) < 0.001
    assert share_above(heard, rate, 400) > 0.9


@pytest.mark.parametrize(
    ("format", "subtype", "rate"),
    [("WAV", "ULAW", 8000), ("WAV", "GSM610", 8000), ("MP3", "MPEG_LAYER_III", RATE), ("OGG", "OPUS", RATE)],
)
def test_coding_keeps_the_voice_but_not_its_samples(
    tmp_path: Path, rows: list[Row], format: str, subtype: str, rate: int
) -> None:
    if subtype not in soundfile.available_subtypes(format):
        pytest.skip(f"this libsndfile writes no {subtype}")
    clip = read_clip(tmp_path / rows[0].path, RATE)
    heard, got = bad.coded(clip, RATE, rows[0], format=format, subtype=subtype, to_rate=rate)
    assert got == rate
    assert len(heard) / got == pytest.approx(len(clip) / RATE, abs=0.15)
    if rate == 8000:
        clip, _ = bad.banded(clip, RATE, rows[0], low_hz=300, high_hz=3400, to_rate=rate)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(np.mean(clip**2)), rel=0.2)


def test_a_room_rings_after_the_sound_and_keeps_the_level(rows: list[Row]) -> None:
    click = np.zeros(2 * RATE, np.float32)
    click[RATE // 2] = 1.0
    heard, _ = bad.roomy(click, RATE, rows[0], rt60_s=0.4)
    assert np.sum(heard**2) == pytest.approx(1.0, rel=1e-3)
    power = heard.astype(float) ** 2
    early, late = (power[RATE // 2 + round(t * RATE) :][: RATE // 20].sum() for t in (0.05, 0.25))
    assert 10 * np.log10(early / late) == pytest.approx(60 * 0.2 / 0.4, abs=4)
    assert not np.any(np.abs(heard[: RATE // 2]) > 1e-6)


def test_every_point_has_its_own_name_and_runs(tmp_path: Path, rows: list[Row]) -> None:
    points = bad.conditions(tmp_path, rows)
    assert len({(point.group, point.name) for point in points}) == len(points)
    clip = read_clip(tmp_path / rows[0].path, RATE)
    for point in points:
        samples, rate = point.apply(clip, RATE, rows[0])
        again, _ = point.apply(clip, RATE, rows[0])
        assert samples.dtype == np.float32, point.name
        assert np.isfinite(samples).all(), point.name
        assert 0.9 < len(samples) / rate / (len(clip) / RATE) < 1.2, point.name
        np.testing.assert_array_equal(samples, again, err_msg=point.name)
