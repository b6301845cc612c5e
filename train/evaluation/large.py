"""``fit`` and ``evaluate`` of ``large`` and ``cnn``: folds are trained from the audio and played through the engine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from realtime_ser.config import Config
from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import Classifier
from train.atomic import write_text
from train.data import splits
from train.data.corpora import LABELS
from train.data.corpora.reserved import test_only
from train.data.manifest import Row
from train.data.splits import Split
from train.evaluation import scores as scoring
from train.evaluation.both_ways import both_ways
from train.evaluation.digests import digests, read_scores
from train.evaluation.folds import repeated
from train.networks.school import LARGE, School
from train.networks.waveform import Waveform
from train.networks.waveform_bundle import write_bundle
from train.paths import Paths
from train.recipe import ConvolutionsRecipe, WaveformRecipe
from train.settings import Setup, TrainSettings

EVERYDAY = ("speechocean", "librispeech")
STRANGERS = "ased"
VOTER, VOTED = "mlp", "-vote"  # the end of the name of scores with its vote
_CLIPS = "each clip streamed through the engine; its windows answer together, each weighed by its speech"
_CROSS = (
    "leave-one-corpus-out: nothing of the tested corpus was learned. stream: a speaker's clips in random order as one stream;"
    " clip: each clip a stream of its own. four: neutral, happy, sad, angry; all: the labels both sides know"
)


@dataclass(frozen=True)
class Workshop:
    """What every step of ``large`` or of ``cnn`` takes.

    Attributes
    ----------
    system : which of them
    paths : the folders
    rows : the whole manifest
    acted : the clips in use
    setup : for the commands that cards and scores name; None: the shipped settings
    """

    paths: Paths
    rows: tuple[Row, ...]
    acted: tuple[Row, ...] = ()
    settings: TrainSettings = field(default_factory=TrainSettings)
    threads: int = 1
    system: str = LARGE
    setup: Setup | None = None

    def command(self, options: str) -> str:
        """The shell command that reproduces a run; see ``Setup.command``."""
        return (self.setup or Setup(self.settings)).command(options)

    @property
    def corpora(self) -> Path:
        """The corpora's folder."""
        return self.paths.corpora

    @cached_property
    def school(self) -> School:
        """What it learns from."""
        return School(self.paths, self.acted, self.settings.large)

    @property
    def recipe(self) -> WaveformRecipe | ConvolutionsRecipe:
        """Of the system."""
        return self.settings.large if self.system == LARGE else self.settings.cnn

    @property
    def nobody_from(self) -> float:
        """From which probability on the system says that nobody speaks."""
        return self.settings.nobody_from.of(self.system)

    def digest(self, scored: str) -> dict[str, str]:
        """Of the scores of a protocol; with "-vote" after it, of those with the vote."""
        voter = VOTER if scored.endswith(VOTED) else None
        return digests(self.paths, self.acted, self.settings, self.system, voter)

    def tested(self, *corpora: str) -> list[Row]:
        """The test parts of these corpora; empty where they are not there."""
        return [row for row in test_only(self.rows) if row.corpus in corpora]

    def network(self, rows: Sequence[Row], name: str, number: int = 0) -> Waveform:
        """Train on acted rows, and on what lies beside them, or load those runs.

        Parameters
        ----------
        number : of the repetition, each with seeds of its own; ``train.seed`` counts as so many before it
        """
        number += self.settings.seed
        if not rows:
            raise ConfigError("no clip of the corpora in use is in the manifest; run `python -m train prepare`")
        if self.system == LARGE:
            return self.school.large(rows, name, number=number, threads=self.threads)
        return self.school.cnn(self.settings.cnn, rows, name, number=number, threads=self.threads)

    def folders(self, name: str) -> list[Path]:
        """The folders of the runs that a network is made of."""
        seed = self.settings.seed
        return self.school.folders(name, seed) if self.system == LARGE else [self.school.cnn_folder(name, seed)]

    def place(self, name: str, number: int = 0) -> Path:
        """The folder of the bundle of a fold's repetition; ``train.seed`` counts as so many before it, as of ``network``."""
        return self.paths.runs / self.system / repeated(name, number + self.settings.seed)

    def bundle(self, network: Waveform, place: Path, temperature: float = 1.0) -> Path:
        """Write a fold's bundle into its folder; returns the card."""
        path = place / "bundle.onnx"
        card = write_bundle(
            network,
            path,
            name=f"{self.system}-{place.name}",
            temperature=temperature,
            memory_s=self.recipe.memory_s,
            cold=self.recipe.cold,
            nobody_from=self.nobody_from,
        )
        return card.path


