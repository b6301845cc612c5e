"""What doctor says of the system: no server is taken for granted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from realtime_ser.cli.checks import check_sound_server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sound servers of Linux")


@pytest.mark.parametrize("form", ["unix:{}", "{}"])
def test_a_socket_that_is_not_there_is_a_reservation(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = tmp_path / "native"
    monkeypatch.setenv("PULSE_SERVER", form.format(socket))
    check = check_sound_server()
    assert check.ok is None
    assert check.message == f"PULSE_SERVER names {socket}, which is not there"
    assert "unset PULSE_SERVER" in check.remedy
    socket.touch()
    assert check_sound_server().ok is True
    monkeypatch.setattr(Path, "exists", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    socket.unlink()
    assert check_sound_server().ok is None, "nor where its folder may not be read"


@pytest.mark.parametrize("server", ["tcp:10.0.0.1:4713", "desk", "unix:/no/such tcp:10.0.0.1"])
def test_of_a_host_nothing_is_said(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_SERVER", server)
    check = check_sound_server()
    assert check.ok is True
    assert server in check.message
