"""``config.yaml`` -> frozen dataclasses, which define the defaults; ``python docs/pages.py`` writes their values into the file.

Units are in the names (``hop_s``, ``block_ms``). An unknown or ill-typed key fails with the file, the key and the nearest
valid one.
Precedence: the shipped ``config.yaml`` < ``--config FILE`` < ``--set key=value``.
"""

from __future__ import annotations

import math
import os
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from realtime_ser.config_build import between, build, one_of
from realtime_ser.errors import ConfigError
from realtime_ser.yaml_text import MAX_BYTES, parse_yaml

TRAINING = "train"  # a section that `python -m train` reads, in the same files
_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Path of a shipped file: beside the package in a checkout, inside it in an installed wheel.

    Parameters
    ----------
    name : "config.yaml" or "weights"
    """
    installed = _PACKAGE / "_resources" / name
    return installed if installed.exists() else _PACKAGE.parent / name


@dataclass(frozen=True, slots=True)
class CaptureConfig:
    """How a microphone is read."""

    device: int | str | None = None
    channel: int | None = between(1, 256, default=None)
    block_ms: float = between(1, 1000, default=20.0)
    ring_s: float = between(0.5, 600, default=10.0)
    retry_for_s: float = between(0, math.inf, default=30.0)
    stall_s: float = between(0.2, 60, default=1.5)


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Window and hop lengths, and the weight of the window's end. None: as the model was trained."""

    window_s: float | None = between(0.1, 60, default=None)
    min_window_s: float | None = between(0.1, 60, default=None)
    hop_s: float = between(0.01, 60, default=0.25)
    recent_s: float = between(0, 60, default=1.5)
    recent_share: float = between(0, 1, default=0.5)
    vote: bool = True
    max_lag_s: float = between(0.2, 600, default=1.5)


@dataclass(frozen=True, slots=True)
class GateConfig:
    """When a window counts as speech."""

    enabled: bool = True
    vad: bool = True
    vad_threshold: float = between(0, 1, default=0.3)
    slowed_threshold: float | None = between(0, 1, default=0.5)
    floor_margin_db: float = between(0, 60, default=6.0)
    floor_min_db: float = between(-120, 0, default=-95.0)
    floor_span_s: float = between(0.5, 60, default=4.0)
    min_speech_s: float = between(0, 60, default=0.16)
    speech_within_s: float = between(0.05, 60, default=0.4, formerly="recent_s")
    model: bool = True


@dataclass(frozen=True, slots=True)
class SmoothingConfig:
    """How estimates turn into labels."""

    method: str = one_of("ema", "majority", "hmm", "none", default="ema")
    time_constant_s: float = between(0, 600, default=0.7)
    span_s: float = between(0.05, 600, default=2.0)
    stay_probability: float = between(0, 1, default=0.7)
    evidence_s: float = between(0.01, 60, default=1.0)
    change: str = one_of("cusum", "lead", default="cusum")
    cusum_drift: float = between(0, 20, default=1.2)
    cusum_threshold: float = between(0, 600, default=0.2)
    margin: float = between(0, 1, default=0.3)
    hold_s: float = between(0, 60, default=0.25)
    unsure_below: float = between(0, 1, default=0.15)
    neutral_share: float | None = between(0.01, 0.99, default=0.45)
    forget_s: float = between(0, 600, default=1.0)
    keep_label_s: float = between(0, 600, default=8.0)


@dataclass(frozen=True, slots=True)
class DashboardConfig:
    """Settings of the terminal dashboard."""

    frames_per_s: float = between(1, 60, default=12.0)
    timeline_s: float = between(5, 3600, default=60.0)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that ``config.yaml`` holds."""

    model: str = "mlp"
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    dashboard: DashboardConfig = field(default_factory=DashboardConfig)

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for a session record."""
        return asdict(self)


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read the configuration.

    Parameters
    ----------
    path : a YAML file laid over the shipped defaults, or None
    overrides : ``section.key=value`` strings, laid over both

    Raises
    ------
    ConfigError : unreadable file, bad YAML, unknown key, wrong type, value out of range
    """
    if not isinstance(path, str | os.PathLike | None):
        raise ConfigError(f"load_config takes the path of a YAML file, got {path!r:.80}")
    shipped = resource("config.yaml")
    values = read_yaml(shipped)
    config = build(Config, values, str(shipped), "")
    if path is not None:
        # A file may hold settings of training too, which `python -m train` reads.
        values = merged(values, {key: value for key, value in read_yaml(Path(path)).items() if key != TRAINING})
        config = build(Config, values, str(path), "")
    for override in overrides:
        changed = parse_override(override)
        if TRAINING in changed:
            raise ConfigError(f"--set {override}: settings of training are for `python -m train`")
        values = merged(values, changed)
        config = build(Config, values, f"--set {override}", "")
    return config


def checked(config: Config | None) -> Config:
    """A config made in Python, held to the types and ranges that a file's settings must have; None: the shipped one.

    Raises
    ------
    ConfigError : no Config, or a setting that a file may not have either
    """
    if config is None:
        return load_config()
    if not isinstance(config, Config):
        raise ConfigError(f"config takes a Config, got {config!r:.80}: make one with load_config or Config")
    return build(Config, config.as_dict(), "config", "")


def read_yaml(path: Path, what: str = "config", example: str = "model: mlp") -> dict[str, Any]:
    """The named settings of a YAML file.

    Parameters
    ----------
    path : the file
    what, example : kind of file and a line of such a file, for messages

    Raises
    ------
    ConfigError : unreadable, not YAML, or no mapping at the top
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {what} {path}: {error.strerror or error}") from error
    try:
        loaded = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise ConfigError(f"{path}: expected named settings at the top, such as '{example}'")
    return loaded


def parse_override(override: str) -> dict[str, Any]:
    """A ``section.key=value`` string as nested settings.

    Raises
    ------
    ConfigError : no "=", or the value is not YAML
    """
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}: expected key=value, such as --set stream.hop_s=0.5")
    try:
        value: Any = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML ({error})") from error
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return typing.cast("dict[str, Any]", value)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Overlay settings on others, section by section."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result
