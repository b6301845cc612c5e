"""Damaged and hostile scenario files for ``replay --faults``."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from fuzz import Tally, Worker
from mutate import audio_seeds, damage
from test_fuzz_config import BOMB, changed

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory limit needs Linux")
EXAMPLE = Path(__file__).parents[2] / "docs" / "faults.yaml"


def test_damaged_scenarios(tmp_path: Path, bundles: dict[str, Path], torture: Any, capsys: pytest.CaptureFixture[str]) -> None:
    count = torture.pick(100, 1_000)
    audio = tmp_path / "talk.wav"
    audio.write_bytes(audio_seeds()["1.wav"])
    # Its forty seconds in the audio's one and a half, so that every kind of fault has its turn; every other time without the
    # last one, which ends the run.
    example = re.sub(r"_s: (\d+\.?\d*)", lambda found: f"_s: {float(found[1]) / 25:g}", EXAMPLE.read_text())
    lines = [line.split(" #")[0].rstrip() for line in example.splitlines() if line.strip() and not line.startswith("#")]
    last = next(number for number, line in enumerate(lines) if "kind: raise" in line)
    path = tmp_path / "fuzz.yaml"
    run = ["replay", str(audio), "--speed", "max", "--model", str(bundles["flatstats"]), "--faults", str(path), "--jsonl", "-"]
    worker, tally = Worker(tmp_path), Tally()
    try:
        for number in range(count):
            rng = random.Random(number)
            kind = rng.choices(("lines", "bytes", "bomb"), (80, 19, 1))[0]
            if kind == "lines":
                content = changed(rng, lines[: rng.choice((last, None))]).encode("utf-8", "surrogatepass")
            elif kind == "bytes":
                content = damage(rng, example.encode(), [example.encode()])
            else:
                content = (BOMB + "faults: *i").encode()
            path.write_bytes(content)
            answer = worker.run(run)
            # Exit code 1 is the callback that the scenario lets raise: the message is the scenario's, and names the microphone.
            tally.add(f"seed {number} {kind}", answer, "" if answer["code"] == 1 else path.name)
    finally:
        worker.close()
    with capsys.disabled():
        print(f"\n{tally.report('damaged scenarios')}")
    assert not tally.findings, f"{len(tally.findings)} findings:\n" + "\n".join(tally.findings[:20])
    assert set(tally.codes) == {0, 1, 2}
