"""Windows that training cuts are windows that the engine would classify."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from realtime_ser.features.normaliser import Normalisation, RunningNormaliser
from realtime_ser.features.spec import FrontEndSpec
from train.data.features import Frames, Vectors, window_ends
from train.data.manifest import Row
from train.recipe import Masking, NormRecipe
from train.sampling.batches import FrameBatches, VectorBatches, clip_profiles
from train.sampling.draws import draws
from train.sampling.masking import channel_batch, mask_batch
from train.sampling.past import Past

SPEC = FrontEndSpec("stacked")
RATE = SPEC.sample_rate


def row(number: int, emotion: str) -> Row:
    return Row(f"{number}.wav", "ravdess_speech", f"s{number}", emotion, "", "strong", "female", "speech", 3.0, f"{number}")


def made(clips: int, frames: int, first: int, last: int) -> Frames:
    """Clips whose frames ``first`` to ``last`` are speech; every column holds its own number."""
    log_mel = np.tile(np.arange(frames, dtype=np.float16), (64, clips))
    speech = np.tile((np.arange(frames) >= first) & (np.arange(frames) < last), clips)
    return Frames(log_mel, speech, np.arange(clips + 1) * frames)


def test_hop_positions_are_the_engines(monkeypatch: object) -> None:
    chunks = np.ones(200, bool)
    ends = window_ends(chunks, 4 * RATE, SPEC)
    assert ends[0] == SPEC.samples_in(SPEC.frames_in(1.0))
    assert set(np.diff(ends)) == {4000}
    assert ends[-1] <= 4 * RATE


def test_batches_hold_one_length_each_and_speech_in_every_window() -> None:
    rows = [row(i, "sad") for i in range(8)]
    still = Masking(tilt_db=0, shift_bands=0, noise_probability=0, time_masks=0, band_masks=0)
    batches = FrameBatches(rows, range(8), [made(8, 250, 100, 180)], SPEC, still, 4)
    rng = np.random.default_rng(0)
    lengths = set()
    for _ in range(20):
        for batch in batches.epoch(rng):
            lengths.add(batch.x.shape[2])
            # Columns were numbers; the newest is the loudest, which the batch sets to zero.
            assert torch.allclose(batch.x[:, 0, -1], torch.zeros(4))
    assert lengths <= set(range(63, 192, 16))
    assert {63, 191} <= lengths


def test_windows_that_reach_back_hold_two_clips_of_one_speaker() -> None:
    rows = [replace(row(i, "sad"), speaker=f"s{i // 4}") for i in range(8)]
    still = Masking(tilt_db=0, shift_bands=0, noise_probability=0, time_masks=0, band_masks=0)
    frames = made(8, 250, 100, 180)
    frames.log_mel[:] = np.repeat(np.arange(8, dtype=np.float16), 250)  # every column holds its clip's number
    batches = FrameBatches(rows, range(8), [frames], SPEC, still, 4, across=1.0)
    windows = [
        window for seed in range(10) for batch in batches.epoch(np.random.default_rng(seed)) for window in batch.x[:, 0].numpy()
    ]
    two = [window for window in windows if window[0] != window[-1]]
    assert len(two) > 0.6 * len(windows)
    for window in two:
        assert np.flatnonzero(np.diff(window)).size == 1
        assert abs(window[-1] - window[0]) < 4, "of one speaker"
    none = FrameBatches(rows, range(8), [frames], SPEC, still, 4)
    assert all(
        len(np.unique(window)) == 1 for batch in none.epoch(np.random.default_rng(0)) for window in batch.x[:, 0].numpy()
    )


def test_a_clip_shorter_than_the_window_is_padded_with_its_quiet() -> None:
    batches = FrameBatches([row(0, "sad")], [0], [made(1, 40, 0, 40)], SPEC, Masking(), 1)
    (batch,) = batches.epoch(np.random.default_rng(1))
    assert batch.x.shape[2] >= 63
    assert bool(torch.isfinite(batch.x).all())


def test_the_same_seed_draws_the_same_batches() -> None:
    rows = [row(i, "sad") for i in range(8)]
    batches = FrameBatches(rows, range(8), [made(8, 250, 0, 250)], SPEC, Masking(), 4)
    first, second = (list(batches.epoch(np.random.default_rng(5))) for _ in range(2))
    assert all(torch.equal(a.x, b.x) for a, b in zip(first, second, strict=True))


def test_an_epoch_goes_on_in_its_midst() -> None:
    rows = [row(i, "sad") for i in range(20)]
    frames, vectors = made(20, 250, 0, 250), Vectors(np.arange(20, dtype=np.float32)[:, None], np.arange(20), np.ones(20, bool))
    for batches in (
        FrameBatches(rows, range(20), [frames], SPEC, Masking(), 4),
        VectorBatches(rows, range(20), [vectors], 4, 2),
    ):
        rng = np.random.default_rng(5)
        epoch = batches.epoch(rng)
        next(epoch)
        where, drawn = epoch.state(), rng.bit_generator.state
        rest = list(epoch)
        other = batches.epoch(rng)
        other.restore(where)
        rng.bit_generator.state = drawn
        again = list(other)
        assert len(rest) > 2
        assert all(torch.equal(a.x, b.x) and torch.equal(a.target, b.target) for a, b in zip(rest, again, strict=True))


def test_rare_emotions_are_drawn_as_often_as_common_ones() -> None:
    rows = [row(i, "sad") for i in range(90)] + [row(100 + i, "neutral") for i in range(30)]
    rng = np.random.default_rng(0)
    count = Counter(rows[i].emotion for _ in range(50) for i in draws(rows, rng))
    assert abs(count["sad"] / count["neutral"] - 1) < 0.1


def test_vector_batches_pair_each_window_with_its_clip() -> None:
    rows = [row(3, "sad"), row(5, "happy")]
    clip = np.array([3, 3, 4, 5, 3])
    variant = Vectors(np.arange(5, dtype=np.float32)[:, None], clip, np.ones(5, bool))
    batches = VectorBatches(rows, [3, 5], [variant, variant], 4, 40)
    seen = {
        (float(x), int(target))
        for batch in batches.epoch(np.random.default_rng(0))
        for x, target in zip(batch.x[:, 0], batch.target, strict=True)
    }
    happy, sad = 4, 6
    assert seen == {(0.0, sad), (1.0, sad), (4.0, sad), (3.0, happy)}


def test_augmentation_changes_a_batch_and_keeps_its_shape() -> None:
    x = torch.randn(3, 64, 80) * 10 - 40
    heavy = Masking(noise_probability=1.0)
    for change in (channel_batch, mask_batch):
        out = change(x, heavy, torch.Generator().manual_seed(0))
        assert out.shape == x.shape
        assert bool(torch.isfinite(out).all())
        assert not torch.allclose(out, x, atol=1.0)


def test_babble_adds_other_windows_at_the_asked_level() -> None:
    """A voice in the lower bands, one in the upper: of each the other's bands appear, at the level of the setting."""
    x = torch.full((40, 64, 50), -80.0)
    x[::2, :32], x[1::2, 32:] = 0.0, 0.0
    still = Masking(tilt_db=0, shift_bands=0, noise_probability=0, babble_probability=1.0, babble_snr_db=(10.0, 10.0))
    out = channel_batch(x, still, torch.Generator().manual_seed(0))
    assert torch.allclose(out[0, :32], torch.zeros(()), atol=0.5)
    power = (10 ** (out / 10)).mean((1, 2)) / (10 ** (x / 10)).mean((1, 2))
    assert torch.allclose(power, torch.tensor(1.1), atol=1e-3)
    # Of six voices some speak in the other half of the bands.
    assert -14 < float(out[::2, 32:].mean()) < -10
    assert torch.equal(channel_batch(x, Masking(tilt_db=0, shift_bands=0, noise_probability=0), torch.Generator()), x)


