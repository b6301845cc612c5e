"""A folder of short recordings, and a model that costs little."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from bundles import RATE, Samples, write_bundle


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of random weights."""
    return write_bundle(tmp_path_factory.mktemp("bundle"), "flatstats")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, speech: Samples) -> Path:
    """Twelve recordings of two to five seconds, in two folders."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(12):
        place = folder / ("calls" if number % 2 else "talks") / f"clip{number:02d}.wav"
        place.parent.mkdir(exist_ok=True)
        soundfile.write(place, speech[number * RATE : (number + 2 + number % 4) * RATE], RATE)
    return folder
