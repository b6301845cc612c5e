"""Damaged and hostile model bundles, with the hash as it was and with the hash made to fit."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from fuzz import Tally, Worker
from mutate import audio_seeds, damage

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory limit needs Linux")

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 0.5, -0.0, 1e-9, 1e300, float("nan"), float("inf"), 10**30, 10**400, 2**31, 2**63),
    *("", "x", "mlp", "\x1b[31m<script>", "\ud800", "[bold]", "a" * 5000, "../../etc/passwd", "stacked", "waveform", "flat268"),
    *([], {}, [[]], [{}], ["a", "b"], ["a"] * 5000, {"name": 1}, {"a": {"b": {"c": [1, 2]}}}),
)


def _changed(rng: random.Random, card: dict[str, Any]) -> str:
    """A card with one to three values replaced, removed, added or damaged as text."""
    card = json.loads(json.dumps(card))
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = card
        nested = [value for value in card.values() if isinstance(value, dict)]
        if nested and rng.random() < 0.6:
            place = rng.choice(nested)
        key = rng.choice([*place, "extra"])
        action = rng.random()
        if action < 0.15:
            place.pop(key, None)
        elif action < 0.45 and isinstance(place.get(key), int | float):
            place[key] = place[key] * rng.choice((0, -1, 2, 10, 1000, 10**6, 0.1, 0.5))
        else:
            place[key] = rng.choice(_VALUES)
    text = json.dumps(card)
    if rng.random() < 0.1:
        text = text[: rng.randrange(len(text))]
    if rng.random() < 0.05:
        text = text[:-1] + ', "deep": ' + "[" * rng.choice((500, 900, 100_000))
    if rng.random() < 0.05:
        depth = rng.choice((200, 500, 900))
        text = text[:-1] + ', "deep": ' + "[" * depth + "]" * depth + "}"
    return text


def test_damaged_bundles(tmp_path: Path, bundles: dict[str, Path], torture: Any, capsys: pytest.CaptureFixture[str]) -> None:
    count = torture.pick(120, 2_000)
    audio = tmp_path / "talk.wav"
    audio.write_bytes(audio_seeds()["1.wav"])
    report = tmp_path / "report.html"
    networks = [card.with_suffix(".onnx").read_bytes() for card in bundles.values()]
    worker, tally = Worker(tmp_path), Tally()
    path = tmp_path / "fuzz.json"
    try:
        for number in range(count):
            rng = random.Random(number)
            recipe = rng.choice(list(bundles))
            card = json.loads(bundles[recipe].read_text())
            network = bundles[recipe].with_suffix(".onnx").read_bytes()
            kind = rng.choice(("card", "network", "network", "both"))
            if kind != "card":
                network = damage(rng, network, networks)
                if rng.random() < 0.8:  # else the hash refuses it
                    card["sha256"] = hashlib.sha256(network).hexdigest()
            path.write_text(json.dumps(card) if kind == "network" else _changed(rng, card))
            path.with_suffix(".onnx").write_bytes(network)
            arguments = ["replay", str(audio), "--speed", "max", "--model", str(path), "--jsonl", "-", "--report", str(report)]
            answer = worker.run(arguments)
            # A model that asks for other windows than the shipped settings give, or that fails, is named by file or by name.
            tally.add(f"seed {number} {recipe} {kind}", answer, "fuzz.")
    finally:
        worker.close()
    with capsys.disabled():
        print(f"\n{tally.report('damaged bundles')}")
    assert not tally.findings, f"{len(tally.findings)} findings:\n" + "\n".join(tally.findings[:20])
    assert tally.codes[0]
    assert tally.codes[1]
