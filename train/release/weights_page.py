"""Writes ``weights/README.md`` from the cards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realtime_ser.config import resource
from train.atomic import write_text
from train.data.corpora import CORPORA
from train.networks.card import SHARE_ALIKE, protocol_of, tested

_SHIPPED, _OTHERS = "# The shipped models\n", "# The models here\n"
_HEAD = """
Written by `python -m train export` and `python -m train card` from the cards beside it. All scores are percent of unweighted
average recall (UAR, the mean of the labels' recalls) on speakers outside the scored networks' training data. What is "never
trained on" was measured with the shipped network itself. That learned from all speakers of all corpora that its card names, so
the other scores are those of networks that were trained in the same way without the tested speakers, or without the tested
corpus. Of four emotions guessing gets 25.
"""


def write_page(folder: Path) -> Path:
    """Write the page for every card in ``folder``; returns its path: ``README.md``; ``MODELS.md`` beside another README."""
    cards = [card for card in map(_card, sorted(folder.glob("*.json"))) if card is not None]
    page = folder / "README.md"
    if page.is_file() and not page.read_text(encoding="utf-8", errors="replace").startswith((_SHIPPED, _OTHERS)):
        page = folder / "MODELS.md"
    title = _SHIPPED if folder.resolve() == resource("weights").resolve() else _OTHERS
    write_text(page, title + "\n".join([_HEAD, *(_bundle(card) for card in cards), _licences(cards)]))
    return page


def _card(path: Path) -> dict[str, Any] | None:
    """A card; None for another file, such as what an exporter writes beside its network."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    is_card = isinstance(found, dict) and {"name", "window_s", "min_window_s"} <= found.keys()
    return found if is_card else None


def _bundle(card: Mapping[str, Any]) -> str:
    training, scores, strangers = card.get("training", {}), card.get("scores", {}), card.get("strangers", {})
    lines = [
        f"## `{card['name']}`",
        "",
        _facts(card),
        "",
        "| | |",
        "|---|---|",
        f"| headline | {card.get('headline', '')} |",
    ]
    # A card of somebody else's network says nothing of how it came to be.
    if training:
        lines += [
            f"| learned from | {training.get('clips', 0):,} clips of {training.get('speakers', 0)} speakers:"
            f" {', '.join(training.get('corpora', ()))} |",
            f"| trained with | `{training.get('command', '')}`, seed {training.get('seed', 0)},"
            f" {training.get('seconds', 0) / 60:.0f} min of one core, from commit `{training.get('commit') or 'unknown'}` |",
        ]
    if "latency_ms" in card:
        lines.append(
            f"| one window of {card['window_s']:g} s in ONNX Runtime | {card['latency_ms']:.2f} ms, median, one thread |"
        )
    if made := training.get("made_by"):
        lines.append(f"| how this file was made | {made} |")
    if vote := card.get("vote"):
        lines.append(f"| vote | {vote['model']} has {vote['share']:g} of the answer; `stream.vote: false` leaves it out |")
    if card.get("unseen"):
        lines += _unseen_rows(card["unseen"])
    if strangers:
        lines += _stranger_rows(strangers)
    if "uar_mean" in scores:
        lines += _score_rows(scores)
        if others := scores.get("without"):
            lines.append(f"| on those folds | the networks did not learn from {', '.join(others)}, as the bundle did |")
        if begun := training.get("recipe", {}).get("others_first"):
            lines.append(
                f"| on those folds | {begun} of its networks on log-mel had learned the other corpora before RAVDESS |"
            )
    if vote:
        lines += _without_vote(card, strangers, scores)
    if card.get("notice"):
        teacher = training.get("teacher")
        who = f"Its teacher `{teacher['model']}`" if teacher else "It"
        lines += ["", f"{who} begins with {card['notice']}."]
    if failures := card.get("known_failures"):
        lines += ["", "Known failures:", "", *(f"- {item}" for item in failures)]
    return "\n".join([*lines, ""])


def _facts(card: Mapping[str, Any]) -> str:
    parameters = [f"{card['parameters']:,} parameters"] if "parameters" in card else []
    recipe = card.get("recipe") or card.get("front_end", {}).get("recipe", "unknown")
    windows = f"windows of {card['min_window_s']:g} to {card['window_s']:g} s."
    return f"{_sentence(card.get('description', ''))} {'; '.join([*parameters, f'recipe `{recipe}`', windows])}".strip()


def _without_vote(card: Mapping[str, Any], strangers: Mapping[str, Any], scores: Mapping[str, Any]) -> list[str]:
    """Which scores are of the network without the vote."""
    if alone := card.get("alone"):
        named = {"four_stream": "unseen corpora as streams", "four_clip": "each clip alone", "uar_mean": "unseen actors"}
        told = ", ".join(f"{what} {alone[key]}" for key, what in named.items() if key in alone)
        return [f"| the network without the vote | {told} |"]
    measured = [part for part in (strangers, scores) if part.get("corpora") or "uar_mean" in part]
    if measured and not any(part.get("vote") for part in measured):
        return ["| unseen corpora and actors | of the network without the vote |"]
    return []


def _unseen_rows(unseen: Mapping[str, Any]) -> list[str]:
    """Corpora and parts that the shipped network itself never learned from."""
    rows = []
    if corpus := unseen.get("corpus"):
        what = f"**{corpus['corpus']}, never trained on**, 4 emotions, {corpus['speakers']} speakers"
        rows += [
            f"| {what}, a speaker's clips as one stream | {_with_range(corpus, 'four_known')} |",
            f"| the same, each clip a stream of its own | {_with_range(corpus, 'four_cold')} |",
            f"| printed by | `{corpus['command']}` |",
        ]
    if everyday := unseen.get("everyday"):
        for share, row in everyday["by_share"].items():
            rows.append(
                f"| everyday speech, {everyday['speakers']} readers never trained on, `neutral_share` {share}: time under"
                f" neutral or calm / under angry | {row['plain']} / {row['angry']} % |"
            )
    if spoilt := unseen.get("spoilt"):
        drops = ", ".join(f"{_condition(each)} {each['drop']:.1f}" for each in spoilt["points"])
        who = f"{spoilt['clips']} clips of {spoilt['speakers']} speakers of {spoilt['corpus']}"
        rows.append(f"| points lost by {who} (unharmed {spoilt['clean']}) | {drops} |")
    if talk := unseen.get("conversation"):
        onset = talk["onset_to_label_s"]["p50"]
        after = "never" if onset is None else f"{onset} s"
        rows.append(
            f"| conversations of {talk['speakers']} speakers of {talk['corpus']} ({talk['minutes']} min): right label of the"
            f" time, onset, changes a minute of steady speech | {talk['right']} %; {after}; {talk['changes_per_minute']} |"
        )
    if sounds := unseen.get("sounds"):
        rows.append(
            f"| {sounds['files']} real sounds never trained on: windows with an emotion | {sounds['all']['both']} % (the gate"
            f" alone: {sounds['all']['gate']} %); with voices in them {sounds['with_voices']['both']} % |"
        )
    return rows


def _condition(point: Mapping[str, Any]) -> str:
    """A condition in few words."""
    group = str(point["group"])
    return str(point["name"]) if group in ("low", "bandwidth", "room", "coding") else f"{group} {point['name']}"


def _stranger_rows(strangers: Mapping[str, Any]) -> list[str]:
    four, alone = strangers["four_stream"], strangers["four_clip"]
    rows = [
        f"| **unseen corpora**, 4 emotions, a speaker's clips as one stream | mean **{four['mean']}**,"
        f" worst **{four['worst']}** |",
        f"| the same, each clip a stream of its own | mean {alone['mean']}, worst {alone['worst']} |",
    ]
    rows += [
        f"| tested on {name}, learned from the others | {part['four_stream']} (95 %: {_range(part['four_stream_ci95'])},"
        f" {part['speakers']} speakers); over all {len(part['labels'])} shared emotions {part['all_stream']} |"
        for name, part in strangers["corpora"].items()
    ]
    rows.append(f"| printed by | `{strangers['command']}` |")
    return [*rows, f"| how those were made | {strangers['note']} |"] if strangers.get("note") else rows


def _score_rows(scores: Mapping[str, Any]) -> list[str]:
    folds = scores.get("uar_folds", [])
    on = "RAVDESS, 8 emotions, six folds"
    if protocol_of(scores) != "emobox":
        on = f"{len(scores['per_class_recall'])} emotions, {len(folds)} fold{'s' if len(folds) != 1 else ''}"
    rows = [
        f"| **{tested(scores)}**, {on} | **{scores['uar_mean']}** ± {scores['uar_std_folds']} over"
        f" folds, 95 % over speakers {_range(scores.get('uar_ci95'))};"
        f" seeds: {', '.join(map(str, scores.get('uar_seeds', [scores['uar_mean']])))} |",
    ]
    known = scores.get("by_speaker")
    if known:
        rows.append(
            f"| the same, a speaker's clips as one stream | **{known['uar_mean']}** ± {known['uar_std_folds']} over folds, 95 %"
            f" over speakers {_range(known['uar_ci95'])} |"
        )
    groups = (
        ("recall per emotion", "per_class_recall"),
        ("women and men", "per_gender"),
        ("strong and normal intensity", "per_intensity"),
    )
    rows += [f"| {name} | {_pairs(scores[key])} |" for name, key in groups if scores.get(key)]
    rows += [
        f"| expected calibration error | {scores['ece']} |",
        f"| clips in which no speech was found | {scores['clips_without_speech']} of {scores['clips']:,} |",
        f"| printed by | `{scores['command']}` |",
    ]
    return rows


def _licences(cards: Sequence[Mapping[str, Any]]) -> str:
    names = sorted({name for card in cards for name in card.get("training", {}).get("corpora", ())})
    lines = [
        "## Licences",
        "",
        *_terms(cards),
        "",
        "| corpus | licence | from |",
        "|---|---|---|",
        *(
            f"| {name}: {CORPORA[name].about} | {CORPORA[name].licence} | {CORPORA[name].url} |"
            for name in names
            if name in CORPORA
        ),
        "",
    ]
    return "\n".join(lines)


def _terms(cards: Sequence[Mapping[str, Any]]) -> list[str]:
    terms = {str(card["name"]): str(card.get("licence", "not stated")) for card in cards}
    if set(terms.values()) == {SHARE_ALIKE}:
        return [
            f"The weights are {SHARE_ALIKE}: research and private use, no commercial use. What the corpora allow decides that:"
        ]
    return [*(f"- `{name}`: {text}" for name, text in terms.items()), "", "What the corpora allow decides that:"]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." if text else ""


def _with_range(corpus: Mapping[str, Any], key: str) -> str:
    return f"**{corpus[key]}** (95 %: {_range(corpus[f'{key}_ci95'])})"


def _range(edges: Sequence[float] | None) -> str:
    return f"{edges[0]:g} to {edges[1]:g}" if edges else "not measured"


def _pairs(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
