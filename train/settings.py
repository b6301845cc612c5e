"""``recipes.yaml`` -> dataclasses. A card's ``training`` records these values.

Precedence: the shipped ``recipes.yaml`` < the ``train`` section of ``--config FILE`` < ``--set train.key=value``.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime_ser.config import TRAINING, Config, load_config, merged, parse_override, read_yaml
from realtime_ser.config_build import between, build
from realtime_ser.errors import ConfigError
from train.data.select import Selection
from train.recipe import ConvolutionsRecipe, Recipe, WaveformRecipe

RECIPES = Path(__file__).with_name("recipes.yaml")
CLIPS_OF_A_FOLD = 96  # that --stream and --bars play, where --clips is not given
SYSTEMS = ("mlp", "logmel")  # trained on cached features
ON_AUDIO = ("large", "cnn")  # trained on drawn windows of the audio


@dataclass(frozen=True, slots=True)
class NobodyFrom:
    """Least probability of "nobody speaks" at which a system says so, where it is the largest; 0 to 1."""

    mlp: float = between(0, 1, default=0.25)
    logmel: float = between(0, 1, default=0.0)
    cnn: float = between(0, 1, default=0.35)
    large: float = between(0, 1, default=0.35)

    def of(self, system: str) -> float:
        """That of one system."""
        return float(getattr(self, system))


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Everything that ``recipes.yaml`` holds.

    Attributes
    ----------
    corpora : the folder that holds them, or None
    use : training corpora of the shipped models and of leave-one-corpus-out
    within : corpora of the folds inside one corpus
    seed : of everything random
    vote : weight of mlp's answer beside that of large and of cnn; 0: they answer alone
    nobody_from : least probability of "nobody speaks" at which a system takes a window for no speech; goes onto the card
    """

    corpora: str | None = None
    use: tuple[str, ...] = ("ravdess_speech",)
    within: tuple[str, ...] = ("ravdess_speech",)
    seed: int = between(0, 2**31, default=0)
    vote: float = between(0, 1, default=0.4)
    nobody_from: NobodyFrom = field(default_factory=NobodyFrom)
    select: Selection = field(default_factory=Selection)
    mlp: Recipe = field(default_factory=lambda: Recipe({"recipe": "flatstats"}))
    logmel: Recipe = field(default_factory=lambda: Recipe({"recipe": "stacked"}))
    cnn: ConvolutionsRecipe = field(default_factory=ConvolutionsRecipe)
    large: WaveformRecipe = field(default_factory=WaveformRecipe)

    def recipe(self, system: str) -> Recipe:
        """The recipe of "mlp" or "logmel"."""
        if system not in SYSTEMS:
            raise ConfigError(f"unknown system {system!r}; known are {', '.join(SYSTEMS)}")
        return self.mlp if system == "mlp" else self.logmel


@dataclass(frozen=True)
class Setup:
    """The settings of every step, and the changes to the shipped ones.

    Attributes
    ----------
    train : settings of training
    live : settings of the engine, for scoring
    config : file that overrides both, or None
    changes : ``key=value`` strings laid over both
    """

    train: TrainSettings
    live: Config = field(default_factory=Config)
    config: Path | None = None
    changes: tuple[str, ...] = ()

    def command(self, options: str) -> str:
        """The shell command that reproduces a run, for cards and results.

        Parameters
        ----------
        options : verb and options, such as "export --system mlp"; of the settings file only the name is included, not the path
        """
        config = f" --config {shlex.quote(self.config.name)}" if self.config else ""
        return f"python -m train {options}{config}" + "".join(f" --set {shlex.quote(change)}" for change in self.changes)


def load_setup(config: str | Path | None = None, changes: Sequence[str] = ()) -> Setup:
    """Read the settings of training and of the live path.

    Parameters
    ----------
    config : a YAML file whose ``train`` section is laid over ``recipes.yaml`` and the others over ``config.yaml``, or None
    changes : ``key=value`` strings laid over both, such as "train.logmel.epochs=20" and "gate.vad=false"

    Raises
    ------
    ConfigError : unreadable file, bad YAML, unknown key, wrong type, value out of range
    """
    values = _section(read_yaml(RECIPES), str(RECIPES))
    settings = train_settings(values, str(RECIPES))
    if config is not None:
        values = merged(values, _section(read_yaml(Path(config)), str(config)))
        settings = train_settings(values, str(config))
    of_live = []
    for change in changes:
        parsed = parse_override(change)
        if TRAINING not in parsed:
            of_live.append(change)
            continue
        values = merged(values, _section(parsed, f"--set {change}"))
        settings = train_settings(values, f"--set {change}")
    live = load_config(config, of_live)
    return Setup(settings, live, None if config is None else Path(config), tuple(changes))


def _section(values: Mapping[str, Any], origin: str) -> Mapping[str, Any]:
    section = values.get(TRAINING) or {}
    if not isinstance(section, Mapping):
        raise ConfigError(f"{origin}: '{TRAINING}' is a section; expected settings inside it, got {section!r}")
    return section


def train_settings(section: Mapping[str, Any], origin: str = "config") -> TrainSettings:
    """Make the settings of plain values.

    Parameters
    ----------
    section : content of ``train``; variants there apply to every system without its own
    origin : the file, for messages

    Raises
    ------
    ConfigError : a key is unknown or missing, or a value of the wrong kind or out of range
    """
    values = dict(section)
    shared = values.pop("variants", None)
    for name in SYSTEMS:
        if shared is not None and isinstance(values.get(name), Mapping):
            values[name] = {"variants": shared, **values[name]}
    return build(TrainSettings, values, origin, f"{TRAINING}.")
