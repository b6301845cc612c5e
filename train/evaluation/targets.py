"""The bars that a shipped model has to meet on people it never met, and a table of them beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from train.evaluation.streaming.unseen import lost
from train.networks.card import protocol_of

# Of large, cnn and mlp, in this order.
_MODELS = ("large", "cnn", "mlp")
_LOW, _NOISE = (2.0, 2.0, 2.0), (4.0, 6.0, 6.0)
_LOST = {
    ("low", "DC 0.1"): _LOW,
    ("low", "hum of 50 Hz, 0.1"): _LOW,
    ("low", "rumble, 20 dB over the voice"): _LOW,
    ("white noise", "10 dB"): _NOISE,
    ("pink noise", "10 dB"): _NOISE,
    ("babble", "10 dB"): (10.0, 15.0, 18.0),
    ("bandwidth", "telephone, 300 to 3,400 Hz"): (4.0, 6.0, 8.0),
    ("room", "RT60 0.4 s"): (5.0, 8.0, 9.0),
}
_SHORT = {"low": "", "bandwidth": "", "room": "room, ", "white noise": "white noise, ", "pink noise": "pink noise, "}
_ECE, _SHARE_COSTS, _SOUNDS, _CHILDREN = 0.05, 6.0, 1.0, 3.0
_FOLDS = (77.0, 71.0, 64.0)
_CROSS = {"four_stream": (76.0, 70.0, 69.0), "four_clip": (70.0, 62.0, 60.0), "worst": (65.0, 55.0, 55.0)}
_CORPUS = {"known": (68.0, 58.0, 56.0), "cold": (63.0, 55.0, 54.0)}
_EVERYDAY = {"plain": (85.0, 75.0, 70.0), "angry": (2.0, 5.0, 6.0)}
_TALK = {"right": (65.0, 58.0, 53.0), "onset": (1.3, 1.5, 1.5), "changes": (3.0, 4.0, 4.0)}


@dataclass(frozen=True, slots=True)
class Target:
    """A row of the table.

    Attributes
    ----------
    what : was measured, and on whom
    value : None: not measured
    limit : the bar; None: this model has none
    least : whether the bar is a lower one
    note : interval, number of clips
    """

    what: str
    value: float | None
    limit: float | None
    least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is no bar or no value."""
        if self.value is None or self.limit is None:
            return None
        return self.value >= self.limit if self.least else self.value <= self.limit

    def __str__(self) -> str:
        verdict = {True: "met   ", False: "MISSED", None: "      "}[self.met]
        value = "not measured" if self.value is None else f"{self.value:g}"
        bar = "" if self.limit is None else f" ({'at least' if self.least else 'at most'} {self.limit:g})"
        return f"{verdict} {self.what}: {value}{bar}{'; ' + self.note if self.note else ''}"


def targets(measured: Mapping[str, Any], card: Mapping[str, Any], model: str) -> list[Target]:
    """Every row: what ``evaluate --bars`` measured, and the folds' scores from the card where it has them.

    Parameters
    ----------
    measured : as its JSON holds it; parts may be missing
    card : raw
    model : whose bars; another name than the shipped ones has none
    """
    place = _MODELS.index(model) if model in _MODELS else None

    def bar(three: tuple[float, float, float]) -> float | None:
        return None if place is None else three[place]

    rows = [
        *_folds(card, bar),
        *_corpus(measured, bar, known_model=place is not None),
        *_everyday(measured, bar),
        *_sounds(measured, known_model=place is not None),
    ]
    spoilt = measured.get("spoilt") or {}
    for (group, name), three in _LOST.items() if spoilt else ():
        found = lost(spoilt, group, name)
        note = (
            "" if found is None else f"95 %: {found['low']:.1f} to {found['high']:.1f}; {found['uar']:.1f} of {spoilt['clean']}"
        )
        what = f"points lost, {_SHORT.get(group, f'{group}, ')}{name} ({_who(spoilt)})"
        rows.append(Target(what, None if found is None else round(found["drop"], 1), bar(three), note=note))
    if talk := measured.get("conversation"):
        who = f"{talk['corpus']}, {talk['speakers']} speakers, {talk['minutes']} min"
        low, high = talk["right_ci95"]
        onset = talk["onset_to_label_s"]["p50"]
        rows += [
            Target(
                f"conversation, right label of the time, % ({who})",
                talk["right"],
                bar(_TALK["right"]),
                least=True,
                note=f"95 %: {low} to {high}",
            ),
            Target(
                "conversation, onset to label, median s",
                onset,
                bar(_TALK["onset"]),
                note=f"{talk['never_labelled']} % of the stretches never",
            ),
            Target(
                "steady speech, label changes a minute",
                talk["changes_per_minute"],
                bar(_TALK["changes"]),
                note=f"{talk['steady_minutes']} min",
            ),
        ]
    return rows


