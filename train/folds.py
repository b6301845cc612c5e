"""A protocol's folds: trained, played through the engine clip by clip, scored; and their networks as listeners of streams."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realtime_ser.config import load_config
from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import Classifier
from train import calibration, ensemble, repeat, splits
from train import evaluate as scoring
from train.atomic import write_text
from train.corpora import LABELS
from train.evaluate import Clips
from train.fit import Data
from train.manifest import Row
from train.settings import TrainSettings
from train.streaming.robustness import Fold

_CLIPS = "each clip streamed through the engine, mean of the windows that hold nearly as much speech as its fullest"
_BY_SPEAKER = "the same, a speaker's clips in random order as one stream, so that the running normalisation knows the voice"
_CROSS = (
    "leave-one-corpus-out: nothing of the tested corpus was learned. stream: a speaker's clips in random order as one stream;"
    " clip: each clip a stream of its own. four: neutral, happy, sad, angry; all: the labels both sides know"
)


def score(
    options: argparse.Namespace, settings: TrainSettings, root: Path, rows: Sequence[Row], count: int = 1
) -> dict[str, Any]:
    """Score the folds clip by clip, trained ``count`` times; returns what is written."""
    began = time.perf_counter()
    folds = _honest_folds(options, settings, rows)
    data = ensemble.load_data(root, rows, settings, options.system, options.cache)
    seeds: list[list[Clips]] = []
    warm: list[list[Clips]] = []
    strangers = []
    for number in range(count):
        seeds.append([])
        warm.append([])
        for fold in folds:
            trained = train(options, settings, data, fold.train, fold.name, number, test=fold.test)
            card = trained.export(_place(options, fold.name, number) / "bundle.onnx", name=f"{options.system}-{fold.name}")
            tested = [row for row in fold.test if row.emotion in LABELS]
            classifier = Classifier(card)
            seeds[-1].append(scoring.stream_clips(classifier, root, tested))
            warm[-1].append(scoring.stream_clips(classifier, root, tested, by_speaker=True))
            both = f"{scoring.uar(seeds[-1][-1]):.1f} % UAR, a speaker's clips as one stream {scoring.uar(warm[-1][-1]):.1f} %"
            print(f"{fold.name}: {both}, {len(tested)} clips", flush=True)
            if options.protocol == "cross" and number == 0:
                known = sorted({row.emotion for row in fold.train if row.emotion in LABELS})
                strangers.append((fold.name.removeprefix("cross-"), known, seeds[-1][-1], warm[-1][-1]))
    seeds_asked = f" --seeds {count}" if count > 1 else ""
    command = repeat.command(options, f"evaluate --system {options.system} --protocol {options.protocol}{seeds_asked}")
    temperatures = [_temperatures(part) for part in seeds]
    calibrated, knowing = (
        [
            [scoring.tempered(one, t) for one, t in zip(part, own, strict=True)]
            for part, own in zip(several, temperatures, strict=True)
        ]
        for several in (seeds, warm)
    )
    if strangers:
        table: dict[str, Any] = {"protocol": _CROSS, **scoring.cross_scores(strangers), "command": command}
    else:
        table = {"protocol": f"{options.protocol}: {_CLIPS}", **scoring.scores(calibrated), "command": command}
        table["by_speaker"] = {"protocol": _BY_SPEAKER, **scoring.scores(knowing)}
    written: dict[str, Any] = {
        "corpora": _corpora(settings),
        "scores": table,
        "temperature": scoring.best_temperature(scoring.join(seeds[0])),
        "fold_temperatures": dict(zip([fold.name for fold in folds], temperatures[0], strict=True)),
        "seconds": time.perf_counter() - began,
    }
    print(json.dumps(table, indent=2))
    if not strangers:
        smoothing = load_config(options.config, options.set).smoothing
        every = scoring.join([one for part in calibrated for one in part])
        written["calibration"] = calibration.table(every, smoothing)
        print(calibration.told(written["calibration"]))
        folder = options.output / "calibration"
        print(calibration.picture(every, smoothing, options.system, folder / f"{options.system}.png"))
        write_text(folder / f"{options.system}.json", json.dumps(written["calibration"], indent=1) + "\n")
    write_text(options.runs / options.system / f"scores-{options.protocol}.json", json.dumps(written, indent=2) + "\n")
    return written


def listeners(options: argparse.Namespace, settings: TrainSettings, root: Path, rows: Sequence[Row]) -> list[Fold]:
    """The folds' networks of the first seed, calibrated on the other folds' speakers, each with its own unseen ones."""
    if options.protocol == "cross":
        raise ConfigError("--stream and tune take protocols within a corpus, such as emobox")
    folds = _honest_folds(options, settings, rows)
    wrong = [number for number in options.fold if not 1 <= number <= len(folds)]
    if wrong:
        raise ConfigError(f"--fold {wrong[0]}: {options.protocol} has folds 1 to {len(folds)}")
    known = scored(options, settings, options.protocol)
    if "fold_temperatures" not in known:
        known = score(options, settings, root, rows)
    data = ensemble.load_data(root, rows, settings, options.system, options.cache)
    result = []
    for fold in [folds[number - 1] for number in options.fold] or folds:
        temperature = known["fold_temperatures"][fold.name]
        path = _place(options, fold.name) / "calibrated.onnx"
        trained = train(options, settings, data, fold.train, fold.name, test=fold.test)
        card = trained.export(path, name=f"{options.system}-{fold.name}", temperature=temperature)
        result.append(Fold(fold.name, Classifier(card), tuple(row for row in fold.test if row.emotion in LABELS)))
    return result


def _honest_folds(options: argparse.Namespace, settings: TrainSettings, rows: Sequence[Row]) -> list[splits.Split]:
    """The protocol's folds; but for ``random``, which is known to, none may leak."""
    folds = folds_of(options.protocol, rows, settings)
    problems = [problem for fold in folds for problem in splits.audit(fold)]
    if problems and options.protocol != "random":
        raise ConfigError(f"the split leaks: {problems[0]} (and {len(problems) - 1} more); see `python -m train audit`")
    return folds


