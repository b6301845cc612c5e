"""A stream's adaptation to its voice and microphone, which can be saved and passed to another stream."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from realtime_ser.errors import ModelError


@dataclass(frozen=True, slots=True)
class VoiceState:
    """The running normalisation's averages, or the state that the model's graph carries. JSON round trips are exact.

    Attributes
    ----------
    model : name and hash of the model that it was taken with, the only one that accepts it
    numbers : finite
    """

    model: str
    numbers: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """As a mapping for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VoiceState:
        """Read the mapping of ``to_dict``.

        Raises
        ------
        ModelError : it is something else
        """
        if not isinstance(values, Mapping) or set(values) != {"model", "numbers"}:
            raise ModelError("a voice's state: expected a mapping with model and numbers")
        model, numbers = values["model"], values["numbers"]
        if not isinstance(model, str) or not isinstance(numbers, list | tuple) or not all(map(_is_finite, numbers)):
            raise ModelError("a voice's state: expected text for 'model' and a list of finite numbers for 'numbers'")
        return cls(model, tuple(map(float, numbers)))


def _is_finite(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
