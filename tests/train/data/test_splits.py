"""Nobody on both sides, and an audit that notices when somebody is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_ser.errors import ConfigError
from train.data import splits
from train.data.corpora import LABELS
from train.data.manifest import Row


def row(speaker: str, number: int, corpus: str = "ravdess_speech", emotion: str = "sad", gender: str = "male") -> Row:
    path = f"{corpus}/{speaker}-{number}.wav"
    return Row(path, corpus, speaker, emotion, "s", "normal", gender, "speech", 1.0, f"hash of {path}")


def ravdess(corpus: str = "ravdess_speech") -> list[Row]:
    return [
        row(f"ravdess-{actor:02d}", number, corpus, LABELS[number], "male" if actor % 2 else "female")
        for actor in range(1, 25)
        for number in range(8)
    ]


@given(dev=st.integers(0, 8), seed=st.integers(0, 99))
def test_emobox_folds_are_honest_and_test_every_actor_once(dev: int, seed: int) -> None:
    folds = splits.emobox(ravdess() + ravdess("ravdess_song"), dev_speakers=dev, seed=seed)
    assert [problem for fold in folds for problem in splits.audit(fold)] == []
    tested = [one.path for fold in folds for one in fold.test]
    assert sorted(tested) == sorted(one.path for one in ravdess())
    assert {len({one.speaker for one in fold.dev}) for fold in folds} == {dev}


def test_the_first_fold_is_the_published_one() -> None:
    first = splits.emobox(ravdess())[0]
    assert {one.speaker for one in first.test} == {"ravdess-01", "ravdess-11", "ravdess-20", "ravdess-21"}


def test_a_test_actors_song_does_not_train() -> None:
    for fold in splits.emobox(ravdess() + ravdess("ravdess_song"), dev_speakers=0):
        assert not {one.speaker for one in fold.train} & {one.speaker for one in fold.test}


def test_held_out_speakers_are_half_women() -> None:
    _, dev = splits.hold_out(ravdess(), 4, seed=3)
    assert sorted({(one.speaker, one.gender) for one in dev}, key=lambda pair: pair[1])[1][1] == "female"
    assert len({one.speaker for one in dev if one.gender == "female"}) == 2


def test_more_held_out_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot hold 24"):
        splits.hold_out(ravdess(), 24, seed=0)


@given(folds=st.integers(2, 8), seed=st.integers(0, 99))
def test_grouped_folds_are_honest(folds: int, seed: int) -> None:
    made = splits.speaker(ravdess(), folds=folds, dev_speakers=2, seed=seed)
    assert [problem for fold in made for problem in splits.audit(fold)] == []
    assert sum(len(fold.test) for fold in made) == len(ravdess())


def test_leaving_a_corpus_out_keeps_song_and_speech_together() -> None:
    rows = ravdess() + ravdess("ravdess_song") + [row(f"tess-{who}", i, "tess") for who in ("OAF", "YAF") for i in range(8)]
    made = {fold.name: fold for fold in splits.cross(rows, dev_speakers=1)}
    assert {one.corpus for one in made["cross-tess"].test} == {"tess"}
    assert {one.corpus for one in made["cross-ravdess"].train} <= {"tess"}
    assert [problem for fold in made.values() for problem in splits.audit(fold)] == []


def test_a_random_split_leaks_speakers_and_the_audit_names_them() -> None:
    (fold,) = splits.random(ravdess())
    problems = splits.audit(fold)
    assert any("speaker ravdess-" in problem and "both train and test" in problem for problem in problems)


def test_identical_audio_under_two_names_is_a_leak() -> None:
    fold = splits.emobox(ravdess(), dev_speakers=0)[0]
    copied = replace(fold.train[0], sha256=fold.test[0].sha256)
    problems = splits.audit(replace(fold, train=(copied, *fold.train[1:])))
    assert problems == [f"emobox-1: the audio of {copied.path} is in both train and test"]


def test_a_voice_without_a_name_may_be_one_with_a_name() -> None:
    rows = [row(name, n, corpus) for name, corpus in (("folder-unnamed", "folder"), ("folder-ann", "folder_b")) for n in (1, 2)]
    for fold in splits.loso(rows, dev_speakers=0):
        (problem,) = splits.audit(fold)
        assert "folder-unnamed is in " in problem
        assert "may be folder-ann, who is in " in problem
        assert splits.audit(fold, speakers=False) == []
    # Other corpora are of other people.
    others = [replace(one, speaker="tess-1", corpus="tess") if one.corpus == "folder_b" else one for one in rows]
    assert [problem for fold in splits.loso(others, dev_speakers=0) for problem in splits.audit(fold)] == []
    with pytest.raises(ConfigError, match="both sides"):
        splits.between(rows, ["folder"], ["folder_b"])


def test_an_empty_side_is_a_problem() -> None:
    fold = splits.emobox(ravdess())[0]
    assert splits.audit(replace(fold, test=())) == ["emobox-1: nothing to test on"]


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown protocol 'lucky'"):
        splits.make("lucky", ravdess())


def spoken(texts: int = 4) -> list[Row]:
    return [replace(one, sentence=f"s{number % texts}") for number, one in enumerate(ravdess())]


def test_leaving_one_speaker_out_tests_each_alone() -> None:
    made = splits.loso(ravdess(), dev_speakers=2)
    assert len(made) == 24
    assert all(len({one.speaker for one in fold.test}) == 1 for fold in made)
    assert [problem for fold in made for problem in splits.audit(fold)] == []


def test_sentences_are_on_one_side_and_the_audit_checks_it() -> None:
    made = splits.sentence(spoken(), folds=3)
    assert [problem for fold in made for problem in splits.audit(fold, speakers=False, sentences=True)] == []
    assert sum(len(fold.test) for fold in made) == len(spoken())
    assert any("speaker" in problem for problem in splits.audit(made[0]))
    leaking = splits.speaker(spoken(), folds=3)[0]
    assert splits.audit(leaking) == []
    assert any(problem.endswith("sentence s0 is in both train and test") for problem in splits.audit(leaking, sentences=True))


def test_clips_without_a_sentence_are_on_no_side_of_a_split_by_sentence() -> None:
    made = splits.sentence([*spoken(2), replace(row("tess-x", 1), sentence="")])
    assert len(made) == 2
    assert all(one.sentence for fold in made for one in (*fold.train, *fold.test))
    with pytest.raises(ConfigError, match="at least two"):
        splits.sentence(ravdess())


def test_one_corpus_trains_and_another_tests() -> None:
    rows = ravdess() + [row(f"emodb-{who}", i, "emodb") for who in (3, 8) for i in range(8)]
    fold = splits.between(rows, ["ravdess_speech"], ["emodb"])
    assert {one.corpus for one in fold.test} == {"emodb"}
    assert splits.audit(fold) == []
    with pytest.raises(ConfigError, match="both sides"):
        splits.between(rows, ["ravdess_speech"], ["ravdess_song"])


@pytest.mark.parametrize("protocol", splits.PROTOCOLS)
def test_every_protocol_is_made_by_its_name(protocol: str) -> None:
    rows = spoken() + [row(f"tess-{who}", i, "tess") for who in range(6) for i in range(8)]
    made = splits.make(protocol, rows, dev_speakers=2)
    assert all(fold.train and fold.test for fold in made)
