"""The readable part of ``large.json`` and ``cnn.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from train.data import encoder_file
from train.data.manifest import Row
from train.networks.card import commit, encoder_facts, headline, known_failures, licence, speakers
from train.recipe import ConvolutionsRecipe, WaveformRecipe

_POOLED = "mean and deviation of what leaves them, relative to the stream's running mean, and one linear layer"
_NOBODY = "it has an output for nobody"
DESCRIPTIONS = {
    "large": f"the first three blocks of a speech encoder, two of them fine-tuned, {_POOLED}; {_NOBODY}",
    "cnn": "the two convolutions that a speech encoder begins with, and four blocks of convolutions over time that learned from"
    f" large, {_POOLED}; {_NOBODY}",
}
_UNTESTED = "learned from all speakers of all corpora named here: scores are of corpora and parts that it never learned from"


def facts(
    system: str,
    recipe: WaveformRecipe | ConvolutionsRecipe,
    rows: Sequence[Row],
    *,
    seed: int,
    seconds: float,
    command: str,
    strangers: Mapping[str, Any] | None = None,
    cross: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    everyday: Mapping[str, Any] | None = None,
    sounds: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The card's readable part.

    Parameters
    ----------
    rows : that it learned from, readers and sounds included
    seconds : that training took
    command : reproduces the bundle
    strangers : a corpus never trained on, which gives the headline: the worst honest figure
    cross, scores : leave-one-corpus-out, and the folds of a protocol, of networks trained in the same way
    everyday, sounds : of the test parts
    """
    corpora = sorted({row.corpus for row in rows})
    return {
        "description": DESCRIPTIONS[system],
        "headline": headline(scores, cross, strangers),
        "licence": licence(corpora, encoder=True),
        "notice": encoder_file.notice(encoder_file.STEM if system == "cnn" else encoder_file.BLOCKS),
        "training": {
            "corpora": corpora,
            "clips": len(rows),
            "speakers": speakers(rows),
            "seed": seed,
            "seconds": round(seconds),
            "command": command,
            "commit": commit(),
            "encoder": encoder_facts(),
            "recipe": asdict(recipe),
        },
        "unseen": {
            "about": _UNTESTED,
            "corpus": dict(strangers or {}),
            "everyday": dict(everyday or {}),
            "sounds": dict(sounds or {}),
        },
        "strangers": dict(cross or {}),
        # Where no folds have been scored, what printed the headline.
        "scores": dict(scores or ({"command": strangers["command"]} if strangers else {})),
        "known_failures": [
            *known_failures(corpora),
            "of a voice that it has known for less than ten seconds it is right much less often",
        ],
    }
