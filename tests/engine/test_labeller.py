"""Segments of a stream that is reset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from whole_stream import OPEN

from bundles import RATE, Samples
from realtime_ser.engine.engine import Engine
from realtime_ser.model.classifier import Classifier


def test_a_reset_ends_the_segment_under_way(classifier: Classifier, talk: Samples) -> None:
    engine = Engine(classifier, replace(OPEN, smoothing=replace(OPEN.smoothing, unsure_below=0.0)))
    engine.push(talk)
    assert engine.take_records()
    engine.reset()
    engine.push(np.zeros(4 * RATE, np.float32))
    engine.flush()
    assert all(segment.start >= 0 and segment.end <= 4 * RATE for segment in engine.take_segments())
    closed = Engine(classifier)
    closed.push(talk)
    closed.reset()
    closed.push(np.zeros(4 * RATE, np.float32))
    closed.flush()
    assert not closed.take_segments(), "nobody speaks in silence"
