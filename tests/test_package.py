"""The wheel in an environment of its own: everything it needs travels in it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from command import SAMPLE, of_type, records

pytestmark = pytest.mark.slow
_ROOT = Path(__file__).parents[1]


def _run(command: list[str | Path], cwd: Path, *, code: int = 0) -> str:
    """Standard output; no source tree may be found by way of the environment or the current folder."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    result = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == code, f"{result.stdout[-1000:]}\n{result.stderr[-3000:]}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for module in ("build", "hatchling"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: no wheel was built (pip install '.[dev]')")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, _ROOT]
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of a new environment that holds the wheel, and borrows the dependencies of this one."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    _run(pip, elsewhere)
    site = Path(_run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], elsewhere).strip())
    # A path named in a .pth file comes after site-packages, and the .pth files in it (an editable install) count for nothing.
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return scripts


def test_the_wheel_holds_what_it_needs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("realtime_ser/_resources/config.yaml", "realtime_ser/sample/demo.flac", "realtime_ser/py.typed"):
        assert needed in names
    for bundle in (_ROOT / "weights").glob("*.json"):
        for ending in ("json", "onnx"):
            assert f"realtime_ser/_resources/weights/{bundle.stem}.{ending}" in names
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"realtime_ser"}
    assert not [name for name in names if name.endswith((".pyc", ".wav")) or "test" in name.lower()]


def test_the_wheel_says_that_its_weights_may_not_be_sold(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (about,) = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        text = file.read(about).decode()
        licences = [file.read(name).decode() for name in file.namelist() if ".dist-info/licenses/" in name]
    assert "License-Expression: MIT AND CC-BY-NC-SA-4.0" in text
    assert "MIT License" not in text.split("\n\n")[0]
    assert any("NonCommercial" in licence for licence in licences)
    assert any("OpenAI" in licence for licence in licences)


def test_the_source_archive_holds_what_the_repository_does(tmp_path: Path) -> None:
    """``make demo``, the first line of the README, needs the pins in .ci."""
    tracked = subprocess.run(["git", "ls-files"], cwd=_ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode or importlib.util.find_spec("build") is None:
        pytest.skip("no git repository, or build is not installed (pip install '.[dev]')")
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, _ROOT]
    subprocess.run([*map(str, command)], capture_output=True, check=True, timeout=240)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        held = {name.partition("/")[2] for name in file.getnames()}
    assert set(tracked.stdout.split()) - held == set()


def test_everything_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    program = (
        "import realtime_ser, realtime_ser.config as c, realtime_ser.model.classifier as m;"
        "print(realtime_ser.__file__); print(c.resource('config.yaml')); print(*m.list_bundles(), sep='\\n')"
    )
    lines = _run([installed / "python", "-c", program], tmp_path).split("\n")
    paths = [Path(line) for line in lines if line]
    assert len(paths) == 2 + len(list((_ROOT / "weights").glob("*.json")))
    for path in paths:
        assert path.is_relative_to(installed.parent), path
        assert not path.is_relative_to(_ROOT)


@pytest.mark.parametrize("command", ["demo", "replay"])
def test_it_hears(command: str, installed: Path, tmp_path: Path) -> None:
    recording = tmp_path / "talk.flac"
    recording.write_bytes(SAMPLE.read_bytes())
    files = [recording] if command == "replay" else []
    out = _run([installed / "realtime-ser", command, *files, "--speed", "max", "--jsonl", "-"], tmp_path)
    rows = records(out)
    assert sum(row["state"] == "speech" for row in of_type(rows, "window")) > 20
    assert rows[-1]["type"] == "summary"


def test_models_are_listed(installed: Path, tmp_path: Path) -> None:
    cards = json.loads(_run([installed / "realtime-ser", "models", "--json"], tmp_path))
    assert {card["name"] for card in cards} == {path.stem for path in (_ROOT / "weights").glob("*.json")}


def test_the_benchmark_runs(installed: Path, tmp_path: Path) -> None:
    _run([installed / "realtime-ser", "bench", "--json", "figures.json"], tmp_path)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["realtime_factor"] > 1
    assert figures["startup_s"] > 0
