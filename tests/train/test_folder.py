"""A user's own recordings: folders by label, or a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from train import manifest
from train.corpora import scan


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folders_are_labels_and_speakers(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "folder/SADNESS/ann/1.wav",
        "folder/angry/ann/2.flac",
        "folder/angry/3.wav",
        "folder/smug/4.wav",
        "folder/5.wav",
    )
    found = scan(tmp_path, ["folder"])
    assert {(clip.emotion, clip.speaker) for clip in found.clips} == {
        ("sad", "folder-ann"),
        ("angry", "folder-ann"),
        ("angry", "folder-unnamed"),
    }
    assert dict(found.left_out) == {
        "folder/smug/4.wav": "unknown emotion 'smug'",
        "folder/5.wav": "expected LABEL/file or LABEL/SPEAKER/file",
    }


def test_a_table_names_label_speaker_and_more(tmp_path: Path) -> None:
    touch(tmp_path, "folder_work/a/1.wav", "folder_work/2.wav", "folder_work/stray.wav")
    lines = [
        "path,label,speaker,sentence,gender",
        "a/1.wav,Happiness,ann,hello,female",
        "2.wav,sad,,,",
        "3.txt,sad,bob,,",
        "../outside.wav,sad,bob,,",
        "2.wav,sad,bob,,woman",
    ]
    (tmp_path / "folder_work" / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    found = scan(tmp_path)
    first, second = found.clips
    assert (first.path, first.emotion, first.speaker) == ("folder_work/a/1.wav", "happy", "folder_work-ann")
    assert (first.sentence, first.gender, first.channel, first.corpus) == (
        "folder_work-hello",
        "female",
        "speech",
        "folder_work",
    )
    assert (second.speaker, second.sentence) == ("folder_work-unnamed", "")
    reasons = dict(found.left_out)
    assert "no audio file" in reasons["folder_work/clips.csv:4"]
    assert "no audio file" in reasons["folder_work/clips.csv:5"]
    assert "gender 'woman'" in reasons["folder_work/clips.csv:6"]
    assert reasons["folder_work/stray.wav"] == "not in clips.csv"


def test_a_table_without_its_columns_says_so(tmp_path: Path) -> None:
    touch(tmp_path, "folder/1.wav")
    (tmp_path / "folder" / "clips.csv").write_text("path,emotion\n1.wav,sad\n")
    assert scan(tmp_path, ["folder"]).left_out == [("folder/clips.csv", "lacks the columns label, speaker")]


def test_listed_audio_that_is_not_there_is_left_out_of_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    soundfile.write(tmp_path / "folder" / "1.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    (tmp_path / "folder" / "clips.csv").write_text("path,label,speaker\n1.wav,sad,ann\n2.wav,sad,ann\n1.wav,sad,bob\n")
    built = manifest.build(tmp_path, progress=False)
    assert [row.path for row in built.rows] == ["folder/1.wav"]
    reasons = [reason for _, reason in built.left_out]
    assert reasons[0].startswith("unreadable")
    assert reasons[1] == "the same audio as folder/1.wav"


def test_nobodys_folder_is_not_missed(tmp_path: Path) -> None:
    assert "folder" not in scan(tmp_path).absent
    assert scan(tmp_path, ["folder_x"]).absent == ["folder_x"]
    assert pytest.approx(len(scan(tmp_path).absent)) == 8
