"""The front end as a whole: parity with librosa, and the same windows whatever the pieces."""

from __future__ import annotations

import tracemalloc
from typing import Any

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import NAMES, cases, voice

from bundles import FLAT268, FRONT_ENDS, RATE, Samples
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.spec import RECIPES, FrontEndSpec

VOICE = voice(RATE, 6.0)
FLAT268_PARTS = (slice(0, 128), slice(128, 140), slice(140, 268))  # MFCC, chroma, mel


def spec_of(recipe: str, **changes: Any) -> FrontEndSpec:
    return FrontEndSpec(**{**FRONT_ENDS[recipe], **changes})


def librosa_flat268(samples: Samples, rate: int) -> np.ndarray:
    """The classic vector, from librosa alone, for just this window."""
    options = {"sr": rate, "n_fft": 2048, "hop_length": 512, "center": False}
    mel = librosa.feature.melspectrogram(y=samples, n_mels=128, fmax=rate / 2, **options)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=80.0), n_mfcc=128)
    chroma = librosa.feature.chroma_stft(y=samples, tuning=0.0, **options)
    return np.concatenate((mfcc.mean(axis=1), chroma.mean(axis=1), mel.mean(axis=1)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:n_fft=.*is too large:UserWarning")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [16000, 22050])
def test_flat268_equals_librosa(name: str, rate: int) -> None:
    samples = cases(rate)[name]
    front_end = FrontEnd(spec_of("flat268", sample_rate=rate, fmax=rate / 2), 3.0)
    front_end.push(samples)
    used = samples[: front_end.spec.samples_in(front_end.window_frames)]
    expected = librosa_flat268(used, rate)
    got = front_end.window()
    for part in FLAT268_PARTS:
        # Relative to each value, down to a millionth of the part's largest.
        np.testing.assert_allclose(got[part], expected[part], rtol=1e-4, atol=1e-6 * np.abs(expected[part]).max() + 1e-12)


def test_flat268_of_a_window_inside_a_stream_equals_librosa_given_just_that_window() -> None:
    """The 80 dB clamp is over the window: a bang before it must not raise its floor."""
    bang = np.random.default_rng(0).uniform(-1, 1, RATE).astype(np.float32)
    stream = np.concatenate((bang, 1e-3 * VOICE)).astype(np.float32)
    front_end = FrontEnd(spec_of("flat268"), 2.0)
    size, hop = front_end.spec.samples_in(front_end.window_frames), front_end.spec.hop_length
    front_end.push(stream)
    start = (front_end.frames - front_end.window_frames) * hop
    expected = librosa_flat268(stream[start : start + size], RATE)
    np.testing.assert_allclose(front_end.window(), expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", NAMES)
def test_stacked_equals_librosa(name: str) -> None:
    samples = cases(RATE)[name]
    front_end = FrontEnd(spec_of("stacked"), 3.0)
    front_end.push(samples)
    spec = front_end.spec
    mel = librosa.feature.melspectrogram(
        y=samples[: spec.samples_in(front_end.window_frames)],
        sr=RATE,
        n_fft=spec.n_fft,
        hop_length=spec.hop_length,
        n_mels=spec.n_mels,
        fmax=spec.fmax,
        center=False,
    )
    expected = librosa.power_to_db(mel, top_db=80.0)
    assert np.abs(front_end.window() - expected).max() <= 1e-4 * np.abs(expected).max()


def window_of(spec: FrontEndSpec, samples: Samples, window_s: float = 2.0) -> np.ndarray:
    front_end = FrontEnd(spec, window_s)
    front_end.push(samples)
    return front_end.window()


def assert_same(got: np.ndarray, expected: np.ndarray) -> None:
    """Equal to 1e-5 of the values of the same kind: of MFCC, of chroma, of mel, of decibels."""
    parts = FLAT268_PARTS if expected.shape == (268,) else (slice(None),)
    for part in parts:
        scale = float(np.sqrt(np.mean(expected[part] ** 2)))
        np.testing.assert_allclose(got[part], expected[part], rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.slow
@settings(max_examples=15)
@pytest.mark.parametrize("recipe", RECIPES)
@given(data=st.data())
def test_any_chunking_equals_the_whole(recipe: str, data: st.DataObject) -> None:
    samples = VOICE[: 4 * RATE]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(samples)), max_size=12)))
    small = data.draw(st.integers(1, 700))
    front_end = FrontEnd(spec_of(recipe), 2.0)
    whole = FrontEnd(spec_of(recipe), 2.0)
    done = 0
    for end in [*cuts, *range((cuts or [0])[-1], len(samples), max(small, 50)), len(samples)]:
        completed = front_end.push(samples[done:end])
        before = whole.frames
        whole.push(samples[done:end])
        assert completed == whole.frames - before
        done = end
    # Frame i covers [i * hop, i * hop + n_fft): this many fit, and each was made once.
    assert front_end.frames == 1 + (len(samples) - front_end.spec.n_fft) // front_end.spec.hop_length
    assert_same(front_end.window(), window_of(front_end.spec, samples))


