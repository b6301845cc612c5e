"""What a card may and may not say about its front end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles import FRONT_ENDS
from realtime_ser.errors import ModelError
from realtime_ser.features.spec import FrontEndSpec


@pytest.mark.parametrize("front_end", FRONT_ENDS.values(), ids=FRONT_ENDS)
def test_round_trip(front_end: dict[str, Any]) -> None:
    spec = FrontEndSpec.from_dict(front_end)
    assert FrontEndSpec.from_dict(spec.as_dict()) == spec


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe": "mel"}, "unknown recipe 'mel'; this version supports flat268"),
        ({"recipe": None}, "'recipe' takes str"),
        ({"sample_rate": 100}, "sample_rate 100 Hz is outside"),
        ({"sample_rate": 16000.0}, "'sample_rate' takes int, got 16000.0"),
        ({"sample_rate": True}, "'sample_rate' takes int, got True"),
        ({"hop_length": 0}, "hop_length"),
        ({"hop_length": 600, "n_fft": 512}, "hop_length"),
        ({"n_mfcc": 65}, "n_mfcc"),
        ({"fmax": 9000}, "does not fit 16000 Hz"),
        ({"fmin": -1}, "does not fit"),
        ({"fmax": float("nan")}, "does not fit"),
        ({"pitch_min_hz": 700.0}, "pitch range"),
        ({"top_db": 0}, "top_db"),
        ({"active_db": float("nan")}, "active_db"),
        ({"frame_db": -1.0}, "frame_db"),
        ({"n_fftt": 512}, "unknown key 'n_fftt'; did you mean 'n_fft'"),
    ],
)
def test_faults_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError) as caught:
        FrontEndSpec.from_dict({"recipe": "flatstats", **change})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_recipe() -> None:
    with pytest.raises(ModelError, match="'recipe' is missing"):
        FrontEndSpec.from_dict({})


def test_waveform_grid() -> None:
    with pytest.raises(ModelError, match="n_fft equal to hop_length"):
        FrontEndSpec("waveform")


@given(frames=st.integers(1, 10_000), n_fft=st.integers(100, 4096), hop=st.integers(1, 100))
def test_frames_and_samples_agree(frames: int, n_fft: int, hop: int) -> None:
    spec = FrontEndSpec("stacked", n_fft=n_fft, hop_length=hop)
    samples = spec.samples_in(frames)
    assert spec.frames_in(samples / spec.sample_rate) == frames
    assert samples == n_fft + (frames - 1) * hop
