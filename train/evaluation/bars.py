"""``evaluate --bars``: every figure that the shipped models have a bar for, of one bundle or of the folds' networks.

The figures go into ``runs/bars/NAME.json``; ``python -m train card`` puts them on the bundle's card, ``pictures`` draws them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from realtime_ser.config import Config, load_config, resource
from realtime_ser.errors import ConfigError
from realtime_ser.model.card import Card
from realtime_ser.model.classifier import load_model
from train.atomic import write_text
from train.data.corpora import LABELS
from train.data.corpora.reserved import test_only
from train.data.manifest import Row
from train.evaluation import large, nobody, vote
from train.evaluation.everyday import SHARES, everyday
from train.evaluation.folds import Job, listeners
from train.evaluation.learned import learned_from
from train.evaluation.scores import FOUR
from train.evaluation.strangers import cost_of_share, strangers
from train.evaluation.streaming.robustness import Fold, subset
from train.evaluation.streaming.unseen import spoilt, talk
from train.evaluation.targets import targets
from train.paths import Paths
from train.prepare import rows_in_use
from train.settings import CLIPS_OF_A_FOLD, ON_AUDIO, Setup

PARTS = ("corpus", "everyday", "sounds", "spoilt", "conversation")
_ON_STREAMS = ("spoilt", "conversation")  # what folds' networks have too


@dataclass(frozen=True)
class Wanted:
    """What to measure.

    Attributes
    ----------
    parts : of ``PARTS``; empty: all
    corpus : whose people a bundle has not met
    clips : bounds every part to this many clips, and such figures are for no card; None: everything, but of each fold
        ``CLIPS_OF_A_FOLD``; 0: really everything
    orders : in which speakers' clips are played, for the curve of adaptation
    only : numbers of folds, without a bundle
    """

    parts: Sequence[str] = ()
    corpus: str = large.STRANGERS
    clips: int | None = None
    orders: int = 3
    only: Sequence[int] = ()

    @property
    def of_a_fold(self) -> int:
        """Clips of each fold; 0: all."""
        return CLIPS_OF_A_FOLD if self.clips is None else self.clips

    def few(self, rows: Sequence[Row], *, seed: int) -> Sequence[Row]:
        """At most ``clips`` of them."""
        return subset(rows, self.clips or 0, seed=seed)


def measured_as(card: Card) -> str:
    """The name of a bundle's figures: its own, or for one that does not ship, whatever it is called, with its hash."""
    return card.name if card.path.parent.resolve() == resource("weights").resolve() else f"{card.name}-{card.sha256[:8]}"


