"""``--profile`` and ``profiles`` as a user types them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile

from bundles import RATE, Samples, write_bundle
from command import interrupt, of_type, realtime_ser, records, start, wait_for_lines

SECTION: dict[str, Any] = {"mean": [0.0] * 64, "deviation": [12.0] * 64, "prior_s": 4.0, "memory_s": 40.0}


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle"), "stacked", normalisation=SECTION)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, talk: Samples) -> Path:
    path = tmp_path_factory.mktemp("clip") / "talk.wav"
    soundfile.write(path, talk, RATE)
    return path


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"REALTIME_SER_PROFILES": str(tmp_path / "profiles")}


def replay(*arguments: str | Path, card: Path, env: dict[str, str]) -> tuple[int, str, list[dict[str, Any]]]:
    result = realtime_ser("replay", *arguments, "--model", card, "--speed", "max", "--jsonl", "-", env=env)
    return result.returncode, result.stderr, records(result.stdout)


@pytest.mark.slow
def test_two_runs_then_list_show_and_remove(card: Path, clip: Path, env: dict[str, str], tmp_path: Path) -> None:
    assert "no profile in" in realtime_ser("profiles", env=env).stdout
    (tmp_path / "again.wav").write_bytes(clip.read_bytes())
    code, said, rows = replay(clip, tmp_path / "again.wav", "--profile", "anna", card=card, env=env)
    assert (code, said) == (0, "")
    first, second = [row["message"] for row in of_type(rows, "event")]
    assert "is new" in first
    assert "6 s of speech so far" in second
    code, said, rows = replay(clip, "--profile", "anna", card=card, env=env)
    assert (code, said) == (0, "")
    assert rows[1]["type"] == "event", "right after the session"
    assert rows[1]["kind"] == "profile_used"
    assert "of speech from 20" in rows[1]["message"]
    (listed,) = json.loads(realtime_ser("profiles", "list", "--json", env=env).stdout)
    heard = sum(row["classified_samples"] for row in of_type(rows, "summary")) / RATE
    assert listed["speech_s"] == pytest.approx(3 * heard, rel=0.05), "two recordings, then one"
    assert "anna" in realtime_ser("profiles", env=env).stdout
    assert "no audio" in realtime_ser("profiles", "show", "anna", env=env).stdout
    wrong = realtime_ser("profiles", "show", "ana", env=env)
    assert (wrong.returncode, wrong.stderr) == (2, "realtime-ser: no profile 'ana'; did you mean 'anna'?\n")
    assert "removed" in realtime_ser("profiles", "remove", "anna", env=env).stdout
    assert realtime_ser("profiles", "remove", "anna", env=env).returncode == 2
    assert not any((tmp_path / "profiles").iterdir())


@pytest.mark.slow
def test_an_interrupted_run_keeps_it(card: Path, clip: Path, env: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    process = start("replay", clip, "--model", card, "--profile", "anna", "--jsonl", out, env={**os.environ, **env})
    wait_for_lines(out, 6, kind="window")
    assert interrupt(process)[0] == 130
    (listed,) = json.loads(realtime_ser("profiles", "--json", env=env).stdout)
    assert listed["speech_s"] > 1


def test_a_damaged_file_is_one_line_and_the_run_goes_on(card: Path, clip: Path, env: dict[str, str], tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text("{}")
    code, said, rows = replay(clip, "--profile", mine, card=card, env=env)
    assert code == 0
    assert said.count("\n") == 1
    assert "is damaged" in said
    assert of_type(rows, "event")[0]["kind"] == "profile_unused"
    assert of_type(rows, "summary")[0]["windows"] > 10
    assert mine.read_text() == "{}"


@pytest.mark.slow
def test_a_name_that_is_none_and_a_profile_that_is_an_output(
    card: Path, clip: Path, env: dict[str, str], tmp_path: Path
) -> None:
    code, said, rows = replay(clip, "--profile", "..", card=card, env=env)
    assert (code, rows) == (2, [])
    assert "can be no profile's name" in said
    result = realtime_ser("replay", clip, "--profile", tmp_path / "a.json", "--jsonl", tmp_path / "a.json", env=env)
    assert result.returncode == 2
    assert "would overwrite the profile" in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits")
def test_no_room_at_the_end_is_said_and_costs_only_the_profile(
    card: Path, clip: Path, env: dict[str, str], tmp_path: Path
) -> None:
    """A file of at most 1000 bytes, which is what a full disk looks like; the outputs are whole."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n")
    code, said, rows = replay(clip, "--profile", "anna", card=card, env={**env, "PYTHONPATH": str(site)})
    assert code == 1
    assert said.count("\n") == 1
    assert "cannot write" in said
    assert of_type(rows, "summary")
    assert list((tmp_path / "profiles" / "anna").iterdir()) == []
