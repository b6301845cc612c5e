"""Profiles on disk: whole, private, added to by every run; what cannot be used is said, left alone, and no run ends of it."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundles import RATE, Samples, write_bundle
from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.profiles.file import read_profile
from realtime_ser.profiles.folder import FOLDER_VARIABLE, find_profile, list_profiles, remove_profile
from realtime_ser.profiles.run import OpenProfile, open_profile, open_profile_file

CONFIG = Config(gate=GateConfig(enabled=False))


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    section: dict[str, Any] = {"mean": [0.0] * 64, "deviation": [12.0] * 64, "prior_s": 4.0, "memory_s": 40.0}
    folder = tmp_path_factory.mktemp("cards")
    return {
        name: write_bundle(folder / name, "stacked", name=name.partition(" ")[0], normalisation=section, **more)
        for name, more in (("one", {}), ("other", {}), ("one later", {"front_end": {"fmax": 7000.0}}))
    }


@pytest.fixture(scope="module")
def model(cards: dict[str, Path]) -> Classifier:
    return load_model(cards["one"])


def run(opened: OpenProfile, model: Classifier, samples: Samples, seconds: float = 4.0) -> None:
    """A run, up to what is to be kept."""
    engine = Engine(model, CONFIG, profile=opened.profile)
    engine.push(samples[: round(seconds * RATE)])
    engine.flush()
    opened.learn(engine)


def kinds(opened: OpenProfile) -> list[str]:
    return [notice.kind for notice in opened.notices]


def test_a_second_run_begins_with_what_the_first_kept(model: Classifier, talk: Samples, folder: Path) -> None:
    first = open_profile("anna", model)
    assert first.profile is None
    assert "'anna' is new" in first.notices[0].message
    run(first, model, talk)
    first.save()
    second = open_profile("anna", model)
    assert second.profile == first.profile
    assert second.profile is not None
    (notice,) = second.notices
    assert notice.kind == "profile_used"
    assert "4 s of speech" in notice.message
    assert second.profile.since[:10] in notice.message
    run(second, model, talk)
    second.save()
    third = open_profile("anna", model).profile
    assert third is not None
    assert third.speech_s == pytest.approx(8, abs=0.1)
    assert third.since == second.profile.since
    assert third.voice != first.profile.voice  # type: ignore[union-attr]


@pytest.mark.skipif(os.name != "posix", reason="modes")
def test_only_the_owner_may_read_it(model: Classifier, talk: Samples, folder: Path) -> None:
    old = os.umask(0)
    try:
        opened = open_profile("anna", model)
        run(opened, model, talk)
        opened.save()
    finally:
        os.umask(old)
    assert stat.S_IMODE(opened.path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(place.stat().st_mode) for place in (folder, folder / "anna")} == {0o700}
    assert [path.name for path in (folder / "anna").iterdir()] == ["one.json"], "and nothing beside it"


def test_it_holds_averages_and_no_audio(model: Classifier, talk: Samples) -> None:
    opened = open_profile("anna", model)
    run(opened, model, talk)
    opened.save()
    content = json.loads(opened.path.read_text())
    assert set(content) == {"format", "since", "updated", "speech_s", "model", "numbers"}
    assert len(content["numbers"]) == 1 + 2 * 64, "as many for four seconds as for an hour"


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", "\x00\xff", '{"format": 1}', "[" * 50_000])
def test_a_damaged_file_is_said_and_left_alone(model: Classifier, talk: Samples, damage: str) -> None:
    opened = open_profile("anna", model)
    opened.path.write_text(damage, encoding="latin-1")
    before = opened.path.read_bytes()
    opened = open_profile("anna", model)
    assert kinds(opened) == ["profile_unused"]
    assert "damaged" in opened.notices[0].message
    assert opened.notices[0].message.count("\n") == 0
    run(opened, model, talk)
    opened.save()
    assert opened.path.read_bytes() == before


def test_numbers_that_do_not_fit_are_damage(model: Classifier, talk: Samples) -> None:
    opened = open_profile("anna", model)
    run(opened, model, talk)
    opened.save()
    content = json.loads(opened.path.read_text())
    for change in ({"numbers": content["numbers"][:-1]}, {"numbers": [1e9] * len(content["numbers"])}, {"format": 2}):
        opened.path.write_text(json.dumps({**content, **change}))
        assert kinds(open_profile("anna", model)) == ["profile_unused"], change


def test_models_have_files_of_their_own_and_another_version_of_one_is_refused(
    cards: dict[str, Path], model: Classifier, talk: Samples
) -> None:
    opened = open_profile("anna", model)
    run(opened, model, talk)
    opened.save()
    other = open_profile("anna", load_model(cards["other"]))
    assert other.profile is None
    assert other.usable
    run(other, load_model(cards["other"]), talk)
    other.save()
    assert [found.path.name for found in find_profile("anna")] == ["one.json", "other.json"]
    content = json.loads(opened.path.read_text())
    content["model"] = "one 0123456789abcdef"  # as after an upgrade
    opened.path.write_text(json.dumps(content))
    later = open_profile("anna", model)
    assert kinds(later) == ["profile_unused"]
    assert "made with model one 0123456789abcdef" in later.notices[0].message
    foreign = open_profile_file(other.path, model)
    assert kinds(foreign) == ["profile_unused"]
    assert remove_profile("anna") == [opened.path, other.path]
    assert list_profiles() == []
    assert not opened.path.parent.exists()


def test_a_full_disk_leaves_the_old_file(model: Classifier, talk: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_profile("anna", model)
    run(opened, model, talk)
    opened.save()
    before = opened.path.read_bytes()
    again = open_profile("anna", model)
    run(again, model, talk)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SinkError, match="No space left"):
        again.save()
    assert opened.path.read_bytes() == before
    assert len(list(opened.path.parent.iterdir())) == 1


def test_a_place_that_cannot_be_written_is_said_at_the_start(model: Classifier, tmp_path: Path) -> None:
    opened = open_profile_file(tmp_path / "nowhere" / "anna.json", model)
    assert kinds(opened) == ["profile_unused"]
    assert "create its folder first" in opened.notices[0].message
    (tmp_path / "file").write_text("")
    assert kinds(open_profile_file(tmp_path, model)) == ["profile_unused"]
    os.environ[FOLDER_VARIABLE] = str(tmp_path / "file" / "profiles")
    assert kinds(open_profile("anna", model)) == ["profile_unused"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_in_its_place_does_not_hold_the_run_up(model: Classifier, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    assert kinds(open_profile_file(tmp_path / "pipe.json", model)) == ["profile_unused"]


def test_runs_at_one_time_destroy_nothing(model: Classifier, talk: Samples) -> None:
    both = [open_profile("anna", model) for _ in range(2)]
    for opened, seconds in zip(both, (3.0, 5.0), strict=True):
        run(opened, model, talk, seconds)
        opened.save()
    kept = open_profile("anna", model).profile
    assert kept is not None
    assert kept.speech_s == pytest.approx(8, abs=0.2)
    many = [open_profile("anna", model) for _ in range(8)]
    for opened in many:
        run(opened, model, talk, 2.0)
    threads = [threading.Thread(target=opened.save) for opened in many]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = read_profile(both[0].path)
    assert after is not None
    assert after.voice in [opened.profile.voice for opened in many if opened.profile is not None]
    assert len(list(both[0].path.parent.iterdir())) == 1


def test_somebody_elses_voice_and_silence_change_nothing(
    model: Classifier, talk: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_profile("anna", model)
    run(opened, model, talk)
    opened.save()
    before = opened.path.read_bytes()
    again = open_profile("anna", model)
    again.learn(Engine(model, CONFIG, profile=again.profile))  # nobody spoke
    again.save()
    monkeypatch.setattr(Engine, "unlike_profile", True)
    run(again, model, talk)
    again.save()
    assert opened.path.read_bytes() == before


def test_a_file_that_became_something_else_meanwhile_is_not_replaced(model: Classifier, talk: Samples) -> None:
    opened = open_profile("anna", model)
    run(opened, model, talk)
    opened.path.write_text("my shopping list")
    with pytest.raises(SinkError, match="damaged"):
        opened.save()
    assert opened.path.read_text() == "my shopping list"


def test_a_model_that_learns_nothing_of_a_voice_says_so(tmp_path: Path) -> None:
    plain = load_model(write_bundle(tmp_path / "plain", "stacked"))
    opened = open_profile("anna", plain)
    assert kinds(opened) == ["profile_unused"]
    assert "learns nothing" in opened.notices[0].message


def test_the_list_shows_damage_too(model: Classifier, talk: Samples, folder: Path) -> None:
    opened = open_profile("anna", model)
    run(opened, model, talk)
    opened.save()
    (folder / "bert").mkdir()
    (folder / "bert" / "one.json").write_text("{}")
    good, bad = list_profiles()
    assert (good.name, good.profile) == ("anna", replace(opened.profile))  # type: ignore[type-var]
    assert bad.profile is None
    assert "damaged" in bad.fault
    with pytest.raises(ConfigError, match="did you mean 'anna'"):
        find_profile("ana")
    remove_profile("bert")
    assert [found.name for found in list_profiles()] == ["anna"]
