"""A scenario of faults: the YAML format, and the times of each fault."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from realtime_ser.config import read_yaml
from realtime_ser.config_build import between, build, shown
from realtime_ser.errors import ConfigError

_LONGEST_S = 1e7


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Times of a fault, in seconds of the wrapped source's time.

    Attributes
    ----------
    at_s : the first time
    every_s : period of repetition; None: once
    times : most repetitions; None: to the end
    spread_s : random delay of each occurrence, up to this
    """

    at_s: float = between(0, _LONGEST_S, default=0.0)
    every_s: float | None = between(0.01, _LONGEST_S, default=None)
    times: int | None = between(1, _LONGEST_S, default=None)
    spread_s: float = between(0, _LONGEST_S, default=0.0)

    @property
    def lasts_s(self) -> float:
        """Duration of one occurrence, in seconds; 0 for a single moment."""
        return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting(Fault):
    """A fault that lasts ``for_s``."""

    for_s: float = between(0.001, _LONGEST_S, default=1.0)

    @property
    def lasts_s(self) -> float:
        """Duration of one occurrence, in seconds."""
        return self.for_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanish(Lasting):
    """The device is unplugged and comes back: notices, and a jump in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Xrun(Fault):
    """The audio system reports an overflow. ``lost_ms``: length of the lost audio, a jump in time; None: a flag only."""

    lost_ms: float | None = between(0.1, 60_000, default=None)

    @property
    def lasts_s(self) -> float:
        """Length of the lost audio, in seconds."""
        return (self.lost_ms or 0.0) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Jitter(Lasting):
    """Each block arrives up to ``max_ms`` late, at random; none is lost."""

    max_ms: float = between(0, 60_000, default=80.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall(Lasting):
    """No block arrives for ``for_s``, then all at once; none is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst(Lasting):
    """Blocks arrive in bursts of ``size_ms``, as over a radio link."""

    size_ms: float = between(1, 60_000, default=250.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotANumber(Lasting):
    """This ``share`` of the samples, and at least one in a block, is NaN."""

    share: float = between(0, 1, default=0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class Infinite(Lasting):
    """This ``share`` of the samples, and at least one in a block, is plus or minus infinity."""

    share: float = between(0, 1, default=0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class Denormals(Lasting):
    """Noise of 1e-40: denormal numbers, on which processors are slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset(Lasting):
    """A DC offset: ``level`` (of full scale) is added."""

    level: float = between(-2, 2, default=0.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipping(Lasting):
    """Amplified by ``gain_db`` and clipped at full scale."""

    gain_db: float = between(0, 120, default=30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels(Lasting):
    """The device delivers ``count`` channels, of which ``silent`` are silent, and they are mixed down to one."""

    count: int = between(1, 64, default=2)
    silent: int = between(0, 64, default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LyingRate:
    """The device declares ``declared_hz`` but delivers at its own rate, from beginning to end."""

    declared_hz: int = between(1_000, 768_000, default=48_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDrift:
    """The device's clock runs ``ppm`` too fast (or too slow): that many additional samples per million, from beginning to
    end."""

    ppm: float = between(-20_000, 20_000, default=500.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise(Fault):
    """The callback raises an exception, which ends the stream."""

    message: str = "injected fault"


KINDS: dict[str, type[Any]] = {
    "vanish": Vanish,
    "xrun": Xrun,
    "jitter": Jitter,
    "stall": Stall,
    "burst": Burst,
    "nan": NotANumber,
    "inf": Infinite,
    "denormals": Denormals,
    "dc_offset": Offset,
    "clipping": Clipping,
    "channels": Channels,
    "lying_rate": LyingRate,
    "clock_drift": ClockDrift,
    "raise": Raise,
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults and the seed of everything random about them.

    Attributes
    ----------
    faults : of the classes in ``KINDS``
    seed : at least 0
    block_ms : block size of the faulty source, whatever it wraps, so that a scenario has the same effect on every source
    name : the file, for messages
    """

    faults: tuple[Any, ...]
    seed: int = 0
    block_ms: float = 20.0
    name: str = "a scenario"


@dataclass(frozen=True, slots=True)
class _Head:
    """The keys at the top of the file."""

    seed: int = between(0, 2**32, default=0)
    block_ms: float = between(1, 1000, default=20.0)
    faults: Mapping[str, Any] = field(default_factory=dict)


def load_scenario(path: str | Path) -> Scenario:
    """Read a scenario; ``docs/faults.yaml`` is an example with every kind.

    Raises
    ------
    ConfigError : the file, the key and the nearest valid one
    """
    values = read_yaml(Path(path), "fault scenario", "seed: 1")
    return parse_scenario(values, str(path))


def parse_scenario(values: Mapping[str, Any], origin: str) -> Scenario:
    """A scenario from plain values; see ``load_scenario``."""
    # Only the key; the list is checked below.
    head = build(_Head, {key: {} if key == "faults" else value for key, value in values.items()}, origin, "")
    listed = values.get("faults")
    if not isinstance(listed, list):
        raise ConfigError(f"{origin}: 'faults' must be a list, such as '- kind: vanish'; got {shown(listed)}")
    faults = tuple(_fault(item, origin, f"faults[{number}]") for number, item in enumerate(listed))
    for kind in (LyingRate, ClockDrift):
        if sum(isinstance(fault, kind) for fault in faults) > 1:
            raise ConfigError(f"{origin}: there can be one {_kind_of(kind)} only; take the others out")
    return Scenario(faults, head.seed, head.block_ms, origin)


def _fault(item: Any, origin: str, where: str) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get("kind"), str):
        raise ConfigError(f"{origin}: '{where}' needs a kind, one of {', '.join(KINDS)}; got {shown(item)}")
    kind = item["kind"]
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, list(KINDS), n=1, cutoff=0.0)[0]
        raise ConfigError(f"{origin}: '{where}.kind' is {shown(kind)}, which is none; did you mean {near!r}?")
    rest = {key: value for key, value in item.items() if key != "kind"}
    fault = build(KINDS[kind], rest, origin, f"{where}.")
    if isinstance(fault, Fault):
        if fault.every_s is not None and fault.lasts_s + fault.spread_s > fault.every_s:
            raise ConfigError(f"{origin}: '{where}.every_s' ({fault.every_s:g}) is shorter than one {kind} may take")
        if fault.times is not None and fault.every_s is None:
            raise ConfigError(f"{origin}: '{where}.times' needs 'every_s'")
    if isinstance(fault, Channels) and fault.silent > fault.count:
        raise ConfigError(f"{origin}: '{where}.silent' ({fault.silent}) is more than 'count' ({fault.count})")
    return fault


def strikes(fault: Fault, key: tuple[int, int], rate: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Occurrences of a fault: every ``(first, past)`` in samples that overlaps ``[start, end)``, in order.

    Parameters
    ----------
    fault : any of the timed kinds; an occurrence without duration has ``first == past``, in ``[start, end)``
    key : seed, and the number of the fault in its scenario
    rate : of the indices, in Hz
    """
    reach = fault.lasts_s + fault.spread_s
    number = 0
    if fault.every_s is not None:
        number = max(0, math.floor((start / rate - fault.at_s - reach) / fault.every_s))
    while number < (fault.times or math.inf):
        at_s = fault.at_s + number * (fault.every_s or 0.0)
        if round(at_s * rate) >= end:
            return
        if fault.spread_s:
            at_s += float(np.random.default_rng((*key, number)).uniform(0, fault.spread_s))
        first = round(at_s * rate)
        past = first + round(fault.lasts_s * rate)
        if (start <= first < end) if first == past else (first < end and past > start):
            yield first, past
        if fault.every_s is None:
            return
        number += 1


def _kind_of(cls: type[Any]) -> str:
    return next(name for name, known in KINDS.items() if known is cls)
