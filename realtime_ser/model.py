"""A model bundle: ``NAME.onnx`` and its card ``NAME.json``.

The card owns the front end, the labels and the scores. Nothing is ever unpickled, and the ONNX file is loaded from bytes whose
hash the card gives and which name no other file, so that a bundle is what its card says or is refused.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realtime_ser.config import resource
from realtime_ser.errors import ConfigError, ModelError
from realtime_ser.features.running import Normalisation, RunningNormaliser
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.features.windows import FrontEnd
from realtime_ser.onnx_file import read_network
from realtime_ser.records import FloatArray

CARD_FORMAT = 1
_MAX_CARD_BYTES = 2**20
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
class Card:
    """What a bundle says about itself.

    Attributes
    ----------
    spec : the front end
    normalisation : of what the front end gives, running along with the stream; None: none
    window_s, min_window_s : longest and shortest window it was trained for, in seconds
    labels : one per output
    input_name, output_name : tensors of the ONNX graph
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


class Classifier:
    """A loaded bundle, warmed up, on one thread.

    Parameters
    ----------
    card : what the bundle claims; every claim that can be checked is

    Raises
    ------
    ModelError : wrong hash, not an ONNX graph that runs, wrong tensor names, shape or number of labels
    """

    def __init__(self, card: Card) -> None:
        self.card = card
        self.labels = card.labels
        content = read_network(card.onnx_path, card.sha256)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Spinning would burn the core that the audio callback needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            # enable_fallback: else a damaged network makes ONNX Runtime print on standard output and try again.
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:
            raise ModelError(f"{card.onnx_path} does not load: {_one_line(error)}") from error
        inputs = [item.name for item in self._session.get_inputs()]
        outputs = [item.name for item in self._session.get_outputs()]
        if inputs != [card.input_name] or card.output_name not in outputs:
            raise ModelError(
                f"{card.onnx_path} has inputs {inputs} and outputs {outputs}; its card says {card.input_name!r} and"
                f" {card.output_name!r}"
            )
        self._warm_up()

    @property
    def spec(self) -> FrontEndSpec:
        """The front end."""
        return self.card.spec

    def front_end(self, window_s: float | None = None) -> FrontEnd:
        """A new front end for this model."""
        return FrontEnd(self.card.spec, window_s or self.card.window_s)

    def normaliser(self) -> RunningNormaliser | None:
        """A new running normaliser for this model, at a stream's start; None where its card asks for none."""
        normalisation = self.card.normalisation
        return None if normalisation is None else RunningNormaliser(normalisation, self.card.spec)

    def predict(self, features: FloatArray) -> FloatArray:
        """Classify windows of equal length.

        Parameters
        ----------
        features : float32 (B, ...), see the recipe

        Returns
        -------
        float32 (B, C), calibrated probabilities, each row summing to one

        Raises
        ------
        ModelError : the network refuses the shape or returns something that is no probability
        """
        try:
            (output,) = self._session.run([self.card.output_name], {self.card.input_name: features})
        except Exception as error:
            raise ModelError(f"{self.card.onnx_path} fails on input {features.shape}: {_one_line(error)}") from error
        expected = (len(features), len(self.labels))
        if output.shape != expected:
            raise ModelError(
                f"{self.card.onnx_path} returns shape {output.shape}, its card's {len(self.labels)} labels need {expected}"
            )
        probs = np.asarray(output, np.float32)
        if self.card.logits:
            shifted = (probs - probs.max(axis=1, keepdims=True)) / np.float32(self.card.temperature)
            probs = np.exp(shifted)
            probs /= probs.sum(axis=1, keepdims=True)
        # Written so that a NaN fails too; np.allclose would cost more than the network.
        if not (probs.min(initial=0) >= 0 and np.abs(probs.sum(axis=1) - 1).max(initial=0) <= 1e-3):
            raise ModelError(f"{self.card.onnx_path} returns numbers that are no probabilities; is its output logits?")
        return probs

    def _warm_up(self) -> None:
        # The first runs allocate; a fault in shape or labels shows here and not in the middle of a stream.
        front_end = self.front_end()
        noise = np.random.default_rng(0).normal(0, 0.01, self.spec.samples_in(front_end.window_frames))
        front_end.push(noise.astype(np.float32))
        normaliser = self.normaliser()
        for frames in (self.spec.frames_in(self.card.min_window_s), front_end.window_frames):
            features = front_end.window(frames)
            self.predict((features if normaliser is None else normaliser.normalise(features, 0.25))[np.newaxis])


def load_model(model: str | Path = "mlp") -> Classifier:
    """Load a bundle.

    Parameters
    ----------
    model : a shipped bundle's name ("mlp", "cnn") or the path of a bundle's .json or .onnx

    Raises
    ------
    ConfigError : there is no such bundle
    ModelError : it is damaged or does not hold what its card says
    """
    return Classifier(read_card(find_card(model)))


def find_card(model: str | Path) -> Path:
    """Path of a bundle's card; see ``load_model``."""
    path = Path(model)
    if path.suffix in (".json", ".onnx"):
        card = path.with_suffix(".json")
        if not card.is_file():
            raise ConfigError(f"no model card {card}; a bundle is NAME.onnx with NAME.json beside it")
        return card
    shipped = {item.stem: item for item in sorted(resource("weights").glob("*.json"))}
    name = str(model)
    if name not in shipped:
        near = difflib.get_close_matches(name, list(shipped), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(shipped) or "none"
        raise ConfigError(f"no model {name!r}{hint} (shipped: {known}; or give the path of a bundle's .json)")
    return shipped[name]


def list_bundles() -> list[Path]:
    """Cards of the shipped bundles."""
    return sorted(resource("weights").glob("*.json"))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _integer(digits: str) -> int:
    if len(digits) > 18:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
