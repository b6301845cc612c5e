"""What counts as a usable clip, and files that are whole or absent."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_ser.errors import ConfigError
from train.atomic import replacing, write_text
from train.data import manifest
from train.data.manifest import Manifest

RATE = 16_000


def write(folder: Path, name: str, samples: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / name, samples, RATE, subtype="PCM_16")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    speech, rng = tmp_path / "ravdess_speech", np.random.default_rng(0)
    first = rng.normal(0, 0.1, RATE)
    write(speech, "03-01-01-01-01-01-01.wav", first)
    write(speech, "03-01-01-01-01-02-01.wav", first)
    write(speech, "03-01-03-01-01-01-02.wav", rng.normal(0, 0.1, 2 * RATE))
    write(speech, "03-01-04-01-01-01-02.wav", np.zeros(RATE))
    write(speech, "03-01-05-01-01-01-02.wav", rng.normal(0, 0.1, 100))
    write(speech, "03-01-06-01-01-01-02.wav", np.zeros(0))
    (speech / "03-01-07-01-01-01-02.wav").write_bytes(b"RIFF and nothing more")
    return tmp_path


def test_unusable_audio_is_left_out_with_its_reason(folder: Path) -> None:
    built = manifest.build(folder, progress=False)
    assert [(row.emotion, row.duration_s) for row in built.rows] == [("neutral", 1.0), ("happy", 2.0)]
    reasons = {path[-24:]: reason for path, reason in built.left_out}
    assert reasons["03-01-01-01-01-02-01.wav"] == "the same audio as ravdess_speech/03-01-01-01-01-01-01.wav"
    assert reasons["03-01-04-01-01-01-02.wav"] == "digital silence"
    assert reasons["03-01-05-01-01-01-02.wav"] == "shorter than 0.5 s"
    assert reasons["03-01-06-01-01-01-02.wav"] == "empty"
    assert reasons["03-01-07-01-01-01-02.wav"].startswith("unreadable: ")
    assert "tess" in built.absent


def test_a_manifest_survives_its_file(folder: Path) -> None:
    built = manifest.build(folder, progress=False)
    manifest.save(built, folder / "manifest.csv")
    loaded = manifest.load(folder / "manifest.csv")
    assert (loaded.rows, loaded.left_out, loaded.key()) == (built.rows, built.left_out, built.key())


def test_the_key_changes_with_the_audio(folder: Path) -> None:
    before = manifest.build(folder, progress=False).key()
    write(folder / "ravdess_speech", "03-01-03-01-01-01-02.wav", np.random.default_rng(1).normal(0, 0.1, RATE))
    assert manifest.build(folder, progress=False).key() != before


def test_a_key_changes_with_the_labels_it_is_asked_for(folder: Path) -> None:
    built = manifest.build(folder, progress=False)
    first, *rest = built.rows
    for name in ("corpus", "speaker", "emotion", "gender"):
        changed = Manifest((replace(first, **{name: "another"}), *rest))
        assert changed.key() == built.key()
        assert changed.key(name) != built.key(name)


def test_an_unchanged_file_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = folder / "known.json"
    first = manifest.build(folder, memory=memory, progress=False)
    read: list[str] = []
    facts = manifest._facts
    monkeypatch.setattr(manifest, "_facts", lambda path: (read.append(path.name), facts(path))[1])
    assert manifest.build(folder, memory=memory, progress=False) == first
    assert read == []
    write(folder / "ravdess_speech", "03-01-03-01-01-01-02.wav", np.random.default_rng(1).normal(0, 0.1, RATE))
    changed = manifest.build(folder, memory=memory, progress=False)
    assert read == ["03-01-03-01-01-01-02.wav"]
    assert changed.rows[1].duration_s == 1.0


@pytest.mark.parametrize("damage", ["", "[1]", '{"a": [1]}', '{"a": 3}'])
def test_a_damaged_memory_is_only_a_cache(folder: Path, damage: str) -> None:
    memory = folder / "known.json"
    memory.write_text(damage)
    assert manifest.build(folder, memory=memory, progress=False) == manifest.build(folder, progress=False)


def test_rows_are_picked_by_their_fields(folder: Path) -> None:
    built = manifest.build(folder, progress=False)
    assert [row.speaker for row in built.where(gender="female")] == ["ravdess-02"]
    assert len(built.where(emotion=("happy", "neutral"))) == 2


def test_the_summary_counts_by_corpus_gender_and_emotion(folder: Path) -> None:
    lines = [line.split() for line in manifest.summary(manifest.build(folder, progress=False)).splitlines()]
    assert lines[0] == ["corpus", "gender", "speakers", "minutes", "longest", "happy", "neutral", "all"]
    assert lines[1] == ["ravdess_speech", "female", "1", "0", "2.0", "s", "1", "1"]
    assert [line[0] for line in lines[2:]] == ["male", "all"]
    assert lines[3][-3:] == ["1", "1", "2"]


def test_a_missing_or_foreign_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train prepare"):
        manifest.load(tmp_path / "manifest.csv")
    (tmp_path / "manifest.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="no manifest"):
        manifest.load(tmp_path / "manifest.csv")


def test_no_corpus_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no usable clip"):
        manifest.build(tmp_path, progress=False)


def test_a_file_is_whole_or_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old")
    with contextlib.suppress(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [item.name for item in path.parent.iterdir()] == ["file.txt"]


def test_float_files_are_read_like_others(folder: Path) -> None:
    """libsndfile does not scale floats that are read as integers: quiet files were silence."""
    speech, samples = folder / "ravdess_speech", np.random.default_rng(7).normal(0, 0.1, RATE).clip(-1, 1)
    for name, subtype in (("03-01-03-01-01-01-05.wav", "FLOAT"), ("03-01-03-01-01-01-06.wav", "DOUBLE")):
        soundfile.write(speech / name, samples * (1 + (subtype == "DOUBLE") / 10), RATE, subtype=subtype)
    samples[100] = np.nan
    soundfile.write(speech / "03-01-03-01-01-01-07.wav", samples, RATE, subtype="FLOAT")
    built = manifest.build(folder, progress=False)
    assert {row.path[-6:-4] for row in built.rows} == {"01", "02", "05", "06"}
    assert dict(built.left_out)["ravdess_speech/03-01-03-01-01-01-07.wav"].startswith("holds numbers that are no audio")
    samples = samples.astype(np.float32)
    pcm = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767)
    soundfile.write(speech / "03-01-03-01-01-01-08.wav", pcm[200:].astype(np.int16), RATE)
    soundfile.write(speech / "03-01-03-01-01-01-09.wav", samples[200:], RATE, subtype="FLOAT")
    again = manifest.build(folder, progress=False)
    same = "the same audio as ravdess_speech/03-01-03-01-01-01-08.wav"
    assert dict(again.left_out)["ravdess_speech/03-01-03-01-01-01-09.wav"] == same


def test_a_name_that_is_not_utf8_is_left_out_and_named(folder: Path) -> None:
    """It ended in a traceback, without a manifest."""
    odd = folder / "folder" / "happy" / "Jos\udce9"
    write(folder, "a.wav", np.random.default_rng(3).normal(0, 0.1, RATE))
    try:
        odd.mkdir(parents=True)
        (folder / "a.wav").rename(odd / "a.wav")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes UTF-8 names only")
    built = manifest.build(folder, progress=False)
    assert dict(built.left_out)["folder/happy/Jos\\udce9/a.wav"] == "its name is not UTF-8; rename it"
    manifest.save(built, folder / "manifest.csv")
    assert manifest.load(folder / "manifest.csv").left_out == built.left_out
