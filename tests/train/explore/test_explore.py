"""What the pictures are made of, on made-up voices, and what may leave the machine."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from synthetic import voice, write_emodb, write_ravdess

from realtime_ser.errors import ConfigError
from train.data import manifest as manifests
from train.data.cache import Item
from train.data.features import read_clip
from train.data.manifest import Manifest, Row
from train.explore import explore, measures, pictures


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    write_ravdess(folder, actors=(1, 2))
    write_emodb(folder)
    return folder


@pytest.fixture(scope="module")
def manifest(root: Path) -> Manifest:
    return manifests.build(root, progress=False)


def row(speaker: str, emotion: str, path: str = "x.wav") -> Row:
    return Row(path, "ravdess_speech", speaker, emotion, "s", "normal", "male", "speech", 1.0, path)


def test_level_and_pitch_of_a_known_voice(tmp_path: Path) -> None:
    import soundfile

    samples = voice(150.0, 0.1, 1.5, 0)
    padded = np.concatenate((np.zeros(8000), samples, np.zeros(8000)))
    soundfile.write(tmp_path / "a.wav", padded, 16_000, subtype="FLOAT")
    level, peak, pitch = measures.clip_measures(Item(tmp_path / "a.wav", 0, 0))["X"][:, 0]
    assert abs(level - 10 * np.log10(np.mean(samples**2))) < 0.5  # the silence around it does not count
    assert level <= peak < level + 6
    assert abs(pitch - 150) < 4


def test_noise_has_no_pitch(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    assert np.isnan(measures.clip_measures(Item(tmp_path / "a.wav", 0, 0))["X"][2, 0])


def test_differences_are_within_a_speaker() -> None:
    rows = [row("a", "angry"), row("a", "sad"), row("b", "angry"), row("b", "sad"), row("c", "angry")]
    found = measures.differences(rows, np.array([-10.0, -30.0, -20.0, -50.0, 0.0]), "angry", "sad")
    assert found.tolist() == [20.0, 30.0]


def test_neighbours_tell_voices_from_emotions() -> None:
    # Two speakers far apart; within each the emotions lie side by side, so a stranger's nearest clip says nothing.
    rows, x = [], []
    for number, speaker in enumerate("ab"):
        for emotion, place in (("sad", 0.0), ("sad", 0.1), ("happy", 1.0), ("happy", 1.1)):
            rows.append(row(speaker, emotion))
            x.append([10.0 * number, place if number == 0 else 1.1 - place])
    found = measures.neighbours(rows, np.array(x))
    assert (found.speaker, found.anyone, found.strangers) == (100, 100, 0)
    assert found.speaker_chance == pytest.approx(100 * 3 / 7)


def test_the_plane_holds_the_widest_directions() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (200, 5)) * np.array([5, 3, 0.1, 0.1, 0.1])
    xy, share = measures.plane(x - x.mean(axis=0))
    assert 0.6 < share[0] < 0.85
    assert sum(share) > 0.99
    assert xy.std(axis=0) == pytest.approx([5, 3], rel=0.15)


def test_groups_explain_all_or_nothing() -> None:
    x = np.array([[0.0], [0.0], [2.0], [2.0]])
    assert measures.explained(["a", "a", "b", "b"], x) == pytest.approx(1)
    assert measures.explained(["a", "b", "a", "b"], x) == pytest.approx(0)


@pytest.mark.slow
def test_one_actor_and_one_line_in_every_emotion(manifest: Manifest) -> None:
    chosen = pictures.choose(manifest.rows)
    assert {name: len(part) for name, part in chosen.items()} == {"speech": 8, "song": 6}
    clips = [clip for part in chosen.values() for clip in part.values()]
    assert len({(clip.speaker, clip.sentence) for clip in clips}) == 1
    assert all(clip.intensity == "strong" for clip in clips if clip.emotion != "neutral")


@pytest.mark.slow
def test_the_page_holds_every_picture_and_the_findings(root: Path, manifest: Manifest, tmp_path: Path) -> None:
    page = explore(root, manifest, tmp_path / "cache", tmp_path / "out", progress=False)
    drawn = sorted(path for path in (tmp_path / "out").rglob("*.png"))
    names = {path.name for path in drawn}
    assert {"counts.png", "level.png", "pitch.png", "duration.png", "pca.png", "neighbours.png"} <= names
    assert {"waveform.png", "stft.png", "mel.png", "log-frequency.png", "mfcc.png", "chroma.png"} <= names
    text = page.read_text(encoding="utf-8")
    inside = {base64.b64decode(data) for data in re.findall(r"base64,([^']+)'", text)}
    assert inside == {path.read_bytes() for path in drawn}
    (apart,) = re.findall(r"RAVDESS speech: angry lies ([\d.]+) dB above sad", text)
    assert abs(float(apart) - 20) < 1.5  # as the voices were made
    assert "src='http" not in text


@pytest.mark.slow
def test_without_clips_only_aggregates_are_drawn(root: Path, manifest: Manifest, tmp_path: Path) -> None:
    page = explore(root, manifest, tmp_path / "cache", tmp_path / "out", clips=False, progress=False)
    assert not (tmp_path / "out" / "clips").exists()
    assert "One voice" not in page.read_text(encoding="utf-8")


def test_an_empty_manifest_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="empty"):
        explore(tmp_path, Manifest(()), tmp_path, tmp_path)


@pytest.mark.slow
def test_a_second_look_takes_the_measures_from_the_cache(root: Path, manifest: Manifest, tmp_path: Path) -> None:
    first = measures.measure(root, manifest.rows, tmp_path, progress=False)
    (tmp_path / "elsewhere").mkdir()
    second = measures.measure(tmp_path / "elsewhere", manifest.rows, tmp_path, progress=False)  # no audio there
    assert np.array_equal(first.level_db, second.level_db)
    assert len(first.level_db) == len(manifest.rows)
    assert read_clip(root / manifest.rows[0].path, 16_000).dtype == np.float32
