"""The ``train:`` section of config.yaml -> dataclasses. What a card's ``training`` records is exactly this."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from realtime_ser.errors import ConfigError
from realtime_ser.features.spec import FrontEndSpec
from train.augment import PLAIN, Variant
from train.select import Selection


@dataclass(frozen=True, slots=True)
class Masking:
    """How log-mel is changed: probabilities per window, sizes in bands, frames and dB; ``babble_snr_db`` below the voice."""

    tilt_db: float = 6.0
    shift_bands: float = 2.0
    noise_probability: float = 0.3
    noise_db: tuple[float, float] = (-60.0, -15.0)
    limit_probability: float = 0.0
    babble_probability: float = 0.0
    babble_snr_db: tuple[float, float] = (8.0, 30.0)
    time_masks: int = 2
    time_width: int = 16
    band_masks: int = 2
    band_width: int = 8


@dataclass(frozen=True, slots=True)
class NormRecipe:
    """``prior_s`` and ``memory_s`` of the card's normalisation."""

    prior_s: float = 4.0
    memory_s: float = 40.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one system is trained.

    Attributes
    ----------
    front_end : changes to ``FrontEndSpec``'s defaults; ``recipe`` must be given
    network : keyword arguments of the network's class
    variants : cached versions of the audio, beside the plain one
    epochs, batch, rate, decay : of AdamW under a one-cycle schedule
    average : decay of the running mean of the weights, which is what is scored and exported
    mixup : parameter of the Beta distribution; 0: none
    smoothing : share of the target spread over all labels
    side : weight of the auxiliary loss (gender, intensity)
    per_clip : windows of a clip per epoch (vectors only)
    networks : trained with successive seeds and averaged in one graph
    joined : another system whose networks are averaged in too, or None
    joined_share : their share of the vote
    others_first : so many of the networks, the last ones, begin with the weights of one that has learned from the other
        corpora, where a run learns from some of them only (and of those that test it nothing is learned)
    across : share of the other networks' windows that begin in an earlier clip of the speaker, as a stream's do (stacked only)
    norm : the running normalisation, or None
    plain : share of windows from the plain audio; the variants have the rest, by their own ``share``
    corpus_power : see ``draws.draws``
    epoch_clips : an epoch has at most so many clips (stacked only), so that more corpora do not take more time; 0: all
    """

    front_end: Mapping[str, Any]
    network: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    masking: Masking = field(default_factory=Masking)
    epochs: int = 60
    batch: int = 32
    rate: float = 2e-3
    decay: float = 0.02
    average: float = 0.998
    mixup: float = 0.3
    smoothing: float = 0.1
    side: float = 0.2
    per_clip: int = 8
    networks: int = 1
    joined: str | None = None
    joined_share: float = 0.5
    others_first: int = 0
    across: float = 0.0
    norm: NormRecipe | None = None
    plain: float = 0.5
    corpus_power: float = 1.0
    epoch_clips: int = 0

    @property
    def spec(self) -> FrontEndSpec:
        """The front end."""
        return FrontEndSpec.from_dict(self.front_end)

    @property
    def chances(self) -> tuple[float, ...]:
        """Probability of each of ``all_variants``."""
        total = sum(variant.share for variant in self.variants)
        return (self.plain if self.variants else 1.0, *((1 - self.plain) * v.share / total for v in self.variants))

    @property
    def all_variants(self) -> tuple[Variant, ...]:
        """The plain audio, then the others."""
        return (PLAIN, *self.variants)


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """The whole section.

    Attributes
    ----------
    corpora : the folder that holds them, or None
    use : those that the shipped models and leave-one-corpus-out learn from
    within : those that the folds inside one corpus are made of
    seed : of everything random
    """

    corpora: str | None = None
    use: tuple[str, ...] = ("ravdess_speech",)
    within: tuple[str, ...] = ("ravdess_speech",)
    seed: int = 0
    select: Selection = field(default_factory=Selection)
    mlp: Recipe = field(default_factory=lambda: Recipe({"recipe": "flatstats"}))
    cnn: Recipe = field(default_factory=lambda: Recipe({"recipe": "stacked"}))

    def recipe(self, system: str) -> Recipe:
        """The recipe of "mlp" or "cnn"."""
        if system not in ("mlp", "cnn"):
            raise ConfigError(f"unknown system {system!r}; known are mlp, cnn")
        return self.mlp if system == "mlp" else self.cnn


def train_settings(section: Mapping[str, Any]) -> TrainSettings:
    """Read the section.

    Raises
    ------
    ConfigError : a key is unknown or a value of the wrong kind
    """
    values = dict(section)
    shared = values.pop("variants", None)
    for name in ("mlp", "cnn"):
        if name in values:
            own = _mapping(values[name], f"train.{name}")
            if "variants" not in own and shared is not None:
                own = {**own, "variants": shared}
            values[name] = _recipe(own, f"train.{name}")
    for name in ("use", "within"):
        if name in values:
            values[name] = tuple(values[name])
    if "select" in values:
        chosen = dict(_mapping(values["select"], "train.select"))
        for name in ("corpora", "emotions", "channels"):
            if name in chosen:
                chosen[name] = tuple(chosen[name] or ())
        values["select"] = _make(Selection, chosen, "train.select")
    return _make(TrainSettings, values, "train")


def _recipe(values: Any, where: str) -> Recipe:
    values = dict(_mapping(values, where))
    if "variants" in values:
        listed = []
        for number, item in enumerate(values["variants"]):
            item = dict(_mapping(item, f"{where}.variants[{number}]"))
            for range_db in ("snr_db", "babble_db"):
                if item.get(range_db) is not None:
                    item[range_db] = _range(item[range_db], f"{where}.variants[{number}].{range_db}")
            listed.append(_make(Variant, item, f"{where}.variants[{number}]"))
        values["variants"] = tuple(listed)
    if "masking" in values:
        masking = dict(_mapping(values["masking"], f"{where}.masking"))
        for name in ("noise_db", "babble_snr_db"):
            if name in masking:
                masking[name] = _range(masking[name], f"{where}.masking.{name}")
        values["masking"] = _make(Masking, masking, f"{where}.masking")
    if values.get("norm") is not None:
        values["norm"] = _make(NormRecipe, _mapping(values["norm"], f"{where}.norm"), f"{where}.norm")
    if "front_end" not in values:
        raise ConfigError(f"config: '{where}.front_end' is missing")
    return _make(Recipe, values, where)


def _range(value: Any, where: str) -> tuple[float, float]:
    numbers = isinstance(value, list | tuple) and all(isinstance(e, int | float) and not isinstance(e, bool) for e in value)
    if not numbers or len(value) != 2 or value[0] > value[1]:
        raise ConfigError(f"config: '{where}' takes two numbers, the lower one first, got {value!r}")
    return float(value[0]), float(value[1])


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"config: '{where}' is a section; expected settings inside it, got {value!r}")
    return value


def _make(cls: Any, values: Mapping[str, Any], where: str) -> Any:
    names = {item.name: item for item in dataclasses.fields(cls)}
    for key, value in values.items():
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1, cutoff=0.0)[0]
            raise ConfigError(f"config: unknown setting '{where}.{key}'; did you mean '{where}.{near}'?")
        kind = str(names[key].type)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if (kind == "int" and not (number and isinstance(value, int))) or (kind == "float" and not number):
            raise ConfigError(f"config: '{where}.{key}' takes {kind}, got {value!r}")
    return cls(**values)