def test_a_band_limit_takes_the_top_and_leaves_the_middle() -> None:
    x = torch.zeros(200, 64, 10)
    still = Masking(tilt_db=0, shift_bands=0, noise_probability=0, limit_probability=1.0)
    out = channel_batch(x, still, torch.Generator().manual_seed(0))
    assert bool((out[:, 10:34] == 0).all())
    assert float((out[:, 63] < -10).float().mean()) > 0.8
    assert float(out.min()) >= -70


def test_normalised_batches_are_what_the_live_normaliser_gives() -> None:
    """One clip at the start of a stream through an unchanged microphone: training and the engine agree."""
    rng = np.random.default_rng(0)
    log_mel = rng.normal(-40, 8, (64, 250)).astype(np.float16)
    frames = Frames(log_mel, np.ones(250, bool), np.array([0, 250]))
    still = Masking(tilt_db=0, shift_bands=0, noise_probability=0, time_masks=0, band_masks=0)
    norm = NormRecipe(prior_s=4.0, memory_s=40.0)
    batches = FrameBatches([row(0, "sad")], [0], [frames], SPEC, still, 1, profiles=[clip_profiles(frames, SPEC)], norm=norm)
    mean, deviation = (tuple(float(value) for value in part) for part in batches.past.prior)
    running = RunningNormaliser(Normalisation(mean, deviation, norm.prior_s, norm.memory_s), SPEC)
    # The clip's own profile is prior, past and present: whatever their shares, both normalise by it.
    for batch in batches.epoch(np.random.default_rng(3)):
        length = batch.x.shape[2]
        closest = np.inf
        for end in range(length, 251):
            running.reset()
            live = running.normalise(log_mel[:, end - length : end].astype(np.float32), 1.0)
            closest = min(closest, float(np.abs(live - batch.x[0].numpy()).mean()))
        assert closest < 0.25  # dB; only the window's share of the average differs


def test_a_past_comes_from_the_same_voice_through_the_same_microphone() -> None:
    rows = [row(i % 2, "sad" if i < 4 else "happy") for i in range(8)]
    tables = [np.arange(8, dtype=np.float32)[:, None, None] % 2 * 10 + version * 100 for version in range(2)]
    past = Past(rows, tables, 2.0)
    chosen, version = np.arange(8).repeat(50), np.tile([0, 1], 200)
    heard, average = past.draw(chosen, version, np.random.default_rng(0))
    cold = heard == 0
    assert 0.3 < cold.mean() < 0.5
    np.testing.assert_allclose(average[~cold, 0, 0], (chosen % 2 * 10 + version * 100)[~cold])
    assert past.prior[0, 0] == 5.0
    for share in (0.0, 0.75, 1.0):
        heard, _ = Past(rows, tables, 2.0, share).draw(chosen, version, np.random.default_rng(0))
        assert np.mean(heard == 0) == pytest.approx(share, abs=0.07)


def test_normalised_vectors_lose_what_all_of_a_speakers_windows_share() -> None:
    rng = np.random.default_rng(0)
    rows = [row(i, "sad") for i in range(2)]
    x = rng.normal(0, 1, (40, 3)).astype(np.float32)
    x[20:] += 50.0
    variant = Vectors(x, np.repeat([0, 1], 20), np.ones(40, bool))
    batches = VectorBatches(rows, [0, 1], [variant], 16, 40, norm=NormRecipe(prior_s=0.01, memory_s=60.0))
    seen = torch.cat([batch.x for batch in batches.epoch(rng)])
    assert float(seen.abs().mean() * batches.prior[1].mean()) < 2.0
