"""What leaves the encoder's stem, kept beside the drawn windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from train.networks import stems
from train.networks.convolutions import Convolutions
from train.networks.encoder import Encoder
from train.networks.pool import Pool
from train.networks.stems import keep_stems
from train.recipe import ConvolutionsRecipe


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    torch.manual_seed(3)
    made = Encoder()
    made.positions.normal_()
    monkeypatch.setattr(stems, "read_encoder", lambda path: made)
    return made


def test_stems_are_what_the_convolutions_begin_with(pool: Pool, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_stems(pool, Path("encoder.npz"), progress=False)
    body = Convolutions(ConvolutionsRecipe(width=8))
    body.conv1, body.conv2 = encoder.conv1, encoder.conv2
    for entry in pool.entries[::9]:
        with torch.no_grad():
            expected = body.low(torch.from_numpy(pool.samples(entry))).numpy()
        got = pool.stem(entry)
        assert got.shape == expected.shape == (4, entry.length // 320, 384)
        np.testing.assert_allclose(got, expected, atol=0.02 * np.abs(expected).max())  # bfloat16 where the processor has it
    # They are computed once, and an unfinished part again.
    calls: list[int] = []
    monkeypatch.setattr(stems, "keep_part", lambda folder, part, path: calls.append(part))
    keep_stems(pool, Path("encoder.npz"), progress=False)
    assert not calls
    next(pool.folder.glob("part-0/stem-*.bin")).unlink()
    keep_stems(pool, Path("encoder.npz"), progress=False)
    assert calls == [0]
