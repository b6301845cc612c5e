"""A protocol's folds: training, scoring clip by clip through the engine, and their networks for streams."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import Classifier
from train.atomic import write_text
from train.data import splits
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.evaluation import calibration
from train.evaluation import scores as scoring
from train.evaluation.both_ways import both_ways
from train.evaluation.digests import digests, read_scores
from train.evaluation.scores import Clips
from train.evaluation.streaming.robustness import Fold
from train.networks import ensemble
from train.paths import Paths
from train.prepare import rows_within
from train.settings import Setup, TrainSettings

_CLIPS = "each clip streamed through the engine; its windows answer together, each weighed by its speech"
_BY_SPEAKER = "the same, a speaker's clips in random order as one stream, so that the running normalisation adapts to the voice"
_CROSS = (
    "leave-one-corpus-out: the tested corpus is not in the training data. stream: a speaker's clips in random order as one;"
    " clip: each clip a stream of its own. four: neutral, happy, sad, angry; all: the labels of both sides"
)


@dataclass(frozen=True, slots=True)
class Job:
    """A system and a protocol to train and score; ``threads`` of torch."""

    system: str = "mlp"
    protocol: str = "emobox"
    threads: int = 1


def score(paths: Paths, setup: Setup, rows: Sequence[Row], job: Job, count: int = 1) -> dict[str, Any]:
    """Score a protocol's folds clip by clip, trained ``count`` times; returns what is written.

    That is ``runs / system / scores-PROTOCOL.json``, and the calibration into ``output``.
    """
    began = time.perf_counter()
    settings, root = setup.train, paths.corpora
    folds = _honest_folds(job, settings, rows)
    data = ensemble.load_data(paths, rows, settings, job.system)
    seeds: list[list[Clips]] = []
    warm: list[list[Clips]] = []
    strangers = []
    for number in range(count):
        seeds.append([])
        warm.append([])
        for fold in folds:
            clips = fold.train, settings, job.system, paths.runs, fold.name
            trained = ensemble.train(data, *clips, number=number, threads=job.threads, test=fold.test)
            card = trained.export(_place(paths, job, fold.name, number) / "bundle.onnx", name=f"{job.system}-{fold.name}")
            tested = [row for row in fold.test if row.emotion in LABELS]
            cold, adapted = both_ways(card.path, root, tested)
            seeds[-1].append(cold)
            warm[-1].append(adapted)
            both = f"{scoring.uar(cold):.1f} % UAR, a speaker's clips as one stream {scoring.uar(adapted):.1f} %"
            print(f"{fold.name}: {both}, {len(tested)} clips", flush=True)
            if job.protocol == "cross" and number == 0:
                known = sorted({row.emotion for row in fold.train if row.emotion in LABELS})
                strangers.append((fold.name.removeprefix("cross-"), known, cold, adapted))
    seeds_asked = f" --seeds {count}" if count > 1 else ""
    command = setup.command(f"evaluate --system {job.system} --protocol {job.protocol}{seeds_asked}")
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
        table = {"protocol": f"{job.protocol}: {_CLIPS}", **scoring.scores(calibrated), "command": command}
        table["by_speaker"] = {"protocol": _BY_SPEAKER, **scoring.scores(knowing)}
    written: dict[str, Any] = {
        "corpora": _corpora(settings),
        "digest": digests(paths, rows, settings, job.system),
        "scores": table,
        "temperature": scoring.best_temperature(scoring.join(seeds[0])),
        "fold_temperatures": dict(zip([fold.name for fold in folds], temperatures[0], strict=True)),
        "seconds": time.perf_counter() - began,
    }
    print(json.dumps(table, indent=2))
    if not strangers:
        smoothing = setup.live.smoothing
        every = scoring.join([one for part in calibrated for one in part])
        written["calibration"] = calibration.table(every, smoothing)
        print(calibration.summary(written["calibration"]))
        folder = paths.output / "calibration"
        print(calibration.picture(every, smoothing, job.system, folder / f"{job.system}.png"))
        write_text(folder / f"{job.system}.json", json.dumps(written["calibration"], indent=1) + "\n")
    write_text(_scores_file(paths, job), json.dumps(written, indent=2) + "\n")
    return written


def listeners(paths: Paths, setup: Setup, rows: Sequence[Row], job: Job, only: Sequence[int] = ()) -> list[Fold]:
    """The folds' networks of the first seed, calibrated on the other folds' speakers, each with its unseen speakers.

    ``only`` : numbers of the folds, from 1; empty: all
    """
    if job.protocol == "cross":
        raise ConfigError("--stream and tune take protocols within a corpus, such as emobox")
    settings = setup.train
    chosen = _numbered(_honest_folds(job, settings, rows), only, job.protocol)
    known = scored(paths, settings, rows, job)
    if "fold_temperatures" not in known:
        known = score(paths, setup, rows, job)
    data = ensemble.load_data(paths, rows, settings, job.system)
    result = []
    for fold in chosen:
        temperature = known["fold_temperatures"][fold.name]
        path = _place(paths, job, fold.name) / "calibrated.onnx"
        trained = ensemble.train(
            data, fold.train, settings, job.system, paths.runs, fold.name, threads=job.threads, test=fold.test
        )
        card = trained.export(path, name=f"{job.system}-{fold.name}", temperature=temperature)
        result.append(Fold(fold.name, Classifier(card), tuple(row for row in fold.test if row.emotion in LABELS)))
    return result


def fit(
    paths: Paths,
    settings: TrainSettings,
    rows: Sequence[Row],
    system: str,
    *,
    protocol: str = "emobox",
    only: Sequence[int] = (),
    seeds: int = 1,
    dev_speakers: int = 0,
    threads: int = 1,
) -> None:
    """Train the networks that ship, or those of a protocol's folds.

    Parameters
    ----------
    only : numbers of the protocol's folds, from 1; empty: every clip trains
    seeds : number of repetitions
    dev_speakers : held out; their UAR is in the history
    """
    data = ensemble.load_data(paths, rows, settings, system)
    chosen: list[tuple[str, Sequence[Row], Sequence[Row]]] = [("all", rows, ())]
    if only:
        chosen = [
            (fold.name, fold.train, fold.test) for fold in _numbered(folds_of(protocol, rows, settings, system), only, protocol)
        ]
    for number in range(seeds):
        for name, clips, tested in chosen:
            others, watched = splits.hold_out(clips, dev_speakers, seed=settings.seed)
            name = f"{name}-watched-{dev_speakers}" if watched else name
            run = settings, system, paths.runs, name
            ensemble.train(data, others, *run, number=number, threads=threads, dev=watched, test=tested)


def _numbered(folds: Sequence[splits.Split], only: Sequence[int], protocol: str) -> list[splits.Split]:
    wrong = [number for number in only if not 1 <= number <= len(folds)]
    if wrong:
        raise ConfigError(f"--fold {wrong[0]}: {protocol} has folds 1 to {len(folds)}")
    return [folds[number - 1] for number in only] or list(folds)


def _honest_folds(job: Job, settings: TrainSettings, rows: Sequence[Row]) -> list[splits.Split]:
    """The protocol's folds. Only those of ``random`` may leak."""
    protocol = job.protocol
    folds = folds_of(protocol, rows, settings, job.system)
    problems = [problem for fold in folds for problem in splits.audit(fold)]
    if problems and protocol != "random":
        raise ConfigError(f"the split leaks: {problems[0]} (and {len(problems) - 1} more); see `python -m train audit`")
    return folds


