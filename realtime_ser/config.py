"""``config.yaml`` -> frozen dataclasses.

Units are in the names (``hop_s``, ``block_ms``). An unknown or ill-typed key fails with the file, the key and the nearest
valid one.
Precedence: the shipped ``config.yaml`` < ``--config FILE`` < ``--set key=value``.
"""

from __future__ import annotations

import difflib
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

from realtime_ser.errors import ConfigError
from realtime_ser.yaml_text import MAX_BYTES, parse_yaml

_BETWEEN = "between"
_LONGEST_SHOWN = 80

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
    channel: int | None = None
    block_ms: float = 20.0
    ring_s: float = 10.0
    retry_for_s: float = 30.0
    stall_s: float = 1.5


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """How the stream is cut, and how much its last moments weigh. None: as the model was trained."""

    window_s: float | None = None
    min_window_s: float | None = None
    hop_s: float = 0.25
    recent_s: float = 1.5
    recent_share: float = 0.5
    max_lag_s: float = 1.5


@dataclass(frozen=True, slots=True)
class GateConfig:
    """When a window counts as speech."""

    enabled: bool = True
    vad: bool = True
    vad_threshold: float = 0.3
    floor_margin_db: float = 6.0
    floor_min_db: float = -80.0
    floor_span_s: float = 4.0
    min_speech_s: float = 0.16
    recent_s: float = 0.75
    model: bool = True


@dataclass(frozen=True, slots=True)
class SmoothingConfig:
    """How estimates turn into labels."""

    method: str = "ema"
    time_constant_s: float = 0.7
    span_s: float = 2.0
    stay_probability: float = 0.7
    evidence_s: float = 1.0
    change: str = "cusum"
    cusum_drift: float = 1.5
    cusum_threshold: float = 0.2
    margin: float = 0.3
    hold_s: float = 0.25
    unsure_below: float = 0.15
    neutral_share: float | None = None
    forget_s: float = 1.0
    keep_label_s: float = 8.0


@dataclass(frozen=True, slots=True)
class DashboardConfig:
    """How the terminal is drawn."""

    frames_per_s: float = 12.0
    timeline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Config:
    """Everything ``config.yaml`` holds for the live path. The ``train`` section belongs to ``train/`` and is kept unread."""

    model: str = "mlp"
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    dashboard: DashboardConfig = field(default_factory=DashboardConfig)
    train: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The live settings as plain values, for a session record."""
        values = asdict(replace(self, train={}))
        del values["train"]
        return values


# Closed ranges of what makes sense; outside them a run would hang, starve or divide by zero.
_RANGES: dict[str, tuple[float, float]] = {
    "capture.channel": (1, 256),
    "capture.block_ms": (1, 1000),
    "capture.ring_s": (0.5, 600),
    "capture.retry_for_s": (0, math.inf),
    "capture.stall_s": (0.2, 60),
    "stream.window_s": (0.1, 60),
    "stream.min_window_s": (0.1, 60),
    "stream.hop_s": (0.01, 60),
    "stream.recent_s": (0, 60),
    "stream.recent_share": (0, 1),
    "stream.max_lag_s": (0.2, 600),
    "gate.vad_threshold": (0, 1),
    "gate.floor_margin_db": (0, 60),
    "gate.floor_min_db": (-120, 0),
    "gate.floor_span_s": (0.5, 60),
    "gate.min_speech_s": (0, 60),
    "gate.recent_s": (0.05, 60),
    "smoothing.time_constant_s": (0, 600),
    "smoothing.span_s": (0.05, 600),
    "smoothing.stay_probability": (0, 1),
    "smoothing.evidence_s": (0.01, 60),
    "smoothing.cusum_drift": (0, 20),
    "smoothing.cusum_threshold": (0, 600),
    "smoothing.margin": (0, 1),
    "smoothing.hold_s": (0, 60),
    "smoothing.unsure_below": (0, 1),
    "smoothing.neutral_share": (0.01, 0.99),
    "smoothing.forget_s": (0, 600),
    "smoothing.keep_label_s": (0, 600),
    "dashboard.frames_per_s": (1, 60),
    "dashboard.timeline_s": (5, 3600),
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "smoothing.method": ("ema", "majority", "hmm", "none"),
    "smoothing.change": ("cusum", "lead"),
}


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
    values = read_yaml(resource("config.yaml"))
    origin = str(resource("config.yaml"))
    config = build(Config, values, origin, "")
    if path is not None:
        values = _merge(values, read_yaml(Path(path)))
        config = build(Config, values, str(path), "")
    for override in overrides:
        values = _merge(values, _parse_override(override))
        config = build(Config, values, f"--set {override}", "")
    return config


def read_yaml(path: Path, what: str = "config", example: str = "model: mlp") -> dict[str, Any]:
    """The named settings of a YAML file.

    Parameters
    ----------
    path : the file
    what, example : what it is and a line of one, for messages

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