def _folds(card: Mapping[str, Any], bar: Any) -> Iterator[Target]:
    scores, cross = card.get("scores") or {}, card.get("strangers") or {}
    if "uar_mean" in scores and protocol_of(scores) == "emobox":
        note = f"seeds: {', '.join(map(str, scores.get('uar_seeds', [])))}; of networks of the folds"
        yield Target("RAVDESS, 8 emotions, six folds, cold", scores["uar_mean"], bar(_FOLDS), least=True, note=note)
    if cross.get("corpora"):
        what = f"leave-one-corpus-out of {len(cross['corpora'])}, four emotions"
        yield Target(f"{what}, known", cross["four_stream"]["mean"], bar(_CROSS["four_stream"]), least=True)
        yield Target(f"{what}, cold", cross["four_clip"]["mean"], bar(_CROSS["four_clip"]), least=True)
        yield Target("its worst corpus, known", cross["four_stream"]["worst"], bar(_CROSS["worst"]), least=True)


def _corpus(measured: Mapping[str, Any], bar: Any, *, known_model: bool) -> Iterator[Target]:
    corpus = measured.get("corpus")
    if not corpus:
        return
    for how in ("known", "cold"):
        low, high = corpus[f"four_{how}_ci95"]
        yield Target(
            f"{corpus['corpus']}, four emotions, {how} ({corpus['clips']} clips, {corpus['speakers']} speakers)",
            corpus[f"four_{how}"],
            bar(_CORPUS[how]),
            least=True,
            note=f"95 %: {low} to {high}",
        )
    for how in ("known", "cold"):
        yield Target(f"{corpus['corpus']}, calibration error, {how}", corpus[f"ece_{how}"], _ECE if known_model else None)
    share = measured.get("neutral_share")
    if share is not None and (cost := measured.get("share_costs")) is not None:
        what = f"{corpus['corpus']}, points that labels lose at neutral_share {share:g}, known"
        yield Target(what, cost, _SHARE_COSTS if known_model else None)


def _everyday(measured: Mapping[str, Any], bar: Any) -> Iterator[Target]:
    everyday = measured.get("everyday")
    if not everyday:
        return
    share = measured.get("neutral_share")
    row = everyday["by_share"]["none" if share is None else f"{share:g}"]
    who = (
        f"{everyday['clips']} clips, {everyday['speakers']} readers, neutral_share {'none' if share is None else f'{share:g}'}"
    )
    alarms = f"{row['false_alarms_per_hour']} false alarms an hour of labelled speech"
    yield Target(f"everyday speech, time under neutral or calm, % ({who})", row["plain"], bar(_EVERYDAY["plain"]), least=True)
    yield Target("everyday speech, time under angry, %", row["angry"], bar(_EVERYDAY["angry"]), note=alarms)


def _sounds(measured: Mapping[str, Any], *, known_model: bool) -> Iterator[Target]:
    sounds = measured.get("sounds")
    if not sounds:
        return
    alone = f"{sounds['all']['windows']} windows; the gate alone {sounds['all']['gate']}"
    yield Target(
        f"sounds, windows with an emotion, % ({sounds['files']} files)",
        sounds["all"]["both"],
        _SOUNDS if known_model else None,
        note=alone,
    )
    voices = sounds["with_voices"]
    if voices["windows"]:
        note = f"{voices['windows']} windows; the gate alone {voices['gate']}"
        yield Target(
            "sounds with voices in them, windows with an emotion, %",
            voices["both"],
            _CHILDREN if known_model else None,
            note=note,
        )
    for kind, row in sounds["by_kind"].items():
        if row["both"]:
            yield Target(f"  {kind}", row["both"], None, note=f"{row['windows']} windows; the gate alone {row['gate']}")


def _who(part: Mapping[str, Any]) -> str:
    return f"{part['corpus']}, {part['clips']} clips, {part['speakers']} speakers"


def limit_of(what: str | tuple[str, str], model: str) -> float:
    """The bar of a shipped model: of a condition (group, name), or of "everyday"."""
    return (_EVERYDAY["plain"] if what == "everyday" else _LOST[what])[_MODELS.index(model)]  # type: ignore[index]
