"""Groups of windows on disk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realtime_ser.errors import ConfigError
from train.data.manifest import Row
from train.networks import drawn
from train.networks.drawn import Drawing, Draws, learned, load_pool
from train.networks.pool import Pool
from train.sampling.groups import ACTED, NOBODY_PLACE, READ, SOUND

RATE = 16000


def test_a_pool_holds_what_was_drawn(pool: Pool) -> None:
    assert len(pool.entries) == 60
    assert {entry.kind for entry in pool.entries} == {ACTED, READ, SOUND}
    for entry in pool.entries[:20]:
        samples, tokens = pool.samples(entry), pool.tokens(entry)
        assert samples.shape == (4, entry.length)
        assert tokens.shape == (4, entry.length // 320, 384)
        assert 0 < np.abs(samples).max() < 4
        assert np.isfinite(tokens).all()
        spectrum = np.abs(np.fft.rfft(samples)) ** 2  # of audio that is high-passed already
        hz = np.fft.rfftfreq(entry.length, 1 / RATE)
        assert spectrum[:, hz < 20].sum() < 0.01 * spectrum.sum()


def test_a_pool_is_drawn_once_and_an_unfinished_part_again(
    rows: list[Row], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = pool.folder.parent
    calls = []
    monkeypatch.setattr(drawn, "draw_part", lambda *given: calls.append(given))
    again = load_pool(cache.parent, rows, Drawing(60), cache.parent / "encoder.npz", cache, progress=False)
    assert again.entries == pool.entries
    assert not calls
    with pytest.raises(FileNotFoundError):
        load_pool(cache.parent, rows, Drawing(61), cache.parent / "encoder.npz", cache, progress=False).tokens(pool.entries[0])
    assert len(calls) == 1


@pytest.mark.parametrize("change", [{"emotion": "happy"}, {"speaker": "tess-b"}, {"corpus": "emovo"}])
def test_other_labels_of_the_same_audio_are_drawn_anew(
    rows: list[Row], pool: Pool, change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = pool.folder.parent
    calls = []
    monkeypatch.setattr(drawn, "draw_part", lambda *given: calls.append(given))
    corrected = [replace(rows[0], **change), *rows[1:]]
    again = load_pool(cache.parent, corrected, Drawing(60), cache.parent / "encoder.npz", cache, progress=False)
    assert len(calls) == 1
    assert again.folder != pool.folder


def test_a_batchs_audio_is_that_of_its_tokens(rows: list[Row], pool: Pool) -> None:
    # Teacher and pupil would hear different windows otherwise.
    draws = Draws(pool, rows, np.random.default_rng(3), readers=0.2, sounds=0.2, groups=3)
    for _ in range(5):
        batch = draws.draw()
        samples = draws.samples(batch)
        assert len(samples) == len(batch.target) == 12
        for i, entry in enumerate(batch.entries):
            mine = batch.group == i
            np.testing.assert_array_equal(samples[mine], pool.samples(entry))
            np.testing.assert_array_equal(batch.tokens[mine], pool.tokens(entry))
            assert tuple(batch.target[mine]) == entry.target


def test_a_fold_sees_no_window_of_a_tested_voice(rows: list[Row], pool: Pool) -> None:
    train = [row for row in rows if row.corpus == "tess"]
    assert {entry.corpus for entry in learned(pool, train) if entry.kind == ACTED} == {"tess"}
    draws = Draws(pool, train, np.random.default_rng(0), readers=0.2, sounds=0.2, groups=3)
    kinds = set()
    for _ in range(20):
        batch = draws.draw()
        assert batch.tokens.shape[0] == len(batch.target) == 12
        assert set(batch.target[batch.kind == SOUND].tolist()) <= {NOBODY_PLACE}
        kinds |= set(batch.kind.tolist())
    assert kinds == {ACTED, READ, SOUND}
    # A pool that holds actors at one length only still fills its batches.
    one = Pool(pool.folder)
    length = next(entry.length for entry in one.entries if entry.kind == ACTED and entry.corpus == "tess")
    one.entries = [entry for entry in one.entries if entry.kind != ACTED or entry.length == length]
    few = Draws(one, train, np.random.default_rng(1), readers=0.2, sounds=0.2, groups=3)
    assert {few.draw().tokens.shape[1] for _ in range(10)} == {length // 320}
    with pytest.raises(ConfigError, match="no clip with an emotion"):
        Draws(pool, [], np.random.default_rng(0))
