"""A folder of profiles for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_ser.profiles.folder import FOLDER_VARIABLE


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "data" / "profiles"
    monkeypatch.setenv(FOLDER_VARIABLE, str(place))
    return place