@pytest.mark.parametrize("recipe", ["flatstats", "moments", "flat268", "stacked"])
def test_each_frame_is_transformed_once(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    transformed = []
    rfft = np.fft.rfft

    def counting(rows: np.ndarray, n: int | None = None, **options: object) -> np.ndarray:
        if n is None:  # else they are contours of the whole window, which no frame has
            transformed.append(len(rows))
        return rfft(rows, n, **options)

    monkeypatch.setattr(np.fft, "rfft", counting)
    front_end = FrontEnd(spec_of(recipe), 1.0)
    transformed.clear()
    for start in range(0, len(VOICE), 4000):
        front_end.push(VOICE[start : start + 4000])
        front_end.window()
    assert sum(transformed) == front_end.frames


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_long_stream_equals_fresh_computation(recipe: str) -> None:
    """The store wraps many times; the last window is still that of its own audio alone."""
    front_end = FrontEnd(spec_of(recipe), 1.0)
    rng = np.random.default_rng(3)
    samples = np.tile(VOICE, 5)
    done = 0
    while done < len(samples):
        step = int(rng.integers(1, 9000))
        front_end.push(samples[done : done + step])
        done += step
        if not front_end.frames:
            continue
        count = min(front_end.frames, front_end.window_frames)
        start = (front_end.frames - count) * front_end.spec.hop_length
        fresh = window_of(front_end.spec, samples[start : start + front_end.spec.samples_in(count)], 1.0)
        assert_same(front_end.window(), fresh)


@pytest.mark.parametrize("recipe", RECIPES)
def test_shapes(recipe: str) -> None:
    front_end = FrontEnd(spec_of(recipe), 2.0)
    spec = front_end.spec
    with pytest.raises(ValueError, match="no frame is complete"):
        front_end.window()
    assert front_end.push(VOICE[: spec.n_fft - 1]) == 0
    assert front_end.push(VOICE[spec.n_fft - 1 : spec.n_fft]) == 1
    for frames in (1, 2, 3, 40, front_end.window_frames, 10_000, None):
        front_end.push(VOICE[: RATE // 2])
        got = front_end.window(frames)
        count = min(front_end.frames, front_end.window_frames, frames or front_end.window_frames)
        expected = {
            "flat268": (268,),
            "flatstats": (front_end.n_features,),
            "moments": (front_end.n_features,),
            "stacked": (spec.n_mels, count),
            "joint": (front_end.n_statistics + spec.n_mels * count,),
            "waveform": (count * spec.hop_length,),
        }[recipe]
        assert got.shape == expected
        assert got.dtype == np.float32
        assert np.isfinite(got).all()


def test_waveform_is_the_samples_themselves() -> None:
    front_end = FrontEnd(spec_of("waveform"), 1.0)
    front_end.push(VOICE[:48123])
    end = 48123 // 320 * 320
    np.testing.assert_array_equal(front_end.window(), VOICE[end - RATE : end])


def test_joint_is_flatstats_and_then_stacked() -> None:
    """Clamping frames for the statistics leaves the log-mel as it is."""
    parts = [window_of(FrontEndSpec(recipe, frame_db=20.0), VOICE) for recipe in ("flatstats", "stacked")]
    joint = window_of(FrontEndSpec("joint", frame_db=20.0), VOICE)
    np.testing.assert_array_equal(joint, np.concatenate([part.ravel() for part in parts]))
    assert not np.array_equal(parts[0], window_of(FrontEndSpec("flatstats", frame_db=80.0), VOICE))


@pytest.mark.parametrize("recipe", RECIPES)
def test_reset_equals_new(recipe: str) -> None:
    front_end = FrontEnd(spec_of(recipe), 2.0)
    front_end.push(VOICE[:50_001])
    front_end.reset()
    front_end.push(VOICE[7000:60_000])
    np.testing.assert_array_equal(front_end.window(), window_of(front_end.spec, VOICE[7000:60_000]))
    assert front_end.frames == 1 + (53_000 - front_end.spec.n_fft) // front_end.spec.hop_length


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_window_kept_is_not_changed_by_later_audio(recipe: str) -> None:
    front_end = FrontEnd(spec_of(recipe), 1.0)
    front_end.push(VOICE[:RATE])
    kept = front_end.window()
    copy = kept.copy()
    front_end.push(VOICE[RATE:])
    front_end.window()
    np.testing.assert_array_equal(kept, copy)


def test_strided_and_double_samples_are_taken() -> None:
    stereo = np.stack((VOICE, VOICE), axis=1)
    for recipe in RECIPES:
        expected = window_of(spec_of(recipe), VOICE)
        np.testing.assert_array_equal(window_of(spec_of(recipe), stereo[:, 0]), expected)
        np.testing.assert_array_equal(window_of(spec_of(recipe), VOICE.astype(np.float64)), expected)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["flatstats", "moments", "stacked"])
def test_memory_does_not_grow(recipe: str) -> None:
    front_end = FrontEnd(spec_of(recipe), 1.0)

    def hear(seconds: int) -> None:
        for _ in range(seconds * 4):
            front_end.push(VOICE[:4000])
            front_end.window()

    hear(10)
    tracemalloc.start()
    try:
        hear(2)
        before = tracemalloc.get_traced_memory()[0]
        hear(120)
        assert tracemalloc.get_traced_memory()[0] - before < 64 * 1024
    finally:
        tracemalloc.stop()


def test_flat268_is_the_classic_vector_of_268() -> None:
    assert FrontEnd(FrontEndSpec(**FLAT268), 3.0).n_features == 268