def _place(paths: Paths, job: Job, name: str, number: int = 0) -> Path:
    """Path of a fold's bundle."""
    return paths.runs / job.system / repeated(name, number)


def repeated(name: str, number: int) -> str:
    """What a repetition of a fold is called."""
    return name if number == 0 else f"{name}-again-{number}"


def _scores_file(paths: Paths, job: Job) -> Path:
    return paths.runs / job.system / f"scores-{job.protocol}.json"


def folds_of(protocol: str, rows: Sequence[Row], settings: TrainSettings, system: str) -> list[splits.Split]:
    """The corpora of a protocol: all in use for leave-one-corpus-out, ``within`` for the others.

    A system that ``large`` teaches also learns from the other corpora, as ``large`` does.
    """
    if protocol == "cross":
        return splits.make(protocol, rows, dev_speakers=0)
    folds = splits.make(protocol, rows_within(rows, settings, protocol), dev_speakers=0)
    if settings.recipe(system).taught is None:
        return folds
    return splits.with_others(folds, [row for row in rows if row.corpus not in settings.within])


def _temperatures(folds: Sequence[Clips]) -> list[float]:
    """A fold's temperature, fitted on the other folds' test speakers, which its own score does not include."""
    if len(folds) < 2:
        return [1.0] * len(folds)
    return [scoring.best_temperature(scoring.join([part for part in folds if part is not one])) for one in folds]


def scored(paths: Paths, settings: TrainSettings, rows: Sequence[Row], job: Job) -> dict[str, Any]:
    """The results of ``score``; empty where it has not run, or with other corpora, clips or another recipe.

    ``rows`` : the clips in use
    """
    wanted, corpora = digests(paths, rows, settings, job.system), _corpora(settings)
    found = read_scores(_scores_file(paths, job), wanted, older={"corpora": corpora})
    return found if found.get("corpora") == corpora else {}


def _corpora(settings: TrainSettings) -> dict[str, list[str]]:
    return {"use": list(settings.use), "within": list(settings.within)}
