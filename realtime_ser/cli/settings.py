"""The settings that the options of a command select, and where each of them comes from."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime_ser.text import printable

if TYPE_CHECKING:
    from realtime_ser.config import Config
    from realtime_ser.model.classifier import Classifier
    from realtime_ser.sinks.same_file import Place

# Options that are settings by another name: (option, where the parser leaves it, the setting).
_NAMED = (
    ("--model", "model", "model"),
    ("--channel", "channel", "capture.channel"),
    ("--retry-for", "retry_for", "capture.retry_for_s"),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes
    ----------
    key : as ``--set`` takes it
    value : what a run would use; None where the model or the system decides
    source : "default", the path of the file, or the option or command that set it
    """

    key: str
    value: Any
    source: str


def settings(path: str | Path | None = None, overrides: Sequence[tuple[str, str]] = ()) -> list[Setting]:
    """Every setting of the live path.

    Parameters
    ----------
    path : a YAML file laid over the shipped defaults, or None
    overrides : (what sets it, ``section.key=value``), laid over both

    Raises
    ------
    ConfigError : as ``load_config``
    """
    from realtime_ser.config import load_config, parse_override, read_yaml

    config = load_config(path, [override for _, override in overrides])
    sources: dict[str, str] = {}
    if path is not None:
        sources |= {key: str(path) for key, _ in _flat(read_yaml(Path(path)))}
    for setter, override in overrides:
        sources |= {key: setter for key, _ in _flat(parse_override(override))}
    return [Setting(key, value, sources.get(key, "default")) for key, value in _flat(config.as_dict())]


def overrides(options: argparse.Namespace) -> list[tuple[str, str]]:
    """What the command and its options set beside ``--config``: (what sets it, ``section.key=value``); later ones count."""
    found = [*getattr(options, "preset", []), *(("--set", override) for override in options.set)]
    for option, name, key in _NAMED:
        value = getattr(options, name, None)
        if value is not None:
            # JSON is YAML, and quotes text whatever it looks like.
            found.append((option, f"{key}={json.dumps(value)}"))
    return found


def chosen_config(options: argparse.Namespace) -> Config:
    """The configuration of a command with the ``common`` options; printed with ``--verbose``.

    Raises
    ------
    ConfigError : as ``load_config``
    """
    from realtime_ser.config import load_config, resource

    given = overrides(options)
    if options.verbose:
        for setting in settings(options.config, given):
            if setting.source != "default":
                print(printable(f"{setting.key}: {setting.value} (from {setting.source})"), file=sys.stderr)
        print(printable(f"all other settings: as shipped in {resource('config.yaml')}"), file=sys.stderr, flush=True)
    return load_config(options.config, [override for _, override in given])


def files_read(options: argparse.Namespace, model: Classifier) -> list[tuple[str, Place]]:
    """What every run reads beside its audio, for the check that no output is among it."""
    from realtime_ser.config import resource

    read: list[tuple[str, Place]] = [("settings", resource("config.yaml"))]
    if options.config is not None:
        read.append(("--config file", options.config))
    for each in (model, model.voter):
        if each is not None:
            read += [("model card", each.card.path), ("model", each.card.onnx_path)]
    return read


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
