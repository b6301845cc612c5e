"""Patterns find what ``glob`` finds, and each folder once."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest

from realtime_ser.batch.patterns import matches


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("x.wav", "a/y.wav", "a/b/z.wav", "a/b/z.txt", ".h/i.wav", "a/.j.wav", "[c]/k.wav", "c/l.wav"):
        (tmp_path / "arch" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "arch" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    [
        *("arch/*.wav", "arch/**/*.wav", "**/*.wav", "./arch/**/**/*.wav", "arch/**/b/*", "arch/**/a/**/*.wav", "nix/**/*.wav"),
        *("**/b/**/z.*", "ar*/**/[xz].wav", "**/*.mp3", "arch/a*.wav"),
    ],
)
def test_without_links_it_is_glob(pattern: str, folder: Path) -> None:
    native = pattern.replace("/", os.sep)
    assert matches(native, print) == sorted(set(glob.glob(native, recursive=True)))  # noqa: PTH207
    absolute = os.path.join(folder, native)  # noqa: PTH118
    assert matches(absolute, print) == sorted(set(glob.glob(absolute, recursive=True)))  # noqa: PTH207


def test_two_stars_at_the_end_are_all_files(folder: Path) -> None:
    found = [Path(name) for name in matches(os.path.join("arch", "a", "**"), print)]  # noqa: PTH118
    assert [path.name for path in found if path.is_file()] == ["z.txt", "z.wav", "y.wav"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_to_a_folder_above_give_each_recording_once(folder: Path) -> None:
    (folder / "arch" / "loop").symlink_to(".")
    (folder / "arch" / "a" / "0loop").symlink_to("..")
    expected = ["arch/[c]/k.wav", "arch/a/b/z.wav", "arch/a/y.wav", "arch/c/l.wav", "arch/x.wav"]
    assert matches("arch/**/*.wav", print) == expected
    # What the star stands for comes before what only links lead to.
    assert matches("arch/*/**/*.wav", print) == sorted([*expected[:-1], "arch/loop/x.wav"])


def test_a_folder_that_cannot_be_listed_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    errors: list[OSError] = []
    assert "y.wav" in {Path(name).name for name in matches("arch/**/*.wav", errors.append)}
    assert [Path(error.filename).name for error in errors] == ["b"]
