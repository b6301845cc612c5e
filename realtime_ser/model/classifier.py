"""A model bundle: ``NAME.onnx`` and its card ``NAME.json``.

The card defines the front end, the labels and the scores. Nothing is unpickled. The ONNX file must match the card's hash and
refer to no other file, otherwise the bundle is refused.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from realtime_ser.config import resource
from realtime_ser.errors import ConfigError, ModelError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.normaliser import RunningNormaliser
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.model.card import Card, read_card
from realtime_ser.model.onnx_check import read_network
from realtime_ser.records import FloatArray
from realtime_ser.text import one_line


class Classifier:
    """A loaded bundle, warmed up. Each call runs on one thread; engines in several threads may share it.

    Parameters
    ----------
    card : checked against the network
    voter : the second model of ``card.vote``; None: this one answers alone, whatever the card says

    Attributes
    ----------
    fixed_length : whether the network takes windows of one length alone

    Raises
    ------
    ModelError : wrong hash, not an ONNX graph that runs, wrong tensor names, shape or number of labels; a voter that is not the
        card's, or has other outputs
    """

    def __init__(self, card: Card, voter: Classifier | None = None) -> None:
        self.card: Card = card
        self.voter = voter
        if voter is not None:
            _check_voter(card, voter.card)
        self.labels = card.labels
        self._session = open_network(card.onnx_path, card.sha256)
        inputs = [item.name for item in self._session.get_inputs()]
        outputs = [item.name for item in self._session.get_outputs()]
        stream = card.stream
        takes = [card.input_name, *((stream.state, stream.hop_s) if stream else ())]
        gives = [card.output_name, *((stream.next_state,) if stream else ())]
        if sorted(inputs) != sorted(takes) or not set(gives) <= set(outputs):
            raise ModelError(
                f"{card.onnx_path} has inputs {inputs} and outputs {outputs}; its card says {', '.join(map(repr, takes))} and"
                f" {', '.join(map(repr, gives))}"
            )
        # A vector's length says nothing of the window's.
        self.fixed_length = card.spec.recipe in ("waveform", "stacked", "joint") and self._takes_one_length()
        self._warm_up()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a loaded model cannot be pickled or copied: pass its path and call load_model in the other process")

    @property
    def spec(self) -> FrontEndSpec:
        """The front end."""
        return self.card.spec

    def front_end(self, window_s: float | None = None) -> FrontEnd:
        """A new front end for this model."""
        return FrontEnd(self.card.spec, window_s or self.card.window_s)

    def normaliser(self) -> RunningNormaliser | None:
        """A new running normaliser for this model, at a stream's start; None where its card has none."""
        normalisation = self.card.normalisation
        return None if normalisation is None else RunningNormaliser(normalisation, self.card.spec)

    def predict(self, features: FloatArray) -> FloatArray:
        """Classify windows of equal length.

        Parameters
        ----------
        features : float32 (B, ...), see the recipe

        Returns
        -------
        float32 (B, C), calibrated probabilities, each row summing to one; for a graph that carries a stream's state, B is one
        and the window is a stream's first

        Raises
        ------
        ModelError : the network refuses the shape or returns values that are no probabilities
        """
        if self.card.stream is None:
            return self._emotions(self.outputs(features))
        rows, _ = self.follow(features, self.first_state(), self.card.min_window_s)
        return self._emotions(rows[:1])

    def outputs(self, features: FloatArray) -> FloatArray:
        """As ``predict``, with the "nobody speaks" output where the card has ``nobody``: float32 (B, C) or (B, C + 1).

        Only for models whose card has no ``stream``.
        """
        try:
            (output,) = self._session.run([self.card.output_name], {self.card.input_name: self._scaled(features)})
        except Exception as error:
            raise ModelError(f"{self.card.onnx_path} fails on input {features.shape}: {one_line(error, 300)}") from error
        return self._probabilities(output, (len(features), len(self.labels) + self.card.nobody))

    def _emotions(self, probs: FloatArray) -> FloatArray:
        """Probabilities of the labels alone, each row summing to one."""
        if not self.card.nobody:
            return probs
        # The lower limit avoids 0 / 0 where "nobody" is certain.
        emotions = np.maximum(probs[:, : len(self.labels)], np.float32(1e-8))
        return np.asarray(emotions / emotions.sum(axis=1, keepdims=True), np.float32)

    def first_state(self) -> FloatArray:
        """Initial state of a stream, float32 (size,), for ``follow``; empty where the graph has none."""
        return np.zeros(self.card.stream.size if self.card.stream else 0, np.float32)

    def follow(self, features: FloatArray, state: FloatArray, hop_s: float) -> tuple[FloatArray, FloatArray]:
        """Classify the next window of a stream whose state the graph carries (``card.stream``).

        Parameters
        ----------
        features : float32 (1, n), see the recipe
        state : float32 (size,), the next state of the previous window, or ``first_state``
        hop_s : seconds at its end that no earlier window covered

        Returns
        -------
        probs : float32 (2, C) or, with a "nobody speaks" output, (2, C + 1): of the window, and of its last seconds
        next state : float32 (size,)

        Raises
        ------
        ModelError : as ``predict``, or the card has no ``stream``
        """
        stream = self.card.stream
        if stream is None:
            raise ModelError(f"{self.card.onnx_path}: its card has no 'stream', so it carries no state")
        inputs = {self.card.input_name: features, stream.state: state, stream.hop_s: np.array([hop_s], np.float32)}
        try:
            output, after = self._session.run([self.card.output_name, stream.next_state], inputs)
        except Exception as error:
            raise ModelError(f"{self.card.onnx_path} fails on input {features.shape}: {one_line(error, 300)}") from error
        probs = self._probabilities(output, (2, len(self.labels) + self.card.nobody))
        if after.shape != state.shape or not np.isfinite(after).all():
            raise ModelError(f"{self.card.onnx_path} returns a state that is none, of shape {after.shape}")
        return probs, np.asarray(after, np.float32)

    def _probabilities(self, output: FloatArray, expected: tuple[int, int]) -> FloatArray:
        """A network's output as probabilities, checked."""
        if output.shape != expected:
            raise ModelError(
                f"{self.card.onnx_path} returns shape {output.shape}, its card's {len(self.labels)} labels need {expected}"
            )
        probs = np.asarray(output, np.float32)
        if self.card.logits:
            shifted = (probs - probs.max(axis=1, keepdims=True)) / np.float32(self.card.temperature)
            probs = np.exp(shifted)
            total = probs.sum(axis=1, keepdims=True)
            probs /= total
            valid = total.min(initial=1) >= 1  # the largest contributes one, unless it is a NaN or infinite
        else:
            # np.allclose would cost more than the network.
            valid = probs.min(initial=0) >= 0 and np.abs(probs.sum(axis=1) - 1).max(initial=0) <= 1e-3
        if not valid:  # a NaN is not
            raise ModelError(f"{self.card.onnx_path} returns numbers that are no probabilities; is its output logits?")
        return probs

    def _scaled(self, features: FloatArray) -> FloatArray:
        if not self.card.standardised:
            return features
        # As the feature extractor of wav2vec2 does, with the same epsilon.
        centred = features - features.mean(axis=1, keepdims=True)
        return np.asarray(centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + 1e-7), np.float32)

    def _takes_one_length(self) -> bool:
        try:
            shapes = [item.shape for item in self._session.get_inputs() if item.name == self.card.input_name]
        except UnicodeDecodeError as error:
            raise ModelError(f"{self.card.onnx_path} is damaged: the name of a dimension is no text") from error
        return any(shape and isinstance(shape[-1], int) for shape in shapes)

    def _warm_up(self) -> None:
        # The first runs allocate memory; they also detect a wrong shape or number of labels before a stream starts.
        front_end = self.front_end()
        noise = np.random.default_rng(0).normal(0, 0.01, self.spec.samples_in(front_end.window_frames))
        front_end.push(noise.astype(np.float32))
        normaliser = self.normaliser()
        for frames in (self.spec.frames_in(self.card.min_window_s), front_end.window_frames):
            features = front_end.window(frames)
            self.predict((features if normaliser is None else normaliser.normalise(features, 0.25))[np.newaxis])


