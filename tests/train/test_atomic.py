"""Folders that are whole or absent, also with two processes at work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from realtime_ser.errors import SinkError
from train.atomic import placing, replacing_bundle, sweep


def filled(folder: Path, text: str) -> None:
    with placing(folder, "index") as own:
        assert own.parent == folder.parent
        (own / "data").write_text(text)
        (own / "index").write_text("whole")


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "some" / "part-0"
    with placing(target, "index") as own:
        (own / "index").write_text("whole")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["part-0"]
    assert (target / "index").read_text() == "whole"


def test_what_another_process_has_put_there_stays(tmp_path: Path) -> None:
    target = tmp_path / "part-0"
    with placing(target, "index") as own:
        (own / "data").write_text("second")
        filled(target, "first")
    assert (target / "data").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["part-0"]


def test_a_folder_that_is_not_whole_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "part-0"
    target.mkdir()
    (target / "data").write_text("half")
    filled(target, "whole")
    assert (target / "data").read_text() == "whole"


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def failing(error: BaseException) -> None:
        with placing(tmp_path / "part-0", "index") as own:
            (own / "data").write_text("half")
            raise error

    with pytest.raises(KeyboardInterrupt):
        failing(KeyboardInterrupt())
    with pytest.raises(SinkError, match="part-0: full"):
        failing(OSError(28, "full"))
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_swept_up_when_it_is_old(tmp_path: Path) -> None:
    old, busy = tmp_path / ".part-0.aaa.part", tmp_path / ".part-0.bbb.part"
    for folder in (old, busy):
        folder.mkdir()
        (folder / "data").write_text("half")
    os.utime(old / "data", (0, 0))
    for folder in (old, busy):
        os.utime(folder, (0, 0))  # a folder's own time does not change while a file in it grows
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [busy.name]
    sweep(tmp_path / "none")


def test_a_bundle_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """An invalid card replaced a good network."""
    path = tmp_path / "weights" / "mlp.onnx"

    def write(text: str) -> None:
        with replacing_bundle(path) as made:
            assert made.name == path.name
            made.write_text(f"network {text}")
            if text == "bad":
                raise ValueError(text)
            made.with_suffix(".json").write_text(f"card {text}")

    write("good")
    with pytest.raises(ValueError, match="bad"):
        write("bad")
    assert {each.name: each.read_text() for each in path.parent.iterdir()} == {
        "mlp.onnx": "network good",
        "mlp.json": "card good",
    }
    write("better")
    assert path.read_text() == "network better"