def folds_of(protocol: str, rows: Sequence[Row]) -> list[Split]:
    """RAVDESS's folds also learn from every other corpus; leave-one-corpus-out is of all.

    Raises
    ------
    ConfigError : a protocol that these systems have no folds of, or folds that leak
    """
    if protocol not in ("emobox", "cross"):
        raise ConfigError(f"large and cnn are scored by emobox and cross, not by {protocol}")
    folds = splits.make(protocol, rows, dev_speakers=0)
    problems = [problem for fold in folds for problem in splits.audit(fold)]
    if problems:
        raise ConfigError(f"the split leaks: {problems[0]} (and {len(problems) - 1} more)")
    return folds


def fit(shop: Workshop, protocol: str, *, seeds: int = 1, only: Sequence[int] = ()) -> None:
    """Train the network that ships, or with ``only`` those of a protocol's folds by their numbers, from 1 on."""
    chosen = [("all", shop.acted)]
    if only:
        folds = some(folds_of(protocol, shop.acted), only)
        chosen = [(fold.name, fold.train) for fold in folds]
    for number in range(seeds):
        for name, rows in chosen:
            shop.network(rows, name, number)


def some(folds: list[Split], only: Sequence[int]) -> list[Split]:
    """The folds with these numbers, from 1 on; all of them without numbers.

    Raises
    ------
    ConfigError : there is no such fold
    """
    wrong = [number for number in only if not 1 <= number <= len(folds)]
    if wrong:
        raise ConfigError(f"--fold {wrong[0]}: there are folds 1 to {len(folds)}")
    return [folds[number - 1] for number in only] or folds


def score(shop: Workshop, protocol: str, *, seeds: int = 1, only: Sequence[int] = ()) -> Mapping[str, Any]:
    """Score the folds clip by clip; writes ``scores-PROTOCOL.json`` into the runs, and returns what it holds.

    Parameters
    ----------
    only : numbers of folds, from 1 on, whose scores are printed and not written; none: all
    """
    began = time.perf_counter()
    folds = some(folds_of(protocol, shop.acted), only)

    def bundle(fold: Split, number: int) -> Path:
        return shop.bundle(shop.network(fold.train, fold.name, number), shop.place(fold.name, number))

    apart, joined = played(shop, folds, seeds, bundle)
    command = shop.command(f"evaluate --system {shop.system} --protocol {protocol}{of_seeds(seeds)}{of_folds(only)}")
    written = {
        "scores": table(protocol, folds, apart, joined, command),
        **_temperatures(apart[0], joined[0], shop.recipe.cold),
        "recipe": asdict(shop.recipe),
        "digest": shop.digest(protocol),
        "seconds": time.perf_counter() - began,
    }
    keep(shop, protocol, written, only)
    return written


def keep(shop: Workshop, protocol: str, written: Mapping[str, Any], only: Sequence[int]) -> None:
    """Write scores for ``written_scores``; print those of some folds alone, which no card may take for all."""
    file = scores_file(shop, protocol)
    if only:
        print(json.dumps(written["scores"], indent=2))
        print(f"fold {' '.join(map(str, only))} alone: not written into {file}")
        return
    write_text(file, json.dumps(written, indent=2) + "\n")


def played(
    shop: Workshop, folds: Sequence[Split], seeds: int, bundle: Callable[[Split, int], Path]
) -> tuple[list[list[scoring.Clips]], list[list[scoring.Clips]]]:
    """Each seed's and fold's test clips, as streams of their own and as one stream of each speaker.

    Parameters
    ----------
    bundle : writes what a fold's repetition is scored with; returns its card
    """
    apart: list[list[scoring.Clips]] = [[] for _ in range(seeds)]
    joined: list[list[scoring.Clips]] = [[] for _ in range(seeds)]
    for number in range(seeds):
        for fold in folds:
            cold, known = both_ways(bundle(fold, number), shop.corpora, [row for row in fold.test if row.emotion in LABELS])
            apart[number].append(cold)
            joined[number].append(known)
            name = repeated(fold.name, number)
            print(f"{name}: {scoring.uar(cold):.1f} % UAR, as one stream {scoring.uar(known):.1f} %", flush=True)
    return apart, joined