def open_network(path: Path, sha256: str) -> Any:
    """An ``onnxruntime.InferenceSession`` of a file, on one thread.

    Raises
    ------
    ModelError : unreadable, a file with another hash, one that reads other files, or no graph that loads
    """
    content = read_network(path, sha256)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Spinning would occupy the core that the audio callback needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        # Without enable_fallback=0 ONNX Runtime prints on standard output and tries again when a network is damaged.
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:
        raise ModelError(f"{path} does not load: {one_line(error, 300)}") from error


def load_model(model: str | Path = "mlp", *, vote: bool = True) -> Classifier:
    """Load a bundle.

    Parameters
    ----------
    model : a shipped bundle's name ("mlp", "cnn", "large") or the path of a bundle's .json or .onnx
    vote : with the second model that its card may name, which must lie beside it; False: alone

    Raises
    ------
    ConfigError : there is no such bundle, or ``model`` is neither a name nor a path
    ModelError : it is damaged or does not match its card
    """
    card = read_card(find_card(model))
    if card.vote is None or not vote:
        return Classifier(card)
    beside = card.path.with_name(f"{card.vote.model}.json")
    if not beside.is_file():
        missing = f"{card.path} votes with {beside.name}, which is not beside it"
        raise ModelError(f"{missing}; fetch it too, or set stream.vote=false")
    return Classifier(card, Classifier(read_card(beside)))


def _check_voter(card: Card, other: Card) -> None:
    if card.vote is None:
        raise ModelError(f"{card.path} has no 'vote' for {other.path}")
    if card.vote.sha256 != other.sha256:
        raise ModelError(
            f"{card.path} votes with another {other.onnx_path.name} (SHA-256 {card.vote.sha256[:12]}…) than the one beside it"
            f" ({other.sha256[:12]}…); fetch both, export it again, or set stream.vote=false"
        )
    ours, theirs = ((each.labels, each.spec.sample_rate) for each in (card, other))
    if ours != theirs:
        raise ModelError(f"{card.path} cannot vote with {other.path}: labels and sample rate must be the same")


def find_card(model: str | Path) -> Path:
    """Path of a bundle's card; see ``load_model``."""
    if not isinstance(model, str | os.PathLike):
        raise ConfigError(f"a model is a shipped name or the path of a bundle's .json, got {model!r:.80} (shipped: {_known()})")
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
        raise ConfigError(f"no model {name!r}{hint} (shipped: {_known()}; or give the path of a bundle's .json)")
    return shipped[name]


def list_bundles() -> list[Path]:
    """Cards of the shipped bundles."""
    return sorted(resource("weights").glob("*.json"))


def _known() -> str:
    return ", ".join(path.stem for path in list_bundles()) or "none"
