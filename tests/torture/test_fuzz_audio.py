"""Damaged audio files: never a traceback, a hang, much memory or an exit code of its own."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from fuzz import Tally, Worker
from mutate import audio_seeds, damage, flac_header, wav_header

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory limit needs Linux")


def test_damaged_audio(tmp_path: Path, bundles: dict[str, Path], torture: Any, capsys: pytest.CaptureFixture[str]) -> None:
    count = torture.pick(200, 10_000)
    seeds = audio_seeds()
    names, contents = list(seeds), list(seeds.values())
    model = str(bundles["flatstats"])
    worker, tally = Worker(tmp_path), Tally()
    try:
        for name, content in seeds.items():
            path = tmp_path / f"whole.{name}"
            path.write_bytes(content)
            answer = worker.run(["replay", str(path), "--speed", "max", "--model", model, "--jsonl", "-"])
            assert tally.add(name, answer, path.name)
            assert answer["code"] == 0
        for number in range(count):
            rng = random.Random(number)
            name = rng.choice(names)
            content = seeds[name]
            if name.endswith("wav") and rng.random() < 0.4:
                content = wav_header(rng, content)
            elif name.endswith("flac") and rng.random() < 0.3:
                content = flac_header(rng, content)
            else:
                content = damage(rng, content, contents)
            path = tmp_path / f"fuzz.{name}"
            path.write_bytes(content)
            answer = worker.run(["replay", str(path), "--speed", "max", "--model", model, "--jsonl", "-"])
            tally.add(f"seed {number} {name}", answer, path.name)
    finally:
        worker.close()
    with capsys.disabled():
        print(f"\n{tally.report('damaged audio')}")
    assert not tally.findings, f"{len(tally.findings)} findings:\n" + "\n".join(tally.findings[:20])
    assert tally.codes[0], "some damage is heard over"
    assert tally.codes[1], "some is not"
