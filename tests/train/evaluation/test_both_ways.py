"""Two processes give what one gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import write_ravdess

from bundles import write_stream_bundle
from realtime_ser.errors import ModelError
from realtime_ser.model.classifier import load_model
from train.data import manifest
from train.evaluation import both_ways as module
from train.evaluation.scores import stream_clips


@pytest.mark.parametrize("few", [0, 1000])
def test_both_ways_are_those_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(module, "FEW", few)
    write_ravdess(tmp_path, (1, 2), (1,))
    rows = manifest.build(tmp_path, progress=False).rows
    card = write_stream_bundle(tmp_path / "bundle", labels=["neutral", "happy", "sad", "angry"])
    played = module.both_ways(card, tmp_path, rows)
    for by_speaker, clips in zip((False, True), played, strict=True):
        expected = stream_clips(load_model(card), tmp_path, rows, by_speaker=by_speaker, progress=False)
        assert clips.rows == expected.rows
        for one, other in zip(clips.windows, expected.windows, strict=True):
            np.testing.assert_array_equal(one, other)
    assert any(np.any(one != other) for one, other in zip(*(clips.windows for clips in played), strict=True))


def test_a_fault_in_a_process_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", 0)
    write_ravdess(tmp_path, (1,), (1,))
    rows = manifest.build(tmp_path, progress=False).rows
    card = write_stream_bundle(tmp_path / "bundle")
    card.with_suffix(".onnx").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="not the file its card describes"):
        module.both_ways(card, tmp_path, rows)
