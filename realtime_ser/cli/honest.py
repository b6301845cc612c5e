"""What people are told of the models before they trust one: how often each is right on people it never met, and its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from realtime_ser.model.unseen import GUESSING, UnseenScore, shipped_score, unseen_score

# Above this share of the hop, a busy moment of the machine already costs audio.
SPARE_SHARE = 0.25
# A machine may be this much slower than the one on which the card's figure was taken.
_SLOWER = 4.0
_BETTER = "large"


def score_text(card: Mapping[str, Any]) -> str:
    """A raw card's score on people it never met, in a sentence; empty where it has none."""
    score = unseen_score(card)
    if score is None:
        return ""
    what = f"right {score.cold:.0f} % of the time on people it never met ({score.corpus})"
    return f"{what}, {score.known:.0f} % once it knows the voice; four emotions, guessing {GUESSING:.0f} %"


def score_command(card: Mapping[str, Any]) -> str:
    """The command that printed a raw card's headline: on people never met where it has such a score, else on folds."""
    unseen = card.get("unseen")
    for part in (unseen.get("corpus") if isinstance(unseen, Mapping) else None, card.get("scores")):
        command = part.get("command") if isinstance(part, Mapping) else None
        if isinstance(command, str):
            return command
    return "not stated"


def cost_text(milliseconds: float | None, hop_s: float) -> str:
    """What a hop costs of the time there is; empty where it was not measured."""
    return "" if milliseconds is None else f"{_figure(milliseconds)} ms of the {1000 * hop_s:.0f} ms there are"


def better_fits(measured: Sequence[tuple[Mapping[str, Any], float | None]], used: str, hop_s: float) -> str:
    """Whether ``--model large`` fits here, in a sentence; empty where it is used already, or no better than what is used.

    Parameters
    ----------
    measured : raw card and milliseconds of a hop here, of each model
    used : the model's name
    """
    scores = {str(card.get("name")): (unseen_score(card), cost) for card, cost in measured}
    if used == _BETTER or _BETTER not in scores or used not in scores:
        return ""
    (better, cost), (own, _) = scores[_BETTER], scores[used]
    if better is None or own is None or cost is None or better.known <= own.known:
        return ""
    if cost > 1000 * SPARE_SHARE * hop_s:
        return f"--model {_BETTER} is right {better} of the time, but takes {cost_text(cost, hop_s)}: too close to keep up here"
    return f"--model {_BETTER} fits: {cost_text(cost, hop_s)}; right {better} of the time on people never met, {used} {own}"


def start_text(card: Mapping[str, Any], hop_s: float) -> str:
    """One line for a stream's start, from the cards alone, because a start has no time to measure; empty for a model whose
    card has no score on people it never met.

    Parameters
    ----------
    card : raw, of the model that runs
    hop_s : length of a hop
    """
    own = unseen_score(card)
    if own is None:
        return ""
    from realtime_ser.model.classifier import list_bundles

    others = [score for path in list_bundles() if path.stem != own.name and (score := shipped_score(path)) is not None]
    parts = [_short(score) for score in (own, *others)]
    text = f"on people never met, four emotions (guessing {GUESSING:.0f} %): {parts[0].replace(' ', ' is right ', 1)}"
    text = "; ".join((text, *parts[1:]))
    large = next((score for score in others if score.name == _BETTER), None)
    if large is None or large.hop_ms is None or large.known <= own.known:
        return text
    return f"{text}: --model {_BETTER} fits" if _SLOWER * large.hop_ms <= 1000 * SPARE_SHARE * hop_s else text


def _short(score: UnseenScore) -> str:
    return f"{score.name} {score}" + ("" if score.hop_ms is None else f", about {_figure(score.hop_ms)} ms a hop")


def _figure(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 9.5 else f"{milliseconds:.1f}"
