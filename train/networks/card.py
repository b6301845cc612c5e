"""The readable part of a bundle's card: description, training data, scores and limits."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from train.data import encoder_file
from train.data.corpora import CORPORA
from train.data.corpora.folder import is_folder
from train.data.corpora.readers import READERS
from train.data.manifest import Row
from train.settings import TrainSettings

_DESCRIPTIONS = {
    "mlp": "perceptrons on window statistics of log-mel, MFCC, level, spectral shape, pitch and rhythm",
    "logmel": "two networks of residual 2-D convolutions on log-mel with attentive pooling over time, averaged with the mlp's",
}
TESTED = {
    "emobox": "unseen actors",
    "speaker": "unseen speakers",
    "loso": "unseen speakers",
    "sentence": "unseen sentences of known speakers",
    "random": "a random split, speakers known",
}
SHARE_ALIKE = "CC BY-NC-SA 4.0"
_NOT_OF_TAUGHT = ("front_end", "epochs", "side", "joined", "joined_share", "others_first")  # see ``Recipe.taught``
_FAILURES = (
    "in a stream's first half minute it has hardly adapted to voice and microphone: scores are then as low as for single clips",
    "a voice that shows one emotion for minutes becomes in part the normal that the model compares with",
    "calm and neutral, sad and neutral, happy and fearful are taken for one another",
    "in a bare room, in loud noise and with other people talking behind the voice it is right much less often"
    " (docs/results/stream)",
    "no use for decisions about people: it classifies how a voice sounds, not what a person feels",
)


def commit() -> str | None:
    """The source tree's commit, shortened; None outside a repository."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def protocol_of(scores: Mapping[str, Any]) -> str:
    """The protocol of the folds' scores, such as "emobox"."""
    return str(scores["protocol"]).partition(":")[0]


def tested(scores: Mapping[str, Any]) -> str:
    """The voices that a protocol tests, in words."""
    return TESTED[protocol_of(scores)]


def headline(
    scores: Mapping[str, Any] | None, strangers: Mapping[str, Any] | None, corpus: Mapping[str, Any] | None = None
) -> str:
    """The worst honest score, short enough for a line of the dashboard.

    Parameters
    ----------
    scores : of a protocol's folds
    strangers : of leave-one-corpus-out
    corpus : of the bundle itself, on a corpus that no network here learned from; where there is one, it is the headline
    """
    if corpus:
        what = f"people never met ({corpus['corpus']}), 4 emotions"
        return f"{what}: {corpus['four_cold']:.1f} % UAR, {corpus['four_known']:.1f} once the voice is known"
    if not scores or "uar_mean" not in scores:
        return "not yet scored"
    emotions, uar = len(scores["per_class_recall"]), scores["uar_mean"]
    if strangers:
        # The worst of the corpora left out comes first.
        worst, mean = strangers["four_stream"]["worst"], strangers["four_stream"]["mean"]
        return f"unseen corpora, 4 emotions: {worst:.1f} % UAR, mean {mean:.1f}; {tested(scores)}, {emotions}: {uar:.1f} %"
    return f"{uar:.1f} % UAR, {emotions} emotions, {tested(scores)}"


def licence(corpora: Sequence[str], *, encoder: bool = False) -> str:
    """Licence of the weights that follows from the corpora's licences.

    ``encoder`` : the network, or its teacher, begins with the speech encoder, whose licence is in the card's ``notice``
    """
    terms = {name: CORPORA[name].licence for name in corpora if not is_folder(name)}
    if SHARE_ALIKE in terms.values():
        return SHARE_ALIKE
    if not terms:
        return "its owner's: trained on own recordings" + (" and the encoder in its notice" if encoder else " alone")
    return "see its training data: " + "; ".join(f"{name}: {text}" for name, text in terms.items())


def known_failures(corpora: Sequence[str]) -> list[str]:
    """Known limits of the model."""
    spoken = {CORPORA[name].language for name in corpora if not is_folder(name) and name not in READERS} - {""}
    languages = ", ".join(sorted(spoken))
    first = [f"trained on actors ({languages}); spontaneous speech and other languages are guesses"] if languages else []
    if any(map(is_folder, corpora)):
        first.append("trained on its owner's recordings: other voices, rooms and microphones are guesses")
    return [*first, *_FAILURES]


def facts(
    system: str,
    settings: TrainSettings,
    rows: Sequence[Row],
    scores: Mapping[str, Any] | None,
    strangers: Mapping[str, Any] | None,
    seconds: float,
    command: str,
) -> dict[str, Any]:
    """The card's readable part.

    Parameters
    ----------
    rows : that it learned from; of a system that ``large`` teaches, readers and sounds included
    scores, strangers : results of ``evaluate`` for a protocol's folds and for leave-one-corpus-out, or None before it ran
    seconds : duration of the training
    command : reproduces the bundle
    """
    recipe = settings.recipe(system)
    taught = recipe.taught
    unused = ("front_end",) if taught is None else _NOT_OF_TAUGHT
    corpora = sorted({row.corpus for row in rows})
    training: dict[str, Any] = {
        "corpora": corpora,
        "clips": len(rows),
        "speakers": speakers(rows),
        "seed": settings.seed,
        **({"epochs": recipe.epochs} if taught is None else {"steps": taught.steps}),
        "seconds": round(seconds),
        "command": command,
        "commit": commit(),
        "recipe": {key: value for key, value in asdict(recipe).items() if key not in unused},
    }
    about: dict[str, Any] = {
        "description": _DESCRIPTIONS[system],
        "headline": headline(scores, strangers),
        "licence": licence(corpora, encoder=taught is not None),
    }
    if taught is not None:
        training["teacher"] = {"model": "large", "encoder": encoder_facts(), "recipe": asdict(settings.large)}
        about["notice"] = encoder_file.notice()
    return {
        **about,
        "training": training,
        "scores": dict(scores or {}),
        "strangers": dict(strangers or {}),
        "known_failures": known_failures(corpora),
    }


def speakers(rows: Sequence[Row]) -> int:
    """How many people speak in the clips; in sounds nobody does."""
    return len({row.speaker for row in rows if row.corpus != "sounds"})


def encoder_facts() -> dict[str, str]:
    """Which encoder ``large`` and ``cnn`` begin with."""
    return {"file": encoder_file.FILE, "sha256": encoder_file.NPZ_SHA256, "from": encoder_file.ADDRESS}