def of_seeds(seeds: int) -> str:
    """The end of a command that repeats a score."""
    return f" --seeds {seeds}" if seeds > 1 else ""


def of_folds(only: Sequence[int]) -> str:
    """The end of a command that takes some folds."""
    return f" --fold {' '.join(map(str, only))}" if only else ""


def table(
    protocol: str,
    folds: Sequence[Split],
    apart: Sequence[Sequence[scoring.Clips]],
    joined: Sequence[Sequence[scoring.Clips]],
    command: str,
) -> dict[str, Any]:
    """What a card holds of a protocol's scores.

    Parameters
    ----------
    apart, joined : for each seed each fold's test clips, as streams of their own and as one stream of each speaker
    """
    if protocol == "cross":
        strangers = []
        for fold, cold, known in zip(folds, apart[0], joined[0], strict=True):
            labels = sorted({row.emotion for row in fold.train if row.emotion in LABELS})
            strangers.append((fold.name.removeprefix("cross-"), labels, cold, known))
        return {"protocol": _CROSS, **scoring.cross_scores(strangers), "command": command}
    by_speaker = {"protocol": f"{protocol}: a speaker's clips as one stream", **scoring.scores(joined)}
    return {"protocol": f"{protocol}: {_CLIPS}", **scoring.scores(apart), "command": command, "by_speaker": by_speaker}


def _temperatures(apart: Sequence[scoring.Clips], joined: Sequence[scoring.Clips], cold: float) -> Mapping[str, float]:
    """``WaveformGraph``'s, for networks that were scored with a temperature of 1 and ``cold``."""
    known, begun = (scoring.best_temperature(scoring.join(list(clips))) for clips in (joined, apart))
    return {"temperature": round(known, 4), "cold": round(cold * begun / known, 4)}


def strangers(classifier: Classifier, shop: Workshop, config: Config | None = None, seed: int = 0) -> Mapping[str, Any]:
    """``ased``, which no model here ever learned from, cold and known; percent. ``config`` : of the engine."""
    rows = [row for row in shop.tested(STRANGERS) if row.emotion in LABELS]
    if not rows:
        raise ConfigError(f"no clip of {STRANGERS} in the manifest; see `python -m train get {STRANGERS}`")
    cold = scoring.stream_clips(classifier, shop.corpora, rows, config=config)
    known = scoring.stream_clips(classifier, shop.corpora, rows, config=config, by_speaker=True, seed=seed)
    four = {"cold": scoring.among(cold, scoring.FOUR), "known": scoring.among(known, scoring.FOUR)}
    return {
        "corpus": STRANGERS,
        "clips": len(rows),
        "speakers": len({row.speaker for row in rows}),
        "command": f"python -m train evaluate --bundle {classifier.card.name} --strangers",
        **{f"four_{how}": round(scoring.uar(clips), 1) for how, clips in four.items()},
        **{f"four_{how}_ci95": scoring.interval(clips) for how, clips in four.items()},
        **{f"ece_{how}": round(scoring.calibration_error(clips), 3) for how, clips in four.items()},
        **{f"recall_{how}": {k: round(v, 1) for k, v in scoring.recalls(clips).items()} for how, clips in four.items()},
    }


def scores_file(shop: Workshop, protocol: str) -> Path:
    """Where ``score`` writes; with "-vote" after the protocol, where ``vote.score`` does."""
    return shop.paths.runs / shop.system / f"scores-{protocol}.json"


def written_scores(shop: Workshop, protocol: str) -> Mapping[str, Any]:
    """What ``score`` wrote; empty where it has not run, or of other clips or another recipe; see ``digests.read_scores``."""
    recipe = json.loads(json.dumps(asdict(shop.recipe)))
    return read_scores(scores_file(shop, protocol), shop.digest(protocol), older={"recipe": recipe})
