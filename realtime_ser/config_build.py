"""Plain values, as YAML and JSON give them -> dataclasses: the one reader of settings, cards and recipes.

A mistake fails in one line with the file, the key and the nearest valid one. A field's valid values are declared beside it:
``between`` for numbers, ``one_of`` for words; otherwise only its type is checked.
"""

from __future__ import annotations

import difflib
import math
import numbers
import os
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, field, fields, is_dataclass
from typing import Any, TypeVar

from realtime_ser.errors import ConfigError, SerError

_BETWEEN, _ONE_OF, _FORMERLY = "between", "one of", "formerly"
_LONGEST_SHOWN = 80
_UNIONS = (types.UnionType, typing.Union)
_T = TypeVar("_T")


def between(low: float, high: float, *, default: Any = MISSING, formerly: str | None = None) -> Any:
    """A dataclass field whose value must lie in the closed range [low, high]; None is valid where the type allows it.

    ``formerly`` : its name in earlier versions, whose use fails with a message that has the new one
    """
    return field(default=default, metadata={_BETWEEN: (low, high), _FORMERLY: formerly})


def one_of(*choices: str, default: str) -> Any:
    """A dataclass field that takes one of some words."""
    return field(default=default, metadata={_ONE_OF: choices})


def limits_of(cls: Any, name: str) -> tuple[float, float] | None:
    """The range of a field, where it has one."""
    return typing.cast("tuple[float, float] | None", cls.__dataclass_fields__[name].metadata.get(_BETWEEN))


def choices_of(cls: Any, name: str) -> tuple[str, ...]:
    """The words that a field takes; empty for other fields."""
    return typing.cast("tuple[str, ...]", cls.__dataclass_fields__[name].metadata.get(_ONE_OF, ()))


def former_dict(settings: Any) -> dict[str, Any]:
    """``asdict`` under the former names of renamed fields: for keys of caches and checkpoints, which must survive a rename."""
    old = {item.name: item.metadata.get(_FORMERLY) or item.name for item in fields(settings)}
    return {old[name]: value for name, value in asdict(settings).items()}


def build(
    cls: type[_T],
    values: Mapping[str, Any],
    origin: str,
    prefix: str,
    *,
    error: type[SerError] = ConfigError,
    what: str = "setting",
) -> _T:
    """A dataclass from plain values.

    Parameters
    ----------
    cls : a dataclass whose fields are bool, int, float, str, None, mappings, such dataclasses, or tuples of these
    values : by field name; what has a default may be left out
    origin, prefix : the file ("": the caller adds it) and the prefix of its keys, for messages
    error : the exception's class
    what : the word for a key in messages

    Raises
    ------
    ConfigError, or ``error`` : unknown key (the nearest valid one is named), missing key, wrong type, value out of range
    """
    reader = _Reader(origin, error, what)
    return typing.cast("_T", reader.build(cls, values, prefix))


class _Reader:
    """``build`` for one file."""

    def __init__(self, origin: str, error: type[SerError], what: str) -> None:
        self._origin, self._error, self._what = origin, error, what

    def fail(self, text: str) -> SerError:
        return self._error(f"{self._origin}: {text}" if self._origin else text)

    def build(self, cls: Any, values: Mapping[str, Any], prefix: str) -> Any:
        hints = typing.get_type_hints(cls)
        known = {item.name: item for item in fields(cls)}
        arguments: dict[str, Any] = {}
        for key, value in values.items():
            if key not in known:
                for item in known.values():
                    if item.metadata.get(_FORMERLY) == key:
                        raise self.fail(f"{self._what} '{prefix}{key}' is now called '{prefix}{item.name}'")
                near = difflib.get_close_matches(shown(key, str), list(known), n=1, cutoff=0.0)
                raise self.fail(f"unknown {self._what} '{prefix}{shown(key, str)}'; did you mean '{prefix}{near[0]}'?")
            arguments[key] = self.convert(hints[key], value, f"{prefix}{key}")
            self.check(known[key].metadata, arguments[key], f"{prefix}{key}")
        for name, item in known.items():
            if name not in arguments and item.default is MISSING and item.default_factory is MISSING:
                raise self.fail(f"'{prefix}{name}' is missing")
        return cls(**arguments)

    def convert(self, hint: Any, value: Any, key: str) -> Any:
        allowed = typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else (hint,)
        if value is None and type(None) in allowed:
            return None
        inner = next((kind for kind in allowed if is_dataclass(kind) or typing.get_origin(kind)), None)
        if inner is None:
            return self.scalar(allowed, value, key)
        if typing.get_origin(inner) is tuple:
            return self.several(typing.get_args(inner), value, key)
        if not isinstance(value, Mapping):
            raise self.fail(f"'{key}' is a section; expected settings inside it, got {shown(value)}")
        return self.build(inner, value, f"{key}.") if is_dataclass(inner) else value

    def several(self, kinds: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
        """A tuple of any length, or a range: two numbers in order."""
        if len(kinds) == 2 and kinds[1] is not Ellipsis:
            numbers = isinstance(value, list | tuple) and all(
                isinstance(each, int | float) and not isinstance(each, bool) for each in value
            )
            if not numbers or len(value) != 2 or not value[0] <= value[1]:
                raise self.fail(f"'{key}' takes two numbers, the lower one first, got {shown(value)}")
        elif not isinstance(value, list | tuple):
            raise self.fail(f"'{key}' takes a list, got {shown(value)}")
        return tuple(self.convert(kinds[0], each, f"{key}[{place}]") for place, each in enumerate(value))

    def scalar(self, allowed: tuple[Any, ...], value: Any, key: str) -> Any:
        # NumPy's numbers are numbers, too, and a path is text.
        if type(value) not in (bool, int, float) and isinstance(value, numbers.Real):
            value = int(value) if isinstance(value, numbers.Integral) else float(value)
        elif isinstance(value, os.PathLike):
            value = os.fspath(value)
        if isinstance(value, int) and not isinstance(value, bool) and float in allowed and int not in allowed:
            # An integer too large for a float is out of every range; report that instead of an OverflowError.
            value = float(value) if abs(value) < 2**1000 else math.inf
        if type(value) not in allowed:
            expected = " or ".join("nothing (null)" if kind is type(None) else kind.__name__ for kind in allowed)
            raise self.fail(f"'{key}' takes {expected}, got {shown(value)}")
        return value

    def check(self, metadata: Mapping[Any, Any], value: Any, key: str) -> None:
        """Check a value, or each item of a tuple, against the range or words declared beside its field."""
        for each in value if isinstance(value, tuple) else (value,):
            low, high = metadata.get(_BETWEEN, (-math.inf, math.inf))
            if _BETWEEN in metadata and each is not None and not low <= each <= high:
                raise self.fail(f"'{key}' must be between {low:g} and {high:g}, got {shown(each, '{:g}'.format)}")
            if _ONE_OF in metadata and each not in metadata[_ONE_OF]:
                raise self.fail(f"'{key}' must be one of {', '.join(metadata[_ONE_OF])}, got {shown(each)}")


def shown(value: Any, form: Callable[[Any], str] = repr) -> str:
    """A value shortened for a message: a file can hold values of any length."""
    try:
        text = form(value)
    except (ValueError, OverflowError, RecursionError):  # an integer of more digits than Python prints, or than a float holds
        text = f"something that is too long to show ({type(value).__name__})"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
