"""Hops and windows fit each other."""

from __future__ import annotations

import pytest

from realtime_ser.config import Config, StreamConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import Classifier


def test_a_hop_longer_than_the_window_is_refused(classifier: Classifier) -> None:
    Engine(classifier, Config(stream=StreamConfig(hop_s=classifier.card.window_s)))
    with pytest.raises(ConfigError, match=r"stream\.hop_s of 5 s is longer than the window of 2\.\d+ s"):
        Engine(classifier, Config(stream=StreamConfig(hop_s=5.0)))
