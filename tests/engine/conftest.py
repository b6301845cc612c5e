"""Models of the engine's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundles import write_bundle
from realtime_ser.model.classifier import Classifier, load_model


@pytest.fixture(scope="module")
def classifier(bundles: dict[str, Path]) -> Classifier:
    return load_model(bundles["flatstats"])


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A model of raw audio with short windows, for tests of many small steps."""
    return load_model(write_bundle(tmp_path_factory.mktemp("quick"), "waveform", window_s=0.5, min_window_s=0.2))
