"""What identifies a run on drawn windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from train.data.manifest import Row
from train.networks.pool import Pool
from train.networks.school import digest

ROWS = [Row(f"tess/{n}.wav", "tess", f"tess-{n}", "sad", "", "", "", "speech", 1.0, f"{n}") for n in range(3)]


class Drawn:
    """What ``digest`` needs of a ``Pool``."""

    def __init__(self, name: str) -> None:
        self.folder = Path("cache") / name


def known(rows: list[Row], drawn: str = "drawn-1") -> str:
    return digest(rows, cast("Pool", Drawn(drawn)))


@pytest.mark.parametrize(
    "change", [{"path": "x.wav"}, {"sha256": "x"}, {"corpus": "emovo"}, {"speaker": "tess-9"}, {"emotion": "happy"}]
)
def test_a_run_is_of_its_clips_audio_and_labels(change: dict[str, Any]) -> None:
    assert known([replace(ROWS[0], **change), *ROWS[1:]]) != known(ROWS)


def test_a_run_is_of_the_pool_it_learned_from() -> None:
    """The pool's key covers readers, sounds, and how the windows were drawn."""
    assert known(ROWS, "drawn-2") != known(ROWS)


def test_the_order_of_clips_and_those_without_a_label_make_no_other_run() -> None:
    plain = replace(ROWS[0], path="librispeech/1.flac", emotion="plain")
    assert known([plain, *reversed(ROWS)]) == known(ROWS)
