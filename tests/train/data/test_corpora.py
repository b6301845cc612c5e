"""File names of the public corpora, and what a scan does with those that break the rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_ser.errors import ConfigError
from train.data.corpora import CORPORA, UnknownNameError, corpora_folder, reserved, scan


@pytest.mark.parametrize(
    ("corpus", "name", "expected"),
    [
        ("ravdess_speech", "03-01-06-01-02-01-12.wav", ("ravdess-12", "fearful", "ravdess-02", "normal", "female", "speech")),
        ("ravdess_speech", "03-01-08-02-01-02-07.flac", ("ravdess-07", "surprised", "ravdess-01", "strong", "male", "speech")),
        ("ravdess_song", "03-02-02-01-01-01-01.wav", ("ravdess-01", "calm", "ravdess-01", "normal", "male", "song")),
        ("tess", "OAF_back_ps.wav", ("tess-OAF", "surprised", "tess-back", "", "female", "speech")),
        ("tess", "OA_bite_neutral.wav", ("tess-OAF", "neutral", "tess-bite", "", "female", "speech")),
        ("tess", "YAF_Jar_fear.wav", ("tess-YAF", "fearful", "tess-jar", "", "female", "speech")),
        ("emodb", "03a01Fa.wav", ("emodb-03", "happy", "emodb-a01", "", "male", "speech")),
        ("emodb", "16b10Lb.flac", ("emodb-16", "bored", "emodb-b10", "", "female", "speech")),
        ("nemo", "EB0_anger_1.wav", ("nemo-EB0", "angry", "nemo-1", "", "", "speech")),
        ("crema_d", "1001_DFA_ANG_XX.wav", ("crema_d-1001", "angry", "crema_d-DFA", "", "male", "speech")),
        ("crema_d", "1091_IEO_SAD_HI.wav", ("crema_d-1091", "sad", "crema_d-IEO", "strong", "female", "speech")),
        ("savee", "DC_sa01.wav", ("savee-DC", "sad", "savee-common01", "", "male", "speech")),
        ("savee", "DC/sa01.wav", ("savee-DC", "sad", "savee-common01", "", "male", "speech")),
        ("savee", "AudioData/KL/n30.wav", ("savee-KL", "neutral", "savee-n30", "", "male", "speech")),
        ("savee", "JE_su15.wav", ("savee-JE", "surprised", "savee-su15", "", "male", "speech")),
        ("jl", "female1_angry_1a_1.wav", ("jl-female1", "angry", "jl-1a", "", "female", "speech")),
        ("jl", "male2_excited_15b_2.wav", ("jl-male2", "excited", "jl-15b", "", "male", "speech")),
        ("nemo", "MK0_surprised_87.flac", ("nemo-MK0", "surprised", "nemo-87", "", "", "speech")),
        ("emovo", "gio-f1-b1.opus", ("emovo-f1", "happy", "emovo-b1", "", "female", "speech")),
        ("emovo", "tri-m3-d2.wav", ("emovo-m3", "sad", "emovo-d2", "", "male", "speech")),
        ("ased", "n2-01-01-01-05.opus", ("ased-01-05", "neutral", "ased-n-01", "", "female", "speech")),
        ("ased", "a5-02-03-02-05.opus", ("ased-02-05", "angry", "ased-a-02", "", "male", "speech")),
        ("speechocean", "030070135.opus", ("speechocean-03007", "plain", "", "", "", "speech")),
        ("librispeech", "103-1240-0000.opus", ("librispeech-103", "plain", "", "", "", "speech")),
        (
            "sounds",
            "esc_dog_bark_1-100032-A.opus",
            ("sounds-esc_dog_bark_1-100032-A", "nobody", "esc_dog_bark", "", "", "speech"),
        ),
        (
            "sounds",
            "speechcommands_wind.opus",
            ("sounds-speechcommands_wind", "nobody", "speechcommands_wind", "", "", "speech"),
        ),
    ],
)
def test_a_name_says_who_what_and_how(corpus: str, name: str, expected: tuple[str, ...]) -> None:
    clip = CORPORA[corpus].parse(Path(corpus) / name)
    assert (clip.speaker, clip.emotion, clip.sentence, clip.intensity, clip.gender, clip.channel) == expected
    assert (clip.corpus, clip.path) == (corpus, f"{corpus}/{name}")


@pytest.mark.parametrize(
    ("corpus", "name"),
    [
        ("ravdess_speech", "03-01-09-01-01-01-01.wav"),  # no ninth emotion
        ("ravdess_speech", "03-01-06-01-02-01-25.wav"),  # no actor 25
        ("ravdess_speech", "01-01-06-01-02-01-12.wav"),  # video
        ("tess", "OAF_back.wav"),
        ("emovo", "neu-f4-b1.opus"),  # no such actor
        ("emovo", "xxx-f1-b1.opus"),
        ("ased", "d2-01-01-01-05.opus"),  # no disgust in it
        ("speechocean", "03007.opus"),
        ("librispeech", "103-1240.opus"),
        ("sounds", "dog.opus"),
        ("tess", "XYZ_back_angry.wav"),
        ("tess", "OAF_back_joyful.wav"),
        ("emodb", "03a01Xa.wav"),
        ("emodb", "04a01Fa.wav"),  # no such speaker
        ("crema_d", "1092_DFA_ANG_XX.wav"),  # no such actor
        ("crema_d", "1001_XYZ_ANG_XX.wav"),
        ("crema_d", "1001_DFA_CAL_XX.wav"),
        ("savee", "sa01.wav"),  # whose?
        ("savee", "XY_sa01.wav"),
        ("savee", "DC_sa16.wav"),
        ("savee", "DC_x01.wav"),
        ("jl", "female3_angry_1a_1.wav"),
        ("jl", "female1_bored1_1a_1.wav"),
        ("nemo", "EB0_rage_1.wav"),
        ("nemo", "notes.wav"),
    ],
)
def test_a_name_that_breaks_the_rule_is_refused(corpus: str, name: str) -> None:
    with pytest.raises(UnknownNameError):
        CORPORA[corpus].parse(Path(corpus) / name)


def test_a_scan_lists_what_it_left_out_and_what_is_absent(tmp_path: Path) -> None:
    folder = tmp_path / "ravdess_speech" / "Actor_12"
    folder.mkdir(parents=True)
    for name in ("03-01-06-01-02-01-12.wav", "03-02-06-01-02-01-12.wav", "holiday.wav", "readme.txt"):
        (folder / name).touch()
    found = scan(tmp_path, ["ravdess_speech", "tess"])
    assert [clip.path for clip in found.clips] == ["ravdess_speech/Actor_12/03-01-06-01-02-01-12.wav"]
    assert {path.rpartition("/")[2] for path, _ in found.left_out} == {"03-02-06-01-02-01-12.wav", "holiday.wav"}
    assert found.absent == ["tess"]


def test_an_unknown_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown corpus 'tes'"):
        scan(tmp_path, ["tes"])


def test_the_folder_given_wins_and_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("REALTIME_SER_CORPORA", str(other))
    assert corpora_folder(tmp_path) == tmp_path
    assert corpora_folder(None) == other
    with pytest.raises(ConfigError, match="--corpora"):
        corpora_folder(tmp_path / "nowhere")


@pytest.mark.slow
@pytest.mark.corpus
def test_every_file_of_the_corpora_parses(corpora: Path) -> None:
    found = scan(corpora)
    assert found.left_out == []
    count = {name: sum(clip.corpus == name for clip in found.clips) for name in CORPORA}
    assert count["ravdess_speech"] == 1440
    assert {clip.speaker for clip in found.clips if clip.corpus == "emodb"} == {
        f"emodb-{n:02d}" for n in (3, 8, 9, 10, 11, 12, 13, 14, 15, 16)
    }


def test_the_test_parts_never_train() -> None:
    names = {
        "speechocean": ["000150001", "000160001", "000100002"],
        "librispeech": ["103-1240-0000", "200-1-0000", "105-1-0000"],
        "ased": ["n2-01-01-01-05"],
        "sounds": [
            "esc_baby_cry_1-187207-A", "esc_baby_cry_1-211527-A", "esc_rain_1-17367-A", "esc_rain_1-21189-A", "esc_rain_6-1-A",
            "esc_rain_11-1-A",
        ],
        "emovo": ["gio-f1-b1"],
    }  # fmt: skip
    clips = [CORPORA[name].parse(Path(name) / f"{stem}.opus") for name, stems in names.items() for stem in stems]
    kept = {Path(clip.path).stem for clip in reserved.test_only(clips)}
    assert kept == {
        "000150001", "000100002", "200-1-0000", "105-1-0000", "n2-01-01-01-05", "esc_baby_cry_1-187207-A", "esc_rain_1-17367-A",
        "esc_rain_11-1-A",
    }  # fmt: skip
    assert {Path(clip.path).stem for clip in reserved.may_train(clips)} == {Path(clip.path).stem for clip in clips} - kept


def test_a_sound_is_reserved_whichever_others_are_there() -> None:
    names = reserved._SOUNDS.read_text(encoding="utf-8").split()
    clips = [CORPORA["sounds"].parse(Path("sounds") / f"{name}.opus") for name in names]
    every = reserved.test_only(clips)
    assert [clip.path for clip in every] == [clip.path for clip in sorted(clips, key=lambda clip: clip.path)[::4]]
    assert (len(clips), len(every)) == (389, 98)
    for fewer in (clips[1:], clips[::-3], clips[:7]):
        assert reserved.test_only(fewer) == [clip for clip in fewer if clip in every]


@pytest.mark.slow
@pytest.mark.corpus
def test_the_listed_sounds_are_those_of_the_corpus(corpora: Path) -> None:
    names = [Path(clip.path).stem for clip in scan(corpora, ["sounds"]).clips]
    assert names == reserved._SOUNDS.read_text(encoding="utf-8").split()
