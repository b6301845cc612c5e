"""Names of profiles, and the folder that keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_ser.errors import ConfigError
from realtime_ser.profiles.folder import FOLDER_VARIABLE, check_name, profile_path, profiles_folder


@pytest.mark.parametrize("name", ["anna", "anna usb", "Zoë", "a" * 64, "a.b", "安娜"])
def test_names(name: str, folder: Path) -> None:
    assert check_name(name) == name
    assert profile_path(name, "../x y").parent == folder / name
    assert profile_path(name, "../x y").name == "___x_y.json"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "../a",
        ".a",
        "-a",
        " a",
        "a ",
        "a.",
        "a\nb",
        "a\x1b[2J",
        "a:b",
        "a" * 65,
        "\udcff",
        "a\x00",
    ],
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigError, match="can be no profile's name") as raised:
        check_name(name)
    assert "\n" not in str(raised.value)


def test_where_they_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setattr("sys.platform", "linux")
    assert profiles_folder() == tmp_path / "share" / "realtime-ser" / "profiles"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert profiles_folder() == tmp_path / ".local" / "share" / "realtime-ser" / "profiles"
    monkeypatch.setattr("sys.platform", "darwin")
    assert profiles_folder() == tmp_path / "Library" / "Application Support" / "realtime-ser" / "profiles"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert profiles_folder() == tmp_path / "local" / "realtime-ser" / "profiles"
