"""Which recordings names stand for."""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path

import pytest

from command import SAMPLE
from realtime_ser.batch.inputs import find_recordings
from realtime_ser.cli.main import main
from realtime_ser.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a/one.wav", "a/one.flac", "a/deep/two.wav", "b/one.wav", "b/notes.txt", "b/[x].wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 7)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paths(*names: str) -> list[str]:
    return [recording.path for recording in find_recordings(names)]


def test_files_folders_and_patterns(folder: Path) -> None:
    assert paths("b/one.wav", "a", "b/one.wav") == ["b/one.wav", "a/deep/two.wav", "a/one.flac", "a/one.wav"]
    assert paths("*/one.*") == ["a/one.flac", "a/one.wav", "b/one.wav"]
    assert paths("a/**/*.wav") == ["a/deep/two.wav", "a/one.wav"]
    assert paths("b/[x].wav") == ["b/[x].wav"], "a file of that name is no pattern"
    assert [recording.size for recording in find_recordings(["b/one.wav", "gone.wav"])] == [7, 0]


def test_lists_hold_names_of_any_kind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "list.txt").write_bytes(b"b/one.wav\r\n\nodd name \xff.wav\na\n")
    assert paths("@list.txt") == ["b/one.wav", os.fsdecode(b"odd name \xff.wav"), "a/deep/two.wav", "a/one.flac", "a/one.wav"]
    (folder / "list0").write_bytes(b"line\nbreak.wav\0b/one.wav\0")
    assert paths("@list0") == ["line\nbreak.wav", "b/one.wav"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"b/one.wav\n")))
    assert paths("@-") == ["b/one.wav"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\0"])
def test_lists_by_programs_that_mark_their_encoding(folder: Path, encoding: str, end: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (folder / "list.txt").write_bytes(f"{mark}b/one.wav{end}é.wav{end}".encode(encoding))
    assert paths("@list.txt") == ["b/one.wav", "é.wav"]


def test_an_editors_line_break_behind_the_last_zero_byte_is_no_name(folder: Path) -> None:
    (folder / "list.txt").write_bytes(b"b/one.wav\0\n")
    assert paths("@list.txt") == ["b/one.wav"]


def test_a_list_in_another_encoding_does_not_name_the_current_folder(folder: Path) -> None:
    for data in ("./one.wav\r\n".encode("utf-16-le"), "./one.wav\n".encode("utf-16-be"), b"\xff\xfea"):
        (folder / "list.txt").write_bytes(data)
        with pytest.raises(ConfigError, match=r"cannot read the list list\.txt: .*utf-16|UTF-16") as caught:
            find_recordings(["@list.txt"])
        assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_listed_is_a_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = os.scandir

    def scandir(path: str) -> object:  # the superuser may list all
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for name in ("a", "a/**/*"):
        faults: list[str] = []
        assert [each.path for each in find_recordings([name], fault=faults.append)] == ["a/one.flac", "a/one.wav"]
        assert faults == [f"cannot list the folder {Path('a/deep')} (Permission denied); the recordings in it are left out"]
    for name in ("a/one.flac", "a/one.wav"):
        shutil.copy(SAMPLE, folder / name)
    for command in (["classify", "a", "-o", "out.csv"], ["replay", "a", "--speed", "max", "--duration", "1", "-q"]):
        assert main([*command, "--model", str(tiny)]) == 1
        assert capsys.readouterr().err == f"realtime-ser: {faults[0]}\n"


def test_places_in_an_output_folder_are_unlike_each_other(folder: Path) -> None:
    places = [recording.place for recording in find_recordings(["a", "b", "-"])]
    assert places == [str(Path("deep/two")), "one", "one.wav", "[x]", "one.wav-2", "stdin"]
    (outside,) = find_recordings(["../../x.wav"])
    assert outside.place == "x"
    long, broken = (recording.place for recording in find_recordings(["x" * 250 + ".wav", "two\nlines.wav"]))
    assert (long, broken) == ("x" * 200, "two\ufffdlines")


def test_a_place_that_is_taken_stays_with_its_recording(folder: Path) -> None:
    taken = {str(Path("a/one.wav")): "one", "gone.wav": str(Path("deep/TWO"))}
    places = {each.path: each.place for each in find_recordings(["a"], places=taken)}
    assert places == {"a/one.flac": "one.flac", "a/one.wav": "one", "a/deep/two.wav": "deep/two.wav"}


def test_what_a_folder_holds_and_nobody_reads_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "b/voice.m4a").write_bytes(b"x")
    notes: list[str] = []
    monkeypatch.setenv("PATH", "")
    assert len(find_recordings(["b"], notes.append)) == 2
    (note,) = notes
    assert "1 file left out (.m4a)" in note


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["c/*.wav"], "nothing matches the pattern c/*.wav"),
        (["@nix.txt"], "cannot read the list nix.txt: No such file"),
        (["@empty.txt"], "names no file"),
        (["empty"], "no audio file in empty"),
        ([], "no recording named"),
        ([""], "'' names no file"),
        (["@"], "'@' names no file"),
    ],
)
def test_what_names_nothing_is_said(folder: Path, names: list[str], words: str) -> None:
    (folder / "empty.txt").write_text("\n \n")
    (folder / "empty").mkdir()
    with pytest.raises(ConfigError) as caught:
        find_recordings(names)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
