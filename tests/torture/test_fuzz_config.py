"""Damaged and hostile settings files."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from fuzz import Tally, Worker
from mutate import audio_seeds, damage

from realtime_ser.config import resource

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory limit needs Linux")

_TOKENS = (
    *(
        "null",
        "true",
        "yes",
        "1",
        "-1",
        "0",
        "0.5",
        "1e9",
        "1e999",
        ".inf",
        "-.inf",
        ".nan",
        "1_000",
        "1:60:60",
        "0x" + "f" * 6000,
    ),
    *(
        "9" * 400,
        "9" * 5000,
        "2001-01-01",
        "2001-13-45",
        "''",
        '"\\x1b[31m"',
        '"\\ud800"',
        "[]",
        "{}",
        "[1, 2]",
        "{a: b}",
        "mlp",
    ),
    *(
        "!!int ''",
        "!!float ''",
        "!!bool maybe",
        "!!timestamp x",
        "!!binary '%'",
        "!!python/object:os.system x",
        "!!set {a}",
        "!x y",
    ),
    *(
        "&a [*a]",
        "*a",
        "<<: *a",
        "? {a: b}",
        "? [1]",
        "|",
        ">",
        "%YAML 9.9",
        "---",
        "...",
        "\t",
        "@",
        "`",
        "#",
        ": :",
        "ema",
        "hmm",
    ),
    *("model", "stream.hop_s", "hop", "train", "x" * 5000, "\x00", "\x85", "\ufeff", "/etc/passwd", "a" * 300 + ".json", "~"),
    *("[" * 2000, "- " * 500, "{a: " * 300, "<script>", "[bold]", "none", "majority", "1000000", "0.01", "60"),
)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def changed(rng: random.Random, lines: list[str]) -> str:
    """Settings with one to four lines replaced, removed, repeated, moved, or given another value."""
    lines = list(lines)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(lines))
        action = rng.random()
        if action < 0.6:
            key, colon, _ = lines[at].partition(":")
            lines[at] = f"{key}{colon or ':'} {rng.choice(_TOKENS)}"
        elif action < 0.7:
            lines[at] = rng.choice(_TOKENS)
        elif action < 0.8:
            lines.insert(at, " " * rng.randrange(6) + rng.choice(_TOKENS) + rng.choice((":", ": 1", "")))
        elif action < 0.9:
            lines.insert(rng.randrange(len(lines)), lines[at])
        elif len(lines) > 1:
            del lines[at]
    return "\n".join(lines)


def test_damaged_settings(tmp_path: Path, bundles: dict[str, Path], torture: Any, capsys: pytest.CaptureFixture[str]) -> None:
    count = torture.pick(250, 10_000)
    audio = tmp_path / "talk.wav"
    audio.write_bytes(audio_seeds()["1.wav"])
    shipped = resource("config.yaml").read_text()
    lines = [line.split(" #")[0].rstrip() for line in shipped.splitlines() if line.strip() and not line.startswith("#")]
    path = tmp_path / "fuzz.yaml"
    run = ["replay", str(audio), "--speed", "max", "--config", str(path), "--jsonl", "-"]
    worker, tally = Worker(tmp_path), Tally()
    try:
        for number in range(count):
            rng = random.Random(number)
            kind = rng.choices(("lines", "bytes", "bomb", "huge"), (80, 18, 1, 1))[0]
            if kind == "lines":
                content = changed(rng, lines).encode("utf-8", "surrogatepass")
            elif kind == "bytes":
                content = damage(rng, shipped.encode(), [shipped.encode()])
            elif kind == "bomb":
                content = (BOMB + rng.choice(("train: *i", "stream: {hop_s: *i}", "model: *i"))).encode()
            else:
                content = rng.choice((b"[" * 200_000, b"a: 1\n" * 200_000, b"#" * 10**7, b"x" * 10**6, b"- " * 30_000))
            path.write_bytes(content)
            # A model of our own in most runs: the shipped one would be named by the file, and is not always there.
            own = [] if rng.random() < 0.2 else ["--model", str(bundles["flatstats"])]
            tally.add(f"seed {number} {kind}", _with_the_name(worker.run(run + own), bool(own)), "fuzz.yaml")
    finally:
        worker.close()
    with capsys.disabled():
        print(f"\n{tally.report('damaged settings')}")
    assert not tally.findings, f"{len(tally.findings)} findings:\n" + "\n".join(tally.findings[:20])
    assert tally.codes[0]
    assert tally.codes[2]


def _with_the_name(answer: dict[str, object], own: bool) -> dict[str, object]:
    """A model that does not exist, a window that it does not take, and a channel that the recording lacks are named instead."""
    message = str(answer["stderr"])
    if answer["code"] == 2 and message.startswith(("realtime-ser: no model ", "realtime-ser: --set model=")):
        assert not own or "--set" in message
        answer["stderr"] = message.replace("\n", " fuzz.yaml\n")
    if answer["code"] in (1, 2) and ("the config asks for" in message or " has no channel " in message):
        answer["stderr"] = message.replace("\n", " fuzz.yaml\n")
    return answer
