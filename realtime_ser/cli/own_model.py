"""A bundle of somebody else's network: a card for any ONNX file that takes raw audio, checked on a clip."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realtime_ser.audio.file import FileSource
from realtime_ser.config import load_config
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, ModelError
from realtime_ser.model.card import CARD_FORMAT
from realtime_ser.model.classifier import load_model, open_network
from realtime_ser.records import Block
from realtime_ser.text import one_line

_WINDOW_S, _MIN_WINDOW_S, _RATE = 3.0, 1.0, 16_000
NO_SCORE = "no score: nobody has measured it here"
# The labels of the shipped models, whose corpora can measure others.
EMOTIONS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")


def add_model(
    network: Path,
    *,
    labels: Sequence[str] | None = None,
    rate: int | None = None,
    window_s: float | None = None,
    min_window_s: float | None = None,
    standardised: bool | None = None,
    kind: str | None = None,
    nobody: bool = False,
    licence: str = "not stated",
    replace: bool = False,
    clip: Path,
) -> list[str]:
    """Write a card beside a network, and run it over a clip.

    Parameters
    ----------
    network : ONNX file; takes float32 (batch, samples), gives float32 (batch, labels)
    labels : in the order of its outputs; None: from config.json beside it
    rate : Hz; None: from preprocessor_config.json, or 16,000
    window_s, min_window_s : in seconds; None: 3 and 1, or what the network is fixed to
    standardised : it takes zero mean and unit variance; None: from preprocessor_config.json, or yes
    kind : "logits" or "probabilities"; None: found by running it
    nobody : its last output, after those of the labels, says that nobody speaks
    licence : of the weights
    replace : a card that is there is written over
    clip : recording to check it on

    Returns
    -------
    lines that say what was done

    Raises
    ------
    ConfigError : something is missing or contradicts the network
    ModelError : no network of this kind, or it fails on the clip; no card is left behind
    """
    card = network.with_suffix(".json")
    if network.suffix != ".onnx":
        raise ConfigError(f"{network} is no .onnx file; export the network to ONNX first")
    if card.exists() and not replace:
        raise ConfigError(f"{card} is there already; --replace writes over it")
    beside = _beside(network)
    labels = labels or beside.get("labels")
    if not labels:
        raise ConfigError(
            f"no labels: no config.json beside {network} says them; name them in its order: --labels neutral,happy,..."
        )
    if states := {"no_speech", "unsure"} & set(labels):
        raise ConfigError(f"{', '.join(sorted(states))} is what a window is without an emotion; give that label another name")
    rate = rate or beside.get("rate", _RATE)
    standardised = beside.get("standardised", True) if standardised is None else standardised
    raw = _describe(network, list(labels), rate, window_s, min_window_s, standardised, kind, nobody, licence)
    before = card.read_bytes() if card.exists() else None
    try:
        card.write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")
        checked = _check(card, clip)
    except BaseException as error:
        with contextlib.suppress(OSError):
            card.unlink() if before is None else card.write_bytes(before)
        if isinstance(error, OSError):
            raise ConfigError(f"cannot write {card}: {error.strerror or error}") from error
        raise
    scale = "standardised" if standardised else "as they are"
    shape = f"{rate} Hz, samples {scale}, windows of {raw['min_window_s']:g} to {raw['window_s']:g} s"
    return [
        f"card: {card}: {raw['output']['kind']} of {len(labels)} labels{' and of nobody' if nobody else ''}; {shape}",
        checked,
        _how_to_measure(card, labels),
        f"to use it: realtime-ser monitor --model {shlex.quote(str(card))}",
    ]


def _how_to_measure(card: Path, labels: Sequence[str]) -> str:
    if others := [label for label in labels if label not in EMOTIONS]:
        return f"{NO_SCORE}, nor can it be measured as the shipped ones are: their corpora have no {', '.join(others)}"
    named = shlex.quote(str(card))
    return (
        f"{NO_SCORE}; to measure it as the shipped ones are, with their corpora and after python -m train prepare: "
        f"python -m train evaluate --bundle {named} --bars && python -m train card --bundle {named}"
    )


def _describe(
    network: Path,
    labels: list[str],
    rate: int,
    window_s: float | None,
    min_window_s: float | None,
    standardised: bool,
    kind: str | None,
    nobody: bool,
    licence: str,
) -> dict[str, Any]:
    """The card, as far as the network and the user say it."""
    try:
        sha256 = hashlib.sha256(network.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"cannot read {network}: {error.strerror or error}") from error
    session = open_network(network, sha256)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 2:
        found = ", ".join(f"{item.name} {item.type} {item.shape}" for item in inputs)
        raise ModelError(f"{network} takes {found}; export it with the samples alone, float32 (batch, samples), without a mask")
    fixed = inputs[0].shape[1]
    if isinstance(fixed, int):
        if any(given is not None and round(given * rate) != fixed for given in (window_s, min_window_s)):
            raise ConfigError(f"{network} is fixed to {fixed} samples, {fixed / rate:g} s at {rate} Hz; leave out --window")
        samples, shortest, grid = fixed, fixed, _grid(network, fixed, rate)
    else:
        grid = max(1, rate // 100)
        samples = grid * round((window_s or max(_WINDOW_S, min_window_s or 0)) * rate / grid)
        shortest = grid * round(min(min_window_s or _MIN_WINDOW_S, samples / rate) * rate / grid)
        if min_window_s is not None and min_window_s > samples / rate:
            raise ConfigError(f"--min-window {min_window_s:g} is longer than --window {samples / rate:g}")
    noise = np.random.default_rng(0).normal(0, 1 if standardised else 0.1, (1, samples)).astype(np.float32)
    try:
        results = session.run(None, {inputs[0].name: noise})
    except Exception as error:
        raise ModelError(f"{network} fails on {samples} samples: {one_line(error, 300)}") from error
    values = {item.name: value for item, value in zip(outputs, results, strict=True)}
    numbers = len(labels) + nobody
    name = next((name for name, value in values.items() if np.shape(value) == (1, numbers)), None)
    if name is None:
        found = ", ".join(f"{name} {np.shape(value)}" for name, value in values.items())
        each = f"one number for each of the {len(labels)} labels" + (" and one for nobody" if nobody else "")
        more = any(np.shape(value) == (1, numbers + 1) for value in values.values())
        hint = "; if the last one says that nobody speaks, add --nobody" if more and not nobody else ""
        raise ModelError(f"{network} returns {found}; none is (1, {numbers}), {each}{hint}")
    value = values[name]
    if kind is None:
        kind = "probabilities" if value.min() >= 0 and abs(float(value.sum()) - 1) < 1e-3 else "logits"
    return {
        "format": CARD_FORMAT,
        "name": network.stem,
        "front_end": {
            "recipe": "waveform",
            "sample_rate": rate,
            "n_fft": grid,
            "hop_length": grid,
            "fmax": min(8000.0, rate / 2),
            "pitch_max_hz": min(500.0, rate / 4),
        },
        "window_s": samples / rate,
        "min_window_s": shortest / rate,
        "labels": labels,
        "input": {"name": inputs[0].name, "scale": "standardised" if standardised else "raw"},
        "output": {"name": name, "kind": kind},
        **({"nobody": True} if nobody else {}),
        "temperature": 1.0,
        "sha256": sha256,
        "headline": NO_SCORE,
        "licence": licence,
    }


def _grid(network: Path, samples: int, rate: int) -> int:
    """The largest step, at most 20 ms, of which a fixed length is a multiple."""
    for step in range(rate // 50, rate // 2000, -1):
        if samples % step == 0:
            return step
    raise ModelError(
        f"{network} is fixed to {samples} samples, which no step of 0.5 to 20 ms divides; export it for any length"
    )


def _check(card: Path, clip: Path) -> str:
    """Run a bundle over a clip as a stream: its answers, and how long they take."""
    engine = Engine(load_model(card), load_config())
    seconds: defaultdict[str, float] = defaultdict(float)
    windows, spoken, began = 0, 0, time.perf_counter()
    with FileSource(clip) as source:
        for item in source.blocks():
            if isinstance(item, Block):
                for estimate in engine.push(item):
                    windows += 1
                    spoken += estimate.state != "no_speech"
                    seconds[estimate.label or estimate.state] += estimate.hop_s
    took_s = time.perf_counter() - began
    shown = ", ".join(f"{label} {value:.1f} s" for label, value in sorted(seconds.items(), key=lambda row: -row[1]))
    hop_ms = 1000 * engine.hop / engine.sample_rate
    each_ms = 1000 * took_s / max(1, spoken)
    speed = f"{each_ms:.1f} ms a window of the {hop_ms:.0f} ms there are"
    slow = "; too slow for a live stream here: raise stream.hop_s" if each_ms > hop_ms else ""
    return f"checked on {clip.name}: {windows} windows, {shown}; {speed}{slow}"


def _beside(network: Path) -> dict[str, Any]:
    """What an exporter wrote into the files beside the network; nothing where there are none or they say something else."""
    found: dict[str, Any] = {}
    names = _json(network.with_name("config.json")).get("id2label")
    if isinstance(names, dict) and all(isinstance(name, str) for name in names.values()):
        with contextlib.suppress(ValueError):
            found["labels"] = [names[key] for key in sorted(names, key=int)]
    extractor = _json(network.with_name("preprocessor_config.json"))
    if isinstance(extractor.get("sampling_rate"), int):
        found["rate"] = extractor["sampling_rate"]
    if isinstance(extractor.get("do_normalize"), bool):
        found["standardised"] = extractor["do_normalize"]
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
