"""Writes docs/settings.md, docs/commands.md and the values in config.yaml from the definitions: ``python docs/pages.py``.

Defaults, types and ranges stand in ``realtime_ser/config.py``, descriptions in the comments of config.yaml. A test compares.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path

from realtime_ser.cli.commands import commands
from realtime_ser.config import Config, resource
from realtime_ser.config_build import choices_of, limits_of

DOCS = Path(__file__).parent
_LINE = re.compile(r"^(?P<indent> *)(?P<key>\w+):\s*(?P<value>[^#]*?)\s*(?:#\s*(?P<text>.*))?$")


def descriptions() -> dict[str, str]:
    """``section.key`` -> the comment beside it in config.yaml."""
    found, section = {}, ""
    for line in resource("config.yaml").read_text(encoding="utf-8").splitlines():
        match = _LINE.match(line)
        if match is None or line.startswith("#"):
            continue
        if not match["indent"]:
            section = "" if match["value"] else f"{match['key']}."
        if match["value"]:
            found[f"{section}{match['key']}"] = match["text"] or ""
    return found


def config_file() -> str:
    """The text of config.yaml with its comments, and every value as in ``Config()``."""
    values, section, lines = Config().as_dict(), "", []
    for line in resource("config.yaml").read_text(encoding="utf-8").splitlines():
        match = _LINE.match(line)
        if match is None or line.startswith("#"):
            lines.append(line)
            continue
        if not match["indent"]:
            section = "" if match["value"] else match["key"]
        if not match["value"]:
            lines.append(line)
            continue
        value = (values[section] if section else values)[match["key"]]
        setting = f"{match['indent']}{match['key']}: {_yaml(value)}"
        lines.append(f"{setting:{line.index('#')}}# {match['text']}")
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """The table of all settings."""
    texts, config = descriptions(), Config()
    lines = [
        "# Settings",
        "",
        "Written by `python docs/pages.py` from the settings' definitions and `config.yaml`. Change a value with",
        "`--set section.key=value`, or several with `--config FILE`, a YAML file that holds only what differs.",
        "`realtime-ser config show` prints the values in force and where each comes from.",
        "",
    ]
    rows = [("model", config.model, Config, "model")]
    for item in dataclasses.fields(Config):
        section = getattr(config, item.name)
        if dataclasses.is_dataclass(section):
            rows += [
                (f"{item.name}.{f.name}", getattr(section, f.name), type(section), f.name) for f in dataclasses.fields(section)
            ]
    lines += ["| setting | default | range | what it does |", "|---|---|---|---|"]
    for key, value, cls, name in rows:
        text = texts[key].replace("|", "\\|")
        lines.append(f"| `{key}` | `{_yaml(value)}` | {_range(cls, name)} | {text} |")
    return "\n".join(lines) + "\n"


def _range(cls: type, name: str) -> str:
    choices = choices_of(cls, name)
    if choices:
        return ", ".join(choices)
    limits = limits_of(cls, name)
    if limits is None:
        kind = str(next(f.type for f in dataclasses.fields(cls) if f.name == name))
        return {"bool": "true, false"}.get(kind, kind.replace(" | None", "").replace(" | ", " or ").replace("str", "text"))
    low, high = limits
    return f"at least {low:g}" if high == float("inf") else f"{low:g} to {high:g}"


def _yaml(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def commands_page() -> str:
    """Every command with its help."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "120"  # argparse wraps to the terminal
    try:
        sections = [f"## {parser.prog}\n\n" + _indented(parser.format_help()) for parser in _parsers(commands.parser())]
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    head = "# Commands\n\nWritten by `python docs/pages.py`: what `realtime-ser help COMMAND` prints.\n\n"
    return head + "\n".join(sections)


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _parsers(below)


def _indented(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())


def main() -> None:
    """Write the file and the pages."""
    resource("config.yaml").write_text(config_file(), encoding="utf-8")
    (DOCS / "settings.md").write_text(settings_page(), encoding="utf-8")
    (DOCS / "commands.md").write_text(commands_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
