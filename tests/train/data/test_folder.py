"""A user's own recordings: folders by label, or a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_ser.errors import ConfigError
from train.__main__ import main
from train.data import manifest
from train.data.corpora import CORPORA, scan


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
    }
    reasons = dict(found.left_out)
    assert reasons.keys() == {"folder/angry/3.wav", "folder/smug/4.wav", "folder/5.wav"}
    # Its voice may be Ann's.
    assert reasons["folder/angry/3.wav"].startswith("has no speaker's folder as folder/SADNESS/ann/1.wav has")
    assert reasons["folder/smug/4.wav"].startswith("unknown emotion 'smug'; known are angry, calm")
    assert "expected LABEL/file or LABEL/SPEAKER/file" in reasons["folder/5.wav"]


@pytest.mark.parametrize(
    ("place", "label", "speaker", "gender"),
    [
        ("ann/happy/1.wav", "happy", "ann", ""),
        ("train/sadness/1.wav", "sad", "unnamed", ""),
        ("test/SAD/bob/1.wav", "sad", "bob", ""),
        ("wav/bob/Angry/1.mp3", "angry", "bob", ""),
        ("female/ann/fear/1.wav", "fearful", "ann", "female"),
        ("ann/01_pleasant surprise/1.wav", "surprised", "ann", ""),
        ("happy_01.wav", "happy", "unnamed", ""),
        ("ann/take-3-Neutral.wav", "neutral", "ann", ""),
        ("03 calm.aiff", "calm", "unnamed", ""),
    ],
)
def test_labels_and_speakers_are_found_where_people_put_them(
    place: str, label: str, speaker: str, gender: str, tmp_path: Path
) -> None:
    touch(tmp_path, f"folder/{place}", "folder/._1.wav")
    (clip,) = scan(tmp_path, ["folder"]).clips
    assert (clip.emotion, clip.speaker, clip.gender) == (label, f"folder-{speaker}", gender)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("session1/happy/ann/1.wav", "which of 'session1' and 'ann' is the speaker"),
        ("happy/sad/1.wav", "more than one emotion: happy, sad"),
        ("ann/monday/1.wav", "none of 'ann', 'monday' is a known emotion"),
        ("happy/1.m4a", ".m4a is not read; convert it: ffmpeg -i IN.m4a OUT.wav"),
        ("labels.xlsx", "a table of clips is called clips.csv"),
    ],
)
def test_what_is_not_clear_is_left_out_with_its_reason(place: str, reason: str, tmp_path: Path) -> None:
    touch(tmp_path, f"folder/{place}")
    found = scan(tmp_path, ["folder"])
    assert not found.clips
    assert reason in dict(found.left_out)[f"folder/{place}"]


TABLES = {
    "Windows-1252, semicolons": "Datei;Path;Label\n1;ä.wav;happy\n2;b.wav;sad\n".encode("cp1252"),
    "UTF-16, tabs": "file\temotion\r\nä.wav\thappy\r\nb.wav\tsad\r\n".encode("utf-16"),
    "UTF-16 without its mark": "file\temotion\r\nä.wav\thappy\r\nb.wav\tsad\r\n".encode("utf-16-be"),
    "a mark, blanks, quotes": 'Path, Label\nä.wav, Happy \n"b.wav", "SAD"\n,\n'.encode("utf-8-sig"),
    "a hint of the separator": "sep=;\r\nFile Name;Class\r\nä.wav;happiness\r\nb.wav;sadness\r\n".encode(),
    "line ends of old": b"filename,category\ra\xcc\x88.wav,happy\rb.wav,sad\r",
    "no heading": "happy|ä.wav\nsad|b.wav\n".encode(),
    "headings that say nothing": "one,two\nä.wav,happy\nb.wav,sad\n".encode(),
    "numbers and words": "file,label,emotion\nä.wav,4,happy\nb.wav,5,sad\n".encode(),
    "names without their suffix": "file,emotion\nä,happy\nB,sad\n".encode(),
    "another machine's paths": "path,emotion\nC:\\Users\\me\\folder\\ä.wav,happy\n/home/me/b.wav,sad\n".encode(),
    "the folder's own name": "path,emotion\nfolder/ä.wav,happy\n./b.wav,sad\n".encode(),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_read_as_a_spreadsheet_writes_it(kind: str, tmp_path: Path) -> None:
    touch(tmp_path, "folder/ä.wav", "folder/b.wav")
    (tmp_path / "folder" / "clips.csv").write_bytes(TABLES[kind])
    found = scan(tmp_path, ["folder"])
    assert [(clip.path, clip.emotion, clip.speaker) for clip in found.clips] == [
        ("folder/ä.wav", "happy", "folder-unnamed"),
        ("folder/b.wav", "sad", "folder-unnamed"),
    ]
    assert not found.left_out


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (b"foo,bar\n1,2\n", "folder/clips.csv lacks the columns path, label; it has 'foo', 'bar'"),
        (b"path,who\n1.wav,ann\n", "folder/clips.csv lacks the column label; it has 'path', 'who'"),
        (b"", "folder/clips.csv is empty"),
        (b"PK\x03\x04 a workbook", "folder/clips.csv is a workbook; save it as CSV"),
        (b"path,label\n1.wav,2\n", "folder/clips.csv:2 unknown emotion '2'; known are angry"),
        (b"path,label\n2.wav,sad\n", "folder/clips.csv:2 '2.wav' is no file in this folder"),
        (b"path,label\n1.wav,\n", "folder/clips.csv:2 names no emotion"),
        (b"path,label\n1.wav,bored\n", "nothing to learn: the labels of folder are bored, none of angry, calm"),
    ],
)
def test_when_nothing_is_left_the_reason_is_said_in_one_line(
    table: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    soundfile.write(tmp_path / "folder" / "1.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    (tmp_path / "folder" / "clips.csv").write_bytes(table)
    common = ["--corpora", str(tmp_path), "--cache", str(tmp_path / "cache"), "--set", "train.use=[folder]"]
    assert main(["prepare", *common]) == 2
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "train: " in line]
    assert reason in said


def test_recordings_that_no_setting_uses_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder_mine" / "sad").mkdir(parents=True)
    soundfile.write(tmp_path / "folder_mine" / "sad" / "1.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    common = ["--corpora", str(tmp_path), "--cache", str(tmp_path / "cache")]
    for verb in ("prepare", "audit"):
        assert main([verb, *common]) == 2
        assert "use them with --set 'train.use=[folder_mine]'" in capsys.readouterr().err


def test_the_wrong_folder_is_told_from_the_right_one(tmp_path: Path) -> None:
    touch(tmp_path, "folder/sad/1.wav")
    with pytest.raises(ConfigError, match="give the folder around it"):
        manifest.build(tmp_path / "folder", progress=False)
    touch(tmp_path, "mine/sad/1.wav")
    with pytest.raises(ConfigError, match=r"put your own recordings into .*mine/folder"):
        manifest.build(tmp_path / "mine", progress=False)


def test_a_table_names_label_speaker_and_more(tmp_path: Path) -> None:
    touch(tmp_path, "folder_work/a/1.wav", "folder_work/2.wav", "folder_work/b.wav", "folder_work/stray.wav")
    lines = [
        "path,label,speaker,sentence,gender",
        "a/1.wav,Happiness,ann,hello,F",
        "2.wav,sad,Bob,,",
        "3.txt,sad,bob,,",
        "../outside.wav,sad,bob,,",
        "b.wav,sad,bob,,robot",
    ]
    (tmp_path / "folder_work" / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    found = scan(tmp_path)
    first, second = found.clips
    assert (first.path, first.emotion, first.speaker) == ("folder_work/a/1.wav", "happy", "folder-ann")
    assert (first.sentence, first.gender, first.channel, first.corpus) == (
        "folder_work-hello",
        "female",
        "speech",
        "folder_work",
    )
    assert (second.speaker, second.sentence) == ("folder-bob", "")
    reasons = dict(found.left_out)
    assert "no audio file" in reasons["folder_work/clips.csv:4"]
    assert "no audio file" in reasons["folder_work/clips.csv:5"]
    assert "gender 'robot'" in reasons["folder_work/clips.csv:6"]
    assert reasons["folder_work/stray.wav"] == "not in clips.csv"


def test_one_name_is_one_speaker_in_any_case_and_in_every_folder(tmp_path: Path) -> None:
    touch(tmp_path, "folder/sad/Zoë/1.wav", "folder/happy/ZOE\u0308/2.wav", "folder_b/sad/zoë/1.wav", "folder_c/3.wav")
    (tmp_path / "folder_c" / "clips.csv").write_text("path,label,speaker\n3.wav,sad,ZOË\n", encoding="utf-8")
    assert {clip.speaker for clip in scan(tmp_path).clips} == {"folder-zoë"}


def test_folders_without_names_are_one_speaker_together(tmp_path: Path) -> None:
    touch(tmp_path, "folder/sad/1.wav", "folder_b/happy_2.wav")
    assert {clip.speaker for clip in scan(tmp_path).clips} == {"folder-unnamed"}


def test_a_table_that_names_some_speakers_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, *(f"folder/{n}.wav" for n in range(4)))
    table = tmp_path / "folder" / "clips.csv"
    table.write_text("path,label,speaker\n0.wav,sad,ann\n1.wav,sad,\n2.wav,sad,bob\n3.wav,sad, \n")
    found = scan(tmp_path, ["folder"])
    assert not found.clips
    (reason,) = [reason for path, reason in found.left_out if path == "folder/clips.csv"]
    assert reason == "names no speaker in line 3 (and 1 more) but does in others; name the speaker in every line or in none"
    table.write_text("path,label,speaker\n0.wav,sad,\n1.wav,sad,\n2.wav,sad,\n3.wav,sad,\n")
    assert {clip.speaker for clip in scan(tmp_path, ["folder"]).clips} == {"folder-unnamed"}


def test_what_is_not_there_or_listed_twice_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    soundfile.write(tmp_path / "folder" / "1.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    (tmp_path / "folder" / "clips.csv").write_text("path,label,speaker\n1.wav,sad,ann\n2.wav,sad,ann\n1.wav,sad,bob\n")
    built = manifest.build(tmp_path, progress=False)
    assert [row.path for row in built.rows] == ["folder/1.wav"]
    assert built.left_out == (
        ("folder/clips.csv:3", "'2.wav' is no file in this folder"),
        ("folder/clips.csv:4", "folder/1.wav is in line 2 already, with other values"),
    )


def test_nobodys_folder_is_not_missed(tmp_path: Path) -> None:
    assert "folder" not in scan(tmp_path).absent
    assert scan(tmp_path, ["folder_x"]).absent == ["folder_x"]
    assert set(scan(tmp_path).absent) == set(CORPORA) - {"folder"}
