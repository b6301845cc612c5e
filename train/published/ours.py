"""Our own rows of the table, from the cards of the shipped bundles."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from realtime_ser.config import resource
from realtime_ser.errors import ModelError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.model.card import read_card
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import FloatArray
from train.published.training import per_class
from train.settings import ON_AUDIO

SYSTEMS = ("mlp", "cnn", "large")
PUBLISHED = {"remark": "small ResLSTM 62.3; HuBERT-large, frozen, 70.0; Whisper-large-v3, frozen, 75.3 UAR"}


def our_rows(weights: Path | None = None, runs: Path | None = None) -> list[dict[str, Any]]:
    """One row for each existing bundle with scores on ``emobox``; a card without scores gives an empty score.

    Parameters
    ----------
    weights : folder of the cards; None: the shipped ones
    runs : where ``evaluate`` put ``NAME/scores-emobox.json``, for a card without scores of these folds. ``large`` and
        ``cnn``, whose folds take hours, have no row without either
    """
    folder = weights or resource("weights")
    rows = []
    for name in SYSTEMS:
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        try:
            card = read_card(path)
            latency = _latency(Classifier(card))
        except ModelError:
            # A bundle that is being exported; the next run of the table includes it.
            continue
        raw = card.raw
        scores = raw.get("scores") or {}
        scores = scores.get("emobox", scores)
        if "uar_mean" not in scores:
            scores = _written(runs, name)
        if name in ON_AUDIO and not scores:
            continue
        training = raw.get("training") or {}
        confusion = np.array(scores.get("confusion") or [], np.int64).reshape(-1, len(card.labels) + 1)
        rows.append(
            {
                "id": f"ours-{name}",
                "system": f"ours-{name}",
                "data": "RAVDESS speech, 8 emotions",
                "variant": raw.get("recipe", "") + (f", and {scores['vote']['model']}'s vote" if "vote" in scores else ""),
                "protocol": "emobox: unseen speakers, 6 folds, clips streamed through the engine",
                "note": "",
                "folds": 6,
                "labels": list(card.labels),
                "epochs": training.get("epochs"),
                "published_epochs": None,
                "published": PUBLISHED,
                "train": None,
                "validation": None,
                "test": scores.get("accuracy"),
                "uar": scores.get("uar_mean"),
                "uar_std": scores.get("uar_std_folds") or 0.0,
                "per_class": per_class(confusion, card.labels) if len(confusion) else {},
                "confusion": confusion[:, : len(card.labels)].tolist(),
                "seconds": training.get("seconds"),
                "parameters": raw.get("parameters"),
                "latency_ms": latency,
                "history": [],
            }
        )
    return rows


def _written(runs: Path | None, name: str) -> dict[str, Any]:
    """The folds' scores among the runs; empty where there are none."""
    file = None if runs is None else runs / name / "scores-emobox.json"
    if file is None or not file.is_file():
        return {}
    return dict(json.loads(file.read_text(encoding="utf-8"))["scores"])


def _latency(classifier: Classifier) -> dict[str, float]:
    """Milliseconds of CPU time for one hop, least of 30: its new audio through the front end, the network on a full window."""
    spec, hop = classifier.card.spec, 4000
    front_end = FrontEnd(spec, classifier.card.window_s)
    audio = np.random.default_rng(0).normal(0, 0.1, 4 * spec.sample_rate).astype(np.float32)
    front_end.push(audio)
    normaliser = classifier.normaliser()

    def features() -> FloatArray:
        window = front_end.window()
        return window if normaliser is None else normaliser.normalise(window, hop / spec.sample_rate)

    classifier.predict(features()[np.newaxis])
    times: dict[str, list[float]] = {"front_end": [], "network": []}
    for _ in range(30):
        began = time.process_time()
        front_end.push(audio[:hop])
        window = features()[np.newaxis]
        between = time.process_time()
        classifier.predict(window)
        times["front_end"].append(between - began)
        times["network"].append(time.process_time() - between)
    return {name: round(1000 * min(values), 2) for name, values in times.items()}
