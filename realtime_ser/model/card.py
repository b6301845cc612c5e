"""Reads and checks a bundle's card, ``NAME.json``, which defines the front end, the labels and the scores.

An invalid card is refused in one line that names the file, before its network is opened.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime_ser.config_build import between, build
from realtime_ser.errors import ModelError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.normaliser import Normalisation
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.text import one_line

CARD_FORMAT = 1
_MAX_CARD_BYTES = 2**20
_MOST_STATE = 2**20


@dataclass(frozen=True, slots=True)
class StreamGraph:
    """A graph that takes one window and its stream's state, and returns probabilities and the next state.

    Attributes
    ----------
    state, next_state : tensors float32 (size,); all zeros at a stream's start
    hop_s : tensor float32 (1,), seconds at the window's end that no earlier window covered
    size : numbers in a state
    recent_s : the output's second row is for this many seconds at the window's end
    nobody : whether the output has a last column, after the labels, for "nobody speaks"
    """

    state: str
    next_state: str
    hop_s: str
    nobody: bool
    size: int = between(0, _MOST_STATE)
    recent_s: float = between(0.05, 60)


@dataclass(frozen=True, slots=True)
class Vote:
    """A second model, in the same folder, whose probabilities are averaged with this one's.

    Attributes
    ----------
    model : its bundle's name
    sha256 : of its network; with another network neither the scores nor the calibration on this card hold
    share : weight of its probabilities; this model's is ``1 - share``
    temperature : divides the logarithms of the mean, before they are normalised: a mean of unlike answers is too modest
    """

    model: str
    sha256: str
    share: float = between(0, 1)
    temperature: float = between(0.05, 20, default=1.0)


@dataclass(frozen=True, slots=True)
class _Written:
    """The keys of a card that the live path needs; others are kept unread."""

    format: int
    name: str
    front_end: Mapping[str, Any]
    window_s: float
    min_window_s: float
    labels: tuple[str, ...]
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    sha256: str
    temperature: float = 1.0
    normalisation: Mapping[str, Any] | None = None
    stream: StreamGraph | None = None
    nobody: bool = False
    nobody_from: float = 0.0
    vote: Vote | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """The content of a bundle's card.

    Attributes
    ----------
    spec : the front end
    normalisation : running normalisation of the front end's output; None: none
    window_s, min_window_s : longest and shortest window it was trained for, in seconds
    labels : one per output
    input_name, output_name : tensors of the ONNX graph
    stream : tensors of the stream's state in the graph; None: it has none
    nobody : whether the output has a last column, after the labels, for "nobody speaks"
    nobody_from : that column's least probability at which the window is no speech, if it is the largest; 0 to 1
    standardised : whether each window of a waveform is scaled to zero mean and unit variance
    logits : the output is logits, to be divided by ``temperature`` and softmaxed here; else it is probabilities
    headline : the speaker-independent score in one line
    raw : the whole card
    vote : a second model that it is averaged with; None: it answers alone
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
    sha256: str
    headline: str
    licence: str
    raw: Mapping[str, Any]
    stream: StreamGraph | None = None
    standardised: bool = False
    nobody: bool = False
    nobody_from: float = 0.0
    vote: Vote | None = None

    @property
    def onnx_path(self) -> Path:
        """The network beside the card."""
        return self.path.with_suffix(".onnx")

    @property
    def identity(self) -> str:
        """What its answers depend on: the network's hash, the vote's, and when it says "nobody"."""
        nobody = f", nobody from {self.nobody_from:g}" if self.nobody_from else ""
        if self.vote is None:
            return self.sha256 + nobody
        return f"{self.sha256} + {self.vote.share:g} {self.vote.sha256} / {self.vote.temperature:g}{nobody}"


def read_card(path: Path) -> Card:
    """Read and check a card.

    Raises
    ------
    ModelError : unreadable, not JSON, or a key is missing, ill-typed or invalid
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
        raise ModelError(f"model card {path} is not JSON: {one_line(error, 200)}") from error
    try:
        return _card(path, raw)
    except ModelError as error:
        raise ModelError(f"model card {path}: {error}") from error


def _card(path: Path, raw: Any) -> Card:
    if not isinstance(raw, dict):
        raise ModelError("expected a JSON object")
    known = {key: value for key, value in raw.items() if key in _Written.__dataclass_fields__}
    read = build(_Written, known, "", "", error=ModelError, what="key")
    if read.format != CARD_FORMAT:
        raise ModelError(f"format {read.format} is not {CARD_FORMAT}, the one that this version supports; upgrade realtime-ser")
    if len(read.labels) < 2 or not all(read.labels) or len(set(read.labels)) != len(read.labels):
        raise ModelError("'labels' must be at least two different names")
    if not 0.05 <= read.min_window_s <= read.window_s <= 60:
        raise ModelError(f"needs 0.05 <= min_window_s ({read.min_window_s:g}) <= window_s ({read.window_s:g}) <= 60")
    if not math.isfinite(read.temperature) or read.temperature <= 0:
        raise ModelError("'temperature' must be a positive number")
    names: list[Any] = [side.get("name") for side in (read.input, read.output)]
    if not all(isinstance(name, str) for name in names):
        raise ModelError("'input' and 'output' need a 'name'")
    kind = read.output.get("kind", "probabilities")
    if kind not in ("probabilities", "logits"):
        raise ModelError(f"output kind {kind!r} is neither 'probabilities' nor 'logits'")
    if read.stream is not None and kind != "probabilities":
        raise ModelError("a graph with a 'stream' returns probabilities")
    nobody = read.nobody or (read.stream is not None and read.stream.nobody)
    if not 0 <= read.nobody_from <= 1 or (read.nobody_from and not nobody):
        raise ModelError("'nobody_from' must be 0 to 1, and needs a network with an output for nobody")
    if read.vote is not None and (read.vote.model == path.stem or not read.vote.model.replace("-", "").isidentifier()):
        raise ModelError(f"'vote' must name another bundle of the same folder, not {read.vote.model!r:.80}")
    spec = FrontEndSpec.from_dict(read.front_end)
    scale = read.input.get("scale", "raw")
    if scale not in ("raw", "standardised") or (scale != "raw" and spec.recipe != "waveform"):
        raise ModelError(f"input scale {scale!r} is neither 'raw' nor, for a waveform, 'standardised'")
    spec.check_window(read.window_s)
    normalisation = None if read.normalisation is None else _normalisation(read.normalisation, spec, read.window_s)
    return Card(
        name=read.name,
        path=path,
        spec=spec,
        normalisation=normalisation,
        window_s=read.window_s,
        min_window_s=read.min_window_s,
        labels=read.labels,
        input_name=names[0],
        output_name=names[1],
        standardised=scale == "standardised",
        logits=kind == "logits",
        temperature=read.temperature,
        stream=read.stream,
        nobody=nobody,
        nobody_from=read.nobody_from,
        vote=read.vote,
        sha256=read.sha256,
        headline=str(raw.get("headline", "no score on its card")),
        licence=str(raw.get("licence", "not stated")),
        raw=raw,
    )


def _normalisation(section: Mapping[str, Any], spec: FrontEndSpec, window_s: float) -> Normalisation:
    size = FrontEnd(spec, window_s).n_normalised
    if not size:
        raise ModelError(f"'normalisation' does not go with the recipe {spec.recipe!r}")
    return Normalisation.from_dict(section, size)


def _integer(digits: str) -> int:
    if len(digits) > 18:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