def kept_bars(runs: Path, card: Card, settings: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """Figures of a bundle, and the name that they have: also those from before it shipped, or was another's."""
    names = dict.fromkeys((measured_as(card), card.name, f"{card.name}-{card.sha256[:8]}"))
    found = ((name, read_bars(runs, name, card.identity, settings)) for name in names)
    return next((each for each in found if each[1]), (measured_as(card), {}))


def bars_file(runs: Path, name: str) -> Path:
    """Where the figures of a bundle are; ``name`` is what ``measured_as`` returns."""
    return runs / "bars" / f"{name}.json"


def of_bundle(paths: Paths, setup: Setup, rows: Sequence[Row], bundle: str, wanted: Wanted) -> dict[str, Any]:
    """Measure a bundle on people and sounds that it never learned from; print the table; returns what the file holds.

    Parts that were measured before stay, where they are of the same network and settings. Figures of other settings than the
    shipped ones are printed and not written: a card claims what its bundle does as it is shipped.

    Raises
    ------
    ConfigError : nothing of the corpus in the manifest, or a label that is none of our eight
    """
    classifier = load_model(bundle)
    card = classifier.card
    if not set(card.labels) <= set(LABELS):
        raise ConfigError(f"{card.name} has the labels {', '.join(card.labels)}; only labels among our eight are scored")
    acted = _acted(rows, wanted.corpus)
    settings = of_engine(setup.live)
    shipped = settings == of_engine(load_config())
    asked = f"evaluate --bundle {_named(bundle, card.path)} --bars"
    asked += f" --corpus {wanted.corpus}" if wanted.corpus != large.STRANGERS else ""
    command = f"python -m train {asked}" if shipped else setup.command(asked)
    live, root, seed = setup.live, paths.corpora, setup.train.seed
    reserved = test_only(rows)
    few = partial(wanted.few, seed=seed)
    fold = [Fold(card.name, classifier, tuple(acted))]
    measures: dict[str, Callable[[], Mapping[str, Any]]] = {
        "corpus": lambda: strangers(classifier, root, few(acted), live, command=command, orders=wanted.orders),
        "everyday": lambda: everyday(classifier, root, few(of_corpora(reserved, *large.EVERYDAY)), live, SHARES),
        "sounds": lambda: nobody.sounds(classifier, root, few(of_corpora(reserved, "sounds")), live),
        "spoilt": lambda: spoilt(fold, root, live, FOUR, clips=wanted.clips or 0, seed=seed),
        "conversation": lambda: talk(fold, root, live, clips=wanted.clips or 0, seed=seed),
    }
    share = live.smoothing.neutral_share
    name = measured_as(card)
    found = _kept(kept_bars(paths.runs, card)[1], settings, wanted.corpus) if shipped else {}
    learned = learned_from(card, [wanted.corpus])
    found |= {"model": card.name, "identity": card.identity, "command": command, "neutral_share": share}
    found |= {"settings": settings, "tested_on": wanted.corpus, "learned_from_it": bool(learned)}
    if learned:
        print(
            f"{card.name} has learned from people of {wanted.corpus}: these are NOT scores for people it never met",
            file=sys.stderr,
        )
    bounded = {"bounded_to": wanted.clips} if wanted.clips else {}
    for part in wanted.parts or PARTS:
        print(f"{card.name}: {part} ...", file=sys.stderr, flush=True)
        found[part] = {**measures[part](), **bounded}
        found["share_costs"] = cost_of_share(found.get("corpus", {}), share)
        if shipped:
            # After each part: a run that is ended keeps what it has.
            write_text(bars_file(paths.runs, name), json.dumps(found, indent=1) + "\n")
    _show(found, card.raw, name, str(bars_file(paths.runs, name)) if shipped else "of other settings, not kept")
    if not shipped:
        print(command)
    return found


def of_folds(paths: Paths, setup: Setup, rows: Sequence[Row], job: Job, wanted: Wanted) -> dict[str, Any]:
    """The same of the folds' networks, on their own test clips, with all their labels: spoilt audio and conversations."""
    parts = [part for part in wanted.parts or _ON_STREAMS if part in _ON_STREAMS]
    if not parts:
        raise ConfigError(f"the folds' networks are measured on {' and '.join(_ON_STREAMS)}; give --bundle for the rest")
    if job.system in ON_AUDIO:
        shop = large.Workshop(paths, tuple(rows), rows_in_use(paths, setup.train), setup.train, system=job.system)
        folds = audio_folds(shop, job, wanted.only)
    else:
        folds = listeners(paths, setup, rows_in_use(paths, setup.train), job, wanted.only)
    numbers = f" --fold {' '.join(map(str, wanted.only))}" if wanted.only else ""
    found: dict[str, Any] = {
        "model": job.system,
        "command": setup.command(f"evaluate --system {job.system} --protocol {job.protocol} --bars{numbers}"),
        "neutral_share": setup.live.smoothing.neutral_share,
        "folds": [fold.name for fold in folds],
    }
    measures: dict[str, Callable[[], Mapping[str, Any]]] = {
        "spoilt": lambda: spoilt(folds, paths.corpora, setup.live, LABELS, clips=wanted.of_a_fold, seed=setup.train.seed),
        "conversation": lambda: talk(folds, paths.corpora, setup.live, clips=wanted.of_a_fold, seed=setup.train.seed),
    }
    for part in parts:
        found[part] = dict(measures[part]())
    file = bars_file(paths.runs, f"{job.system}-folds")
    write_text(file, json.dumps(found, indent=1) + "\n")
    _show(found, {}, job.system, str(file))
    return found


def read_bars(runs: Path, name: str, identity: str | None = None, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What ``of_bundle`` wrote; empty where it has not run, or of another ``Card.identity`` or other settings.

    Parameters
    ----------
    settings : what ``of_engine`` returns; None: any. A file that has none is of a time before they were written, and is taken
    """
    file = bars_file(runs, name)
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    other = settings is not None and found.get("settings", settings) != settings
    return {} if other or (identity is not None and found.get("identity") != identity) else found


def of_engine(live: Config) -> dict[str, Any]:
    """The settings that decide what a stream shows, as JSON has them."""
    found: dict[str, Any] = json.loads(
        json.dumps({"stream": asdict(live.stream), "gate": asdict(live.gate), "smoothing": asdict(live.smoothing)})
    )
    return found


def _named(bundle: str, card: Path) -> str:
    """A bundle as a command elsewhere names it: no path of this machine."""
    if not Path(bundle).suffix or card.parent == resource("weights"):
        return card.stem
    return card.name if Path(bundle).is_absolute() else bundle


def _kept(before: Mapping[str, Any], settings: Mapping[str, Any], corpus: str) -> dict[str, Any]:
    """What was measured before and holds with these settings.

    Where the share of neutral alone differs, that is all but labels that were counted at another.
    """
    if before.get("tested_on") != corpus or _but_share(before.get("settings", settings)) != _but_share(settings):
        return {}
    share = settings["smoothing"]["neutral_share"]
    gone: set[str] = set()
    if before.get("neutral_share") != share:
        gone = {"sounds", "conversation"}
        if ("none" if share is None else f"{share:g}") not in before.get("everyday", {}).get("by_share", {}):
            gone.add("everyday")
    return {key: part for key, part in before.items() if key not in gone}


def _but_share(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {**settings, "smoothing": {**settings["smoothing"], "neutral_share": None}}


def _acted(rows: Sequence[Row], corpus: str) -> list[Row]:
    found = [row for row in rows if row.corpus == corpus and row.emotion in LABELS]
    if not found:
        raise ConfigError(f"no clip of {corpus} in the manifest; see `python -m train get {corpus}`")
    return found


def of_corpora(rows: Sequence[Row], *corpora: str) -> list[Row]:
    """The clips of these corpora; ConfigError where there are none."""
    found = [row for row in rows if row.corpus in corpora]
    if not found:
        raise ConfigError(f"no clip of {' or '.join(corpora)} in the manifest; see `python -m train get {corpora[0]}`")
    return found


def audio_folds(shop: large.Workshop, job: Job, only: Sequence[int]) -> list[Fold]:
    """The folds' networks, with the vote where that has been scored, each with its test clips.

    Raises
    ------
    ConfigError : ``evaluate`` has not left them in the runs
    """
    voted = shop.settings.vote and large.written_scores(shop, "cross-vote")
    found = []
    for split in large.some(large.folds_of(job.protocol, shop.acted), only):
        path = shop.place(split.name) / "bundle.json"
        if not path.is_file():
            command = f"python -m train evaluate --system {shop.system} --protocol {job.protocol}"
            raise ConfigError(f"no {path}; run `{command}` before")
        tested = tuple(row for row in split.test if row.emotion in LABELS)
        made = vote.fold_bundle(shop, split) if voted else path
        found.append(Fold(split.name, load_model(made), tested))
    return found


def _show(found: Mapping[str, Any], card: Mapping[str, Any], model: str, where: str) -> None:
    rows = targets(found, card, model)
    for row in rows:
        print(row)
    counted = [row.met for row in rows if row.met is not None]
    met = f"{sum(counted)} of {len(counted)} bars met" if counted else "no bars, which only the shipped models have"
    print(f"{model}: {met}; {where}")
