"""A speaker's channel in other places: the same for all his clips, another one for others, within its limits."""

from __future__ import annotations

import numpy as np
import pytest

from bundles import RATE, Samples
from train.data.manifest import Row
from train.data.responses import Responses
from train.evaluation.elsewhere import Elsewhere


def _row(speaker: str) -> Row:
    return Row("x.flac", "made", speaker, "angry", "", "", "", "speech", 2.0, "0")


def _spectrum(samples: Samples) -> np.ndarray:
    bands = np.abs(np.fft.rfft(samples))[: 8 * 1000].reshape(8, -1)
    return np.log((bands**2).mean(1) + 1e-12)


@pytest.mark.parametrize("measured", [True, False])
def test_a_speaker_has_one_channel(talk: Samples, measured: bool) -> None:
    rng = np.random.default_rng(0)
    responses = tuple(np.asarray(rng.normal(0, 1, 40) * 0.8 ** np.arange(40), np.float32) for _ in range(4))
    change = Elsewhere(Responses(responses, responses[:2]) if measured else Responses())
    one, other = talk[: 2 * RATE], talk[4 * RATE : 6 * RATE]
    first, rate = change(one, RATE, _row("anna"))
    assert (rate, len(first), first.dtype) == (RATE, len(one), np.float32)
    np.testing.assert_array_equal(first, change(one, RATE, _row("anna"))[0])
    assert 10 ** (-22 / 20) <= np.abs(first).max() <= 10 ** (-3 / 20) + 1e-6
    # What the channel does to the spectrum is alike for two clips of a speaker, and unlike for two speakers.
    done = {
        (name, which): _spectrum(change(clip, RATE, _row(name))[0]) - _spectrum(clip)
        for name in ("anna", "otto")
        for which, clip in (("one", one), ("other", other))
    }
    same = np.std(done["anna", "one"] - done["anna", "other"])
    apart = np.std(done["anna", "one"] - done["otto", "one"])
    assert same < apart