def train(
    options: argparse.Namespace,
    settings: TrainSettings,
    data: Mapping[str, Data],
    rows: Sequence[Row],
    name: str,
    number: int = 0,
    dev: Sequence[Row] = (),
    test: Sequence[Row] = (),
) -> ensemble.Ensemble:
    """``ensemble.train`` with what the command line says."""
    return ensemble.train(data, rows, settings, options.runs, name, number=number, threads=options.threads, dev=dev, test=test)


def _place(options: argparse.Namespace, name: str, number: int = 0) -> Path:
    """Where a fold's bundle lies."""
    place: Path = options.runs / options.system / (name if number == 0 else f"{name}-again-{number}")
    return place


def folds_of(protocol: str, rows: Sequence[Row], settings: TrainSettings) -> list[splits.Split]:
    """Leave-one-corpus-out is about all corpora in use, the other protocols about those of ``within``."""
    inside = [row for row in rows if row.corpus in settings.within]
    if protocol != "cross" and not inside:
        raise ConfigError(f"{protocol} folds are made of {settings.within}, which the manifest lacks; see train.within")
    return splits.make(protocol, rows if protocol == "cross" else inside, dev_speakers=0)


def _temperatures(folds: Sequence[Clips]) -> list[float]:
    """A fold's temperature comes from the other folds' test speakers, whom its own score never sees."""
    if len(folds) < 2:
        return [1.0] * len(folds)
    return [scoring.best_temperature(scoring.join([part for part in folds if part is not one])) for one in folds]


def scored(options: argparse.Namespace, settings: TrainSettings, protocol: str) -> dict[str, Any]:
    """What ``score`` wrote; empty where it has not run, or with other corpora."""
    file = options.runs / options.system / f"scores-{protocol}.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found if found.get("corpora") == _corpora(settings) else {}


def _corpora(settings: TrainSettings) -> dict[str, list[str]]:
    return {"use": list(settings.use), "within": list(settings.within)}