def _parse_override(override: str) -> dict[str, Any]:
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


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


_T = TypeVar("_T")


def between(low: float, high: float, *, default: float | None) -> Any:
    """A dataclass field whose value ``build`` holds to the closed range [low, high]."""
    return field(default=default, metadata={_BETWEEN: (low, high)})


def build(cls: type[_T], values: Mapping[str, Any], origin: str, prefix: str) -> _T:
    """A settings dataclass from plain values.

    Parameters
    ----------
    cls : a dataclass whose fields are bool, int, float, str, None, mappings or such dataclasses, all with defaults
    values : by field name
    origin, prefix : the file, and what stands before the keys in it, for messages

    Raises
    ------
    ConfigError : unknown key (the nearest valid one is named), wrong type, value out of range
    """
    hints = typing.get_type_hints(cls)
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(shown(key, str), list(known), n=1, cutoff=0.0)
            raise ConfigError(f"{origin}: unknown setting '{prefix}{shown(key, str)}'; did you mean '{prefix}{near[0]}'?")
        arguments[key] = _convert(hints[key], value, origin, f"{prefix}{key}")
        if _BETWEEN in known[key].metadata:
            _check_range(arguments[key], known[key].metadata[_BETWEEN], origin, f"{prefix}{key}")
    return cls(**arguments)


def _convert(hint: Any, value: Any, origin: str, key: str) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{origin}: '{key}' is a section; expected settings inside it, got {shown(value)}")
        return build(typing.cast("type[Any]", hint), value, origin, f"{key}.")
    if typing.get_origin(hint) is Mapping:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{origin}: '{key}' is a section; expected settings inside it, got {shown(value)}")
        return value
    allowed = typing.get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if isinstance(value, int) and not isinstance(value, bool) and float in allowed and int not in allowed:
        # An integer too long for a float is out of every range; say so rather than overflow.
        value = float(value) if abs(value) < 2**1000 else math.inf
    if type(value) not in allowed:
        expected = " or ".join("nothing (null)" if kind is type(None) else kind.__name__ for kind in allowed)
        raise ConfigError(f"{origin}: '{key}' takes {expected}, got {shown(value)}")
    if isinstance(value, int | float) and key in _RANGES:
        _check_range(value, _RANGES[key], origin, key)
    if key in _CHOICES and value not in _CHOICES[key]:
        raise ConfigError(f"{origin}: '{key}' must be one of {', '.join(_CHOICES[key])}, got {shown(value)}")
    return value


def _check_range(value: float | None, limits: tuple[float, float], origin: str, key: str) -> None:
    low, high = limits
    if value is not None and not low <= value <= high:
        raise ConfigError(f"{origin}: '{key}' must be between {low:g} and {high:g}, got {shown(value, '{:g}'.format)}")


def shown(value: Any, form: Callable[[Any], str] = repr) -> str:
    """A value as a message may show it: what a file holds can be of any length."""
    try:
        text = form(value)
    except (ValueError, OverflowError, RecursionError):  # an integer of more digits than Python prints, or than a float holds
        text = f"something that is too long to show ({type(value).__name__})"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
