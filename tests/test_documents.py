"""The documents say what the program does: every setting and record field stands in them, links lead somewhere, limits hold."""

from __future__ import annotations

import html
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from realtime_ser.audio.source import Source
from realtime_ser.config import load_config, resource
from realtime_ser.engine.engine import Engine
from realtime_ser.model.classifier import load_model
from realtime_ser.pipeline.run import run
from realtime_ser.records import Estimate, Health, Notice, Segment, Session, Summary
from realtime_ser.sinks.group import SinkGroup
from realtime_ser.sinks.json_records import to_json
from train.data.corpora import CORPORA

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)\s]+)\)")

RECORDS = [
    Session("0", "tiny", ("a", "b"), 16000, 2.0, 0.25, "mic", "2026-01-01T00:00:00+00:00", channel=1),
    Estimate(0, 16000, 4000, 16000, "speech", "a", 0.6, ("a", "b"), (0.6, 0.4), (0.6, 0.4), 1.0, -20.0, channel=1),
    Segment(0, 16000, 16000, "a", 0.6, channel=1),
    Notice("device_lost", "gone", channel=1),
    Summary(Health(), 16000, {}, {}, channel=1),
]


def pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    found = [ROOT / name for name in listed if name and (ROOT / name).is_file()]
    return found or sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "weights").glob("*.md")])


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchor(heading: str) -> str:
    """As the usual hosts make it from a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, place = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists():
            dead.append(target)
        elif place and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            if place not in map(anchor, headings):
                dead.append(target)
    assert not dead, f"{page.relative_to(ROOT)}: {dead}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_tests_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"\btests/[\w/]+\.py\b", page.read_text(encoding="utf-8"))
    assert not [name for name in named if not (ROOT / name).is_file()]


def test_the_page_of_corpora_has_each_in_its_table() -> None:
    table = (DOCS / "corpora.md").read_text(encoding="utf-8").split("| folder |")[1].split("\n\n")[0]
    assert not [name for name in CORPORA if f"`{name}`" not in table]


def test_nobody_is_told_to_install_from_an_index_that_does_not_have_it() -> None:
    files = [*pages(), *(ROOT / "realtime_ser").rglob("*.py")]
    wrong = re.compile(r"""pip install (--?[\w-]+ )*["']?realtime-ser""")
    assert not [str(file) for file in files if wrong.search(file.read_text(encoding="utf-8"))]


def test_the_readme_keeps_its_limits() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    long = [number for number, line in enumerate(lines, 1) if len(line) > 160 and not line.startswith("|")]
    assert not long, f"lines over 160 characters: {long}"


def test_the_picture_of_the_dashboard_has_the_scores_of_the_shipped_card() -> None:
    text = html.unescape((DOCS / "images" / "dashboard.svg").read_text(encoding="utf-8")).replace("\xa0", " ")
    card = json.loads((ROOT / "weights" / "mlp.json").read_text(encoding="utf-8"))
    assert card["headline"] in text, "run: python docs/images/dashboard.py"
    assert "realtime-ser demo" in text


def test_the_example_of_a_source_runs(bundles: dict[str, Path]) -> None:
    page = (DOCS / "how-to" / "add-a-source.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    config = load_config()
    with names["Tone"]() as source:
        summary = run(source, Engine(load_model(bundles["flatstats"]), config), SinkGroup([]), config)
    assert summary.health.captured == 16000
    members = [name for name in Source.__annotations__ if f"`{name}`" not in page]
    assert not members, f"the page does not name {members}"


def test_a_decision_is_short_and_has_its_parts() -> None:
    records = sorted((DOCS / "decisions").glob("*.md"))
    assert records
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert re.fullmatch(r"\d{4}-[\w-]+\.md", record.name), record.name
        assert text.count("\n") <= 40, f"{record.name} has more than 40 lines"
        for part in ("Status:", "## Context", "## Decision", "## Consequence"):
            assert part in text, f"{record.name} lacks {part!r}"
    numbers = [record.name[:4] for record in records]
    assert len(numbers) == len(set(numbers)), "two decisions of one number"


@pytest.mark.parametrize("name", ["settings", "commands"])
def test_a_written_page_is_what_the_definitions_say(name: str) -> None:
    spec = importlib.util.spec_from_file_location("pages", DOCS / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if name == "commands" and sys.version_info[:2] != (3, 11):
        pytest.skip("argparse words its help differently in other versions; the page is written with 3.11")
    page = getattr(module, f"{name}_page")()
    assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == page, "run: python docs/pages.py"
    assert resource("config.yaml").read_text(encoding="utf-8") == module.config_file(), "run: python docs/pages.py"


def test_the_architecture_names_files_that_exist() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.(?:py|yaml))`", text)
    assert len(named) > 15
    missing = [
        name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "realtime_ser", ROOT / "train"))
    ]
    assert not missing


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_every_field_of_a_record_is_documented(record: object) -> None:
    made = to_json(record)  # type: ignore[arg-type]
    assert made is not None
    text = (DOCS / "records.md").read_text(encoding="utf-8")
    section = text.split(f"## {made['type']}\n")[1].split("\n## ")[0]
    named = set(
        re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `")))
    )
    assert set(made) <= named, set(made) - named
    if not isinstance(record, Notice):  # its table of kinds has names too
        assert named <= set(made), named - set(made)


def test_every_kind_of_event_is_documented() -> None:
    text = (DOCS / "records.md").read_text(encoding="utf-8")
    kinds = set()
    for file in (ROOT / "realtime_ser").rglob("*.py"):
        kinds |= set(re.findall(r"Notice\(\s*\"(\w+)\"", file.read_text(encoding="utf-8")))
    assert {"device_lost", "sink_failed"} <= kinds
    assert not [kind for kind in sorted(kinds) if f"`{kind}`" not in text]
