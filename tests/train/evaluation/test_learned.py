"""Scores on voices that a network has learned from must say so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from train.evaluation.learned import learned_from


@pytest.mark.parametrize(
    ("names", "tested", "met"),
    [
        (["folder"], ["folder_later"], ["folder_later"]),  # a user's folders share their speakers
        (["ravdess_song"], ["ravdess_speech", "ased"], ["ravdess_speech"]),
        (["tess"], ["ased"], []),
        ([], ["ased"], []),
    ],
)
def test_corpora_of_one_family_share_their_speakers(names: list[str], tested: list[str], met: list[str]) -> None:
    card: Any = SimpleNamespace(raw={"training": {"corpora": names}} if names else {})
    assert learned_from(card, tested) == met
