"""Arrays of any kind become float32 mono."""

import numpy as np
import pytest

from realtime_ser.audio.array import ArraySource
from realtime_ser.errors import SourceError


def heard(source):
    with source:
        blocks = list(source.blocks())
    assert all(block.samples.dtype == np.float32 and block.samples.ndim == 1 for block in blocks)
    starts = np.cumsum([0, *(len(block.samples) for block in blocks)])
    assert [block.start for block in blocks] == list(starts[:-1])
    return np.concatenate([block.samples for block in blocks]) if blocks else np.zeros(0, np.float32)


def test_channels_are_averaged():
    samples = np.array([[1.0, 0.0], [0.5, -0.5]], dtype=np.float32)
    np.testing.assert_array_equal(heard(ArraySource(samples, 16_000)), [0.5, 0.0])


def test_mono_floats_come_back_bit_for_bit():
    samples = np.random.default_rng(0).standard_normal(16_123).astype(np.float32)
    np.testing.assert_array_equal(heard(ArraySource(samples, 16_000)), samples)


def test_lists_and_lengths():
    source = ArraySource([0.0, 0.25], 8_000)
    assert source.duration_s == 2 / 8_000
    np.testing.assert_array_equal(heard(source), [0.0, 0.25])
    assert len(heard(ArraySource(np.zeros(0), 8_000))) == 0


def test_nan_is_left_for_the_engine_to_refuse():
    assert np.isnan(heard(ArraySource(np.array([0.0, np.nan]), 8_000))[1])


def test_stop_ends_after_the_block_under_way():
    source = ArraySource(np.zeros(16_000, np.float32), 16_000, block_s=0.1)
    count = 0
    with source:
        for _ in source.blocks():
            count += 1
            source.stop()
    assert count == 1


def test_a_source_can_be_read_again():
    source = ArraySource(np.ones(100, np.float32), 16_000)
    np.testing.assert_array_equal(heard(source), heard(source))


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((2, 2, 2)), 16_000, "shape"),
        (np.float32(1), 16_000, "shape"),
        (np.zeros((5, 0)), 16_000, "shape"),
        (np.zeros(5, dtype=complex), 16_000, "complex"),
        (np.zeros(5, dtype=bool), 16_000, "bool"),
        (np.array(["a"]), 16_000, "no known scale"),
        ([1, 2, 3], 16_000, "no full scale"),
        (None, 16_000, "None"),
        ([[1.0], [1.0, 2.0]], 16_000, "no array"),
        (np.zeros(5), 0, "Hz"),
        (np.zeros(5), 16_000.5, "whole number"),
    ],
)
def test_what_is_no_audio_is_refused(samples, rate, message):
    with pytest.raises(SourceError, match=message):
        ArraySource(samples, rate)
