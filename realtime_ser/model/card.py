"""A bundle's card, ``NAME.json``: it owns the front end, the labels and the scores, and is read and checked here.

What cannot be right on a card is refused in one line that names the file; its network is not opened.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime_ser.errors import ModelError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.normaliser import Normalisation
from realtime_ser.features.spec import FrontEndSpec

CARD_FORMAT = 1
_MAX_CARD_BYTES = 2**20
_MOST_STATE = 2**20
_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "format": int,
    "name": str,
    "front_end": dict,
    "window_s": (int, float),
    "min_window_s": (int, float),
    "labels": list,
    "input": dict,
    "output": dict,
    "sha256": str,
}


@dataclass(frozen=True, slots=True)
class StreamGraph:
    """A graph that takes one window and its stream's state, and returns probabilities and the next state.

    Attributes
    ----------
    state, next_state : tensors float32 (size,); all zeros at a stream's start
    hop_s : tensor float32 (1,), seconds at the window's end that no earlier window held
    size : numbers in a state
    recent_s : seconds; the output's second row is of so much at the window's end
    nobody : the output's last column, beside the labels', is that nobody speaks
    """

    state: str
    next_state: str
    hop_s: str
    size: int
    recent_s: float
    nobody: bool


@dataclass(frozen=True, slots=True)
class Card:
    """What a bundle says about itself.

    Attributes
    ----------
    spec : the front end
    normalisation : of what the front end gives, running along with the stream; None: none
    window_s, min_window_s : longest and shortest window it was trained for, in seconds
    labels : one per output
    input_name, output_name : tensors of the ONNX graph
    stream : how the graph carries a stream's state; None: it has none
    logits : the output is logits, to be divided by ``temperature`` and softmaxed here; else it is probabilities
    headline : the honest score in one line
    raw : the whole card
    """

    name: str
    path: Path
    spec: FrontEndSpec
    normalisation: Normalisation | None
    window_s: float
    min_window_s: float
    labels: tuple[str, ...]
    input_name: str
    output_name: str
    logits: bool
    temperature: float
    stream: StreamGraph | None
    sha256: str
    headline: str
    licence: str
    raw: Mapping[str, Any]

    @property
    def onnx_path(self) -> Path:
        """The network beside the card."""
        return self.path.with_suffix(".onnx")


def read_card(path: Path) -> Card:
    """Read and check a card.

    Raises
    ------
    ModelError : unreadable, not JSON, or a key is missing, ill-typed or senseless
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_CARD_BYTES + 1)
        if len(text) > _MAX_CARD_BYTES:
            raise ModelError(f"model card {path} has more than {_MAX_CARD_BYTES // 2**20} MiB; is it another file?")
        raw = json.loads(text, parse_int=_integer)
    except OSError as error:
        raise ModelError(f"cannot read model card {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model card {path} is not JSON: {' '.join(str(error).split())[:200]}") from error
    try:
        return _card(path, raw)
    except ModelError as error:
        raise ModelError(f"model card {path}: {error}") from error


def _card(path: Path, raw: Any) -> Card:
    if not isinstance(raw, dict):
        raise ModelError("expected a JSON object")
    for key, kind in _REQUIRED.items():
        if key not in raw:
            raise ModelError(f"{key!r} is missing")
        if not isinstance(raw[key], kind) or isinstance(raw[key], bool):
            raise ModelError(f"{key!r} is of the wrong type ({type(raw[key]).__name__})")
    if raw["format"] != CARD_FORMAT:
        raise ModelError(f"format {raw['format']} is not {CARD_FORMAT}, the one that this version reads; upgrade realtime-ser")
    labels = raw["labels"]
    if len(labels) < 2 or not all(isinstance(label, str) and label for label in labels) or len(set(labels)) != len(labels):
        raise ModelError("'labels' must be at least two different names")
    window_s, min_window_s = float(raw["window_s"]), float(raw["min_window_s"])
    if not 0.05 <= min_window_s <= window_s <= 60:
        raise ModelError(f"needs 0.05 <= min_window_s ({min_window_s:g}) <= window_s ({window_s:g}) <= 60")
    temperature = raw.get("temperature", 1.0)
    if not isinstance(temperature, int | float) or not math.isfinite(temperature) or temperature <= 0:
        raise ModelError("'temperature' must be a positive number")
    names = [raw[side].get("name") for side in ("input", "output")]
    if not all(isinstance(name, str) for name in names):
        raise ModelError("'input' and 'output' need a 'name'")
    kind = raw["output"].get("kind", "probabilities")
    if kind not in ("probabilities", "logits"):
        raise ModelError(f"output kind {kind!r} is neither 'probabilities' nor 'logits'")
    spec = FrontEndSpec.from_dict(raw["front_end"])
    spec.check_window(window_s)
    normalisation = _normalisation(raw["normalisation"], spec, window_s) if raw.get("normalisation") is not None else None
    return Card(
        name=raw["name"],
        path=path,
        spec=spec,
        normalisation=normalisation,
        window_s=window_s,
        min_window_s=min_window_s,
        labels=tuple(labels),
        input_name=names[0],
        output_name=names[1],
        logits=kind == "logits",
        temperature=float(temperature),
        stream=_stream(raw["stream"], kind) if raw.get("stream") is not None else None,
        sha256=raw["sha256"],
        headline=str(raw.get("headline", "no score on its card")),
        licence=str(raw.get("licence", "not stated")),
        raw=raw,
    )


def _normalisation(section: Any, spec: FrontEndSpec, window_s: float) -> Normalisation:
    if not isinstance(section, dict):
        raise ModelError("'normalisation' must be an object or null")
    size = FrontEnd(spec, window_s).n_normalised
    if not size:
        raise ModelError(f"'normalisation' does not go with the recipe {spec.recipe!r}")
    return Normalisation.from_dict(section, size)


def _stream(section: Any, kind: str) -> StreamGraph:
    known = {"state": str, "next_state": str, "hop_s": str, "size": int, "recent_s": (int, float), "nobody": bool}
    if not isinstance(section, dict) or set(section) != set(known):
        raise ModelError(f"'stream' must be null or an object with {', '.join(known)}")
    for key, wanted in known.items():
        if not isinstance(section[key], wanted) or (wanted is not bool and isinstance(section[key], bool)):  # type: ignore[arg-type]
            raise ModelError(f"stream: {key!r} is of the wrong type ({type(section[key]).__name__})")
    if kind != "probabilities":
        raise ModelError("a graph with a 'stream' returns probabilities")
    if not 0 <= section["size"] <= _MOST_STATE or not 0.05 <= section["recent_s"] <= 60:
        raise ModelError(f"stream: 'size' must lie in 0 to {_MOST_STATE}, 'recent_s' in 0.05 to 60")
    return StreamGraph(**section)


def _integer(digits: str) -> int:
    if len(digits) > 18:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
