"""A folder and the folders in it: each once, and none left out in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from realtime_ser.audio.folder import find_files
from realtime_ser.audio.walk import unread_note, walk
from realtime_ser.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "deep/b.wav", "deep/er/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def refuse(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let folders of a name not be listed: the superuser may list all."""
    listed = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_files([folder]).files]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_followed_and_each_folder_comes_once(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "d.wav").touch()
    (outside / "back").symlink_to(folder)
    for link, place in (("0", "deep/er"), ("loop", "."), ("deep/up", ".."), ("out", outside), ("out2", outside)):
        (folder / link).symlink_to(place, target_is_directory=True)
    assert names(folder) == ["a.wav", "deep/b.wav", "deep/er/c.wav", "out/d.wav"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_that_leads_nowhere_is_a_recording_that_cannot_be_read(folder: Path) -> None:
    (folder / "gone.wav").symlink_to("nix.wav")
    (folder / "self.wav").symlink_to("self.wav")
    (folder / "gone.txt").symlink_to("nix.txt")
    os.mkfifo(folder / "pipe.wav")
    assert names(folder) == ["a.wav", "deep/b.wav", "deep/er/c.wav", "gone.wav", "self.wav"]


def test_a_folder_that_cannot_be_listed_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse("er", monkeypatch)
    found = find_files([folder])
    assert [path.name for path in found.files] == ["a.wav", "b.wav"]
    place = folder / "deep" / "er"
    assert unread_note(found.unread) == f"cannot list the folder {place} (Permission denied); the recordings in it are left out"
    assert "nor 1 more;" in (unread_note(found.unread * 2) or "")
    with pytest.raises(ConfigError, match=r"cannot list the folder .*er: Permission denied"):
        find_files([place])
    (folder / "deep" / "b.wav").unlink()
    with pytest.raises(ConfigError, match=r"no audio file in .*; cannot list the folder"):
        find_files([folder / "deep"])


def test_an_empty_name_is_no_folder() -> None:
    with pytest.raises(ConfigError, match="'' names no file"):
        find_files([""])


def test_the_current_folder_has_no_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert [place for place, _ in walk([""], print)] == ["", "deep", str(Path("deep/er"))]


def test_files_keep_their_order_and_folders_are_searched(tmp_path: Path) -> None:
    for name in ("b.wav", "A.FLAC", "deep/er/c.mp3", "notes.txt", ".hidden.wav"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    odd = tmp_path / "notes.txt"
    found = find_files([odd, tmp_path, tmp_path / "b.wav"]).files
    assert [path.name for path in found] == ["notes.txt", "A.FLAC", "b.wav", "c.mp3"]


def test_nothing_to_find_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no audio file in"):
        find_files([tmp_path])
    with pytest.raises(ConfigError, match="no audio file given"):
        find_files([])
