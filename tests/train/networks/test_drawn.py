"""Groups of windows on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from realtime_ser.errors import ConfigError
from train.data.manifest import Row
from train.networks import drawn
from train.networks.drawn import Drawing, Draws, learned, load_pool
from train.networks.encoder import Encoder
from train.networks.pool import Pool
from train.sampling.groups import ACTED, NOBODY_PLACE, READ, SOUND, Group, Groups

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
    # What a killed process left goes, though nothing is drawn any more.
    left = pool.folder / ".part-0.abc.part"
    left.mkdir()
    os.utime(left, (0, 0))
    load_pool(cache.parent, rows, Drawing(60), cache.parent / "encoder.npz", cache, progress=False)
    assert not left.exists()
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


def test_two_processes_that_draw_the_same_part_have_it_whole(
    rows: list[Row], pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "read_encoder", lambda path: Encoder())
    root, part = pool.folder.parent.parent, tmp_path / "part-0"
    given = (part, 3, 0, root, tuple(rows), Drawing(3), root / "encoder.npz", pool.folder.parent)
    real, before = drawn._some, []

    def interrupted(groups: Groups, count: int) -> Iterator[Group]:
        """The second process begins and ends while the first one is in the midst of the part."""
        for number, group in enumerate(real(groups, count)):
            if number == 2 and not before:
                assert not part.exists()
                before.append(number)
                drawn.draw_part(*given)
                first = Pool(tmp_path)
                before.extend(first.samples(entry) for entry in first.entries)
            yield group

    monkeypatch.setattr(drawn, "_some", interrupted)
    drawn.draw_part(*given)
    after = Pool(tmp_path)
    assert len(after.entries) == 3
    for entry, samples in zip(after.entries, before[1:], strict=True):
        np.testing.assert_array_equal(after.samples(entry), samples)
        assert np.abs(samples).max(axis=1).all()
    assert [path.name for path in tmp_path.iterdir()] == ["part-0"]


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
