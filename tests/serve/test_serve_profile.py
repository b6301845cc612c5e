"""A stream that begins with a profile of a voice and updates it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_serve_session import s16, send, summary_of

from bundles import Samples
from realtime_ser.profiles.folder import profile_path
from realtime_ser.serve.models import Models

pytest.importorskip("starlette")


@pytest.fixture
def keeping(shipped_models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    monkeypatch.setenv("REALTIME_SER_PROFILES", str(tmp_path / "profiles"))
    return Models(shipped_models.config, profiles=True)


def said(wire: Any, kind: str) -> list[str]:
    return [event["message"] for event in wire.of_type("event") if event["kind"] == kind]


def run(client: Any, talk: Samples) -> None:
    send(client, s16(talk), 1280)
    client.text({"type": "stop"})
    summary_of(client)


def test_a_profile_is_kept_and_used_again(wire: Any, keeping: Models, talk: Samples) -> None:
    first = wire(models=keeping).start(profile="anna")
    run(first, talk)
    file = profile_path("anna", "mlp")
    speech_s = json.loads(file.read_text())["speech_s"]
    assert speech_s > 3
    assert "is new" in said(first, "profile_used")[0]
    again = wire(models=keeping).start(profile="anna")
    assert "is new" not in said(again, "profile_used")[0]
    run(again, talk)
    assert json.loads(file.read_text())["speech_s"] == pytest.approx(2 * speech_s, rel=0.1)
    # What is known of the voice changes what is heard in its first window.
    assert again.of_type("window")[2]["probs"] != first.of_type("window")[2]["probs"]


def test_a_server_without_profiles_refuses_one(wire: Any, shipped_models: Models) -> None:
    client = wire(models=shipped_models).start(profile="anna")
    (error,) = client.of_type("error")
    assert error["code"] == "not_allowed"
    assert "--allow-profiles" in error["message"]


def test_a_name_is_never_a_path(wire: Any, keeping: Models, tmp_path: Path) -> None:
    client = wire(models=keeping).start(profile="../../anna")
    (error,) = client.of_type("error")
    assert error["code"] == "bad_message"
    assert not list(tmp_path.rglob("*.json"))
