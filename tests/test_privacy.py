"""Nothing leaves the machine, nobody else reads what is written, and no name from outside does harm."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import SAMPLE, of_type, realtime_ser, records
from fake_portaudio import write_fake_portaudio

# Refuses sockets in every Python process that finds it, also in those that a command starts.
_NO_SOCKETS = """
import sys
REFUSED = {f"socket.{name}" for name in ("__new__", "connect", "bind", "getaddrinfo", "gethostbyname", "sendto")}
def refuse(event, arguments):
    if event in REFUSED:
        with open(MARK, "a") as file:
            file.write(f"{event} {sys.argv}\\n")
        raise RuntimeError(f"a socket was used: {event}")
sys.addaudithook(refuse)
"""


@pytest.fixture
def no_sockets(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which a socket is refused; fails when one was tried."""
    folder, mark = tmp_path / "site", tmp_path / "sockets"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"MARK = {str(mark)!r}\n{_NO_SOCKETS}")
    yield {"PYTHONPATH": str(folder)}
    assert not mark.exists(), mark.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", str(SAMPLE), "--speed", "max", "--duration", "6"],
        ["demo", "--speed", "max", "--duration", "6"],
        ["monitor", "--duration", "2"],
        ["models"],
        ["devices"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_socket_is_opened(arguments: list[str], no_sockets: dict[str, str], tmp_path: Path) -> None:
    write_fake_portaudio(Path(no_sockets["PYTHONPATH"]))
    outputs: list[str | Path] = []
    if arguments[0] in ("replay", "demo", "monitor"):
        outputs = ["--jsonl", tmp_path / "o.jsonl", "--csv", tmp_path / "o.csv"]
        outputs += ["--record", tmp_path / "o.flac", "--report", tmp_path / "o.html"]
    result = realtime_ser(*arguments, *outputs, env=no_sockets)
    assert result.returncode == 0, result.stderr
    if outputs:
        assert of_type(records((tmp_path / "o.jsonl").read_text()), "window")


@pytest.mark.slow
def test_no_socket_is_opened_by_the_benchmark(no_sockets: dict[str, str], tmp_path: Path) -> None:
    # The command's own path, with less of everything that it measures.
    program = (
        "import functools, sys\n"
        "from realtime_ser import bench\n"
        "from realtime_ser.cli.main import main\n"
        "quick = bench.Effort(stages_s=20, minutes=1, windows=16, launches=1)\n"
        "bench.run_bench = functools.partial(bench.run_bench, effort=quick)\n"
        "sys.exit(main(['bench', '--json', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", program, tmp_path / "figures.json"]
    result = subprocess.run(command, env=os.environ | no_sockets, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode in (0, 1), result.stderr  # 1: this machine was too slow for a bar
    assert json.loads((tmp_path / "figures.json").read_text())["realtime_factor"] > 0


@pytest.mark.slow
def test_no_library_keeps_an_identifier_of_this_machine(tmp_path: Path) -> None:
    """ONNX Runtime would, and sends usage data with it. An audit hook does not see the sockets of a library in C++."""
    home = tmp_path / "home"
    home.mkdir()
    # It keeps quiet on machines that test software.
    env = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY")}
    env = {name: value for name, value in env.items() if not name.startswith(("XDG_", "GITLAB", "BUILD", "TF_"))}
    command = [sys.executable, "-m", "realtime_ser", "demo", "--speed", "max", "--duration", "4"]
    result = subprocess.run(command, env={**env, "HOME": str(home)}, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert [str(path.relative_to(home)) for path in home.rglob("*")] == []


@pytest.mark.slow
@pytest.mark.parametrize("option", ["osc", "mqtt"])
def test_an_output_with_an_address_reaches_that_address_alone(option: str, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    log = tmp_path / "calls"
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import sys\n"
        "def note(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.sendto', 'socket.getaddrinfo', 'socket.gethostbyname', 'socket.bind'):\n"
        f"        with open({str(log)!r}, 'a') as file:\n"
        "            file.write(repr(arguments if event.endswith(('info', 'name')) else arguments[1:]) + '\\n')\n"
        "sys.addaudithook(note)\n"
    )
    # Nobody listens at this address of the loopback.
    target = "127.0.0.2:9" if option == "osc" else "mqtt://127.0.0.2:9"
    run = ["demo", "--speed", "max", "--duration", "4", f"--{option}", target]
    result = realtime_ser(*run, env={"PYTHONPATH": str(tmp_path / "site")})
    assert result.returncode == 1
    hosts = set(re.findall(r"'([^']*)'", log.read_text()))
    assert "127.0.0.2" in hosts
    # paho wakes its own thread through a pair of sockets on 127.0.0.1.
    assert hosts <= {"127.0.0.2", "127.0.0.1", "localhost", ""}


def test_the_refusal_works(no_sockets: dict[str, str], tmp_path: Path) -> None:
    program = "import socket; socket.socket()"
    result = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **no_sockets}, capture_output=True, text=True, check=False
    )
    assert "a socket was used" in result.stderr
    (tmp_path / "sockets").unlink()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_outputs_are_private_whatever_was_there(tmp_path: Path, bundles: dict[str, Path]) -> None:
    def run(folder: Path) -> dict[str, Path]:
        out = {name: folder / f"o.{name}" for name in ("jsonl", "csv", "flac", "html")}
        result = realtime_ser(
            *("replay", SAMPLE, "--speed", "max", "--duration", "4", "--model", bundles["flatstats"]),
            *("--jsonl", out["jsonl"], "--csv", out["csv"], "--record", out["flac"], "--report", out["html"]),
        )
        assert result.returncode == 0, result.stderr
        return out

    previous = os.umask(0)
    try:
        new, old, linked, target = (tmp_path / name for name in ("new", "old", "linked", "target"))
        for folder in (new, old, linked, target):
            folder.mkdir()
        for name in ("jsonl", "csv", "flac", "html"):
            for folder in (old, target):
                (folder / f"o.{name}").write_text("something else")
                (folder / f"o.{name}").chmod(0o644)
            (linked / f"o.{name}").symlink_to(target / f"o.{name}")
        for folder in (new, old, linked):
            for path in run(folder).values():
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
                assert b"something else" not in path.read_bytes()
        # A link is followed and stays a link.
        assert all(path.is_symlink() for path in linked.iterdir())
    finally:
        os.umask(previous)
