"""python -m train VERB: from corpora to shipped models.

get       fetch a corpus from its own host, or say how to come by it
prepare   read the corpora, write the manifest, fill the feature cache
explore   pictures of the corpora: how many, how loud, how long, how high, and what a random split hides
audit     fail when a split has a speaker or identical audio on both sides
fit       train the network that ships, on every speaker
evaluate  train one network per fold on the other speakers and score it through the engine, as a stream;
          with --stream: in conversation, where nobody speaks, and in bad conditions
tune      try windows, smoothers and gates on the folds' networks
reproduce train and score every published system, as its authors did and on unseen speakers
export    write weights/NAME.onnx and its card, with the scores of evaluate
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime_ser.config import load_config
from realtime_ser.errors import ConfigError, SerError
from realtime_ser.model import Classifier
from train import commands, manifest, splits
from train.atomic import write_text
from train.corpora import CORPORA, corpora_folder
from train.manifest import Row
from train.select import select
from train.settings import TrainSettings, train_settings
from train.streaming import options as stream_options

if TYPE_CHECKING:
    from train.streaming.robustness import Fold

REPOSITORY = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except SerError as error:
        print(f"train: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("train: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130


def prepare(options: argparse.Namespace) -> int:
    """Corpora -> manifest.csv and cached features."""
    settings, root = _settings(options)
    found = manifest.build(root)
    manifest.save(found, options.cache / "manifest.csv")
    print(manifest.summary(found))
    for path, reason in found.left_out:
        print(f"left out {path}: {reason}")
    for name in found.absent:
        print(f"absent {name}: {CORPORA[name].url}")
    from train.fit import Data

    rows = found.where(corpus=settings.use)
    for system in ("mlp", "cnn"):
        Data(root, rows, settings.recipe(system), options.cache)
    return 0


def audit(options: argparse.Namespace) -> int:
    """Every fold of a protocol; exit code 1 when one leaks."""
    settings, _ = _settings(options)
    rows = _rows(options, settings)
    if options.protocol != "cross":
        rows = tuple(row for row in rows if row.corpus in settings.within)
    folds = splits.make(options.protocol, rows, dev_speakers=options.dev_speakers)
    by_sentence = options.protocol == "sentence"
    asked = {"speakers": not by_sentence, "sentences": by_sentence or options.sentences}
    problems = [problem for fold in folds for problem in splits.audit(fold, **asked)]
    for problem in problems[:50]:
        print(problem)
    print(f"{options.protocol}: {len(folds)} folds, {len(problems) or 'no'} leaks")
    return 1 if problems else 0


def fit(options: argparse.Namespace) -> int:
    """The networks that ship, from every clip of the corpora in use; or with --fold those of a protocol's folds."""
    from train import ensemble

    settings, root = _settings(options)
    rows = _rows(options, settings)
    data = ensemble.load_data(root, rows, settings, options.system, options.cache)
    if not options.fold:
        _train(options, settings, data, rows, "all")
    for number in options.fold:
        folds = _folds(options.protocol, rows, settings)
        if not 1 <= number <= len(folds):
            raise ConfigError(f"--fold {number}: {options.protocol} has folds 1 to {len(folds)}")
        _train(options, settings, data, folds[number - 1].train, folds[number - 1].name)
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """One network per fold, streamed through the engine; writes scores-PROTOCOL.json into the system's runs.

    With --stream: conversations, steady speech, sounds and spoilt audio instead, written into --output.
    """
    settings, root = _settings(options)
    rows = _rows(options, settings)
    if options.stream or options.bundle:
        from train.streaming import verbs as streaming

        known = [row for row in rows if row.emotion in _labels() and row.corpus in settings.within]
        return streaming.evaluate(options, root, known, settings.seed, lambda: _listeners(options, settings, root, rows))
    _score(options, settings, root, rows, options.seeds)
    return 0


def tune(options: argparse.Namespace) -> int:
    """Try windows, smoothers and gates on half of the folds' networks; print the best and what they give on the other half."""
    from train.streaming import verbs as streaming

    settings, root = _settings(options)
    rows = _rows(options, settings)
    return streaming.tune(options, root, settings.seed, lambda: _listeners(options, settings, root, rows))


def _score(
    options: argparse.Namespace, settings: TrainSettings, root: Path, rows: Sequence[Row], count: int = 1
) -> dict[str, Any]:
    """Score the folds clip by clip, trained ``count`` times; returns what is written."""
    from train import calibration, ensemble
    from train import evaluate as scoring

    began = time.perf_counter()
    folds = _honest_folds(options, settings, rows)
    data = ensemble.load_data(root, rows, settings, options.system, options.cache)
    seeds: list[list[Any]] = []
    warm: list[list[Any]] = []
    strangers = []
    for number in range(count):
        seeds.append([])
        warm.append([])
        for fold in folds:
            trained = _train(options, settings, data, fold.train, fold.name, number)
            card = trained.export(_place(options, fold.name, number) / "bundle.onnx", name=f"{options.system}-{fold.name}")
            tested = [row for row in fold.test if row.emotion in scoring.LABELS]
            classifier = Classifier(card)
            seeds[-1].append(scoring.stream_clips(classifier, root, tested))
            warm[-1].append(scoring.stream_clips(classifier, root, tested, by_speaker=True))
            both = f"{scoring.uar(seeds[-1][-1]):.1f} % UAR, a speaker's clips as one stream {scoring.uar(warm[-1][-1]):.1f} %"
            print(f"{fold.name}: {both}, {len(tested)} clips", flush=True)
            if options.protocol == "cross" and number == 0:
                known = sorted({row.emotion for row in fold.train if row.emotion in scoring.LABELS})
                strangers.append((fold.name.removeprefix("cross-"), known, seeds[-1][-1], warm[-1][-1]))
    command = f"python -m train evaluate --system {options.system} --protocol {options.protocol}"
    if count > 1:
        command += f" --seeds {count}"
    command += "".join(f" --set {change}" for change in options.set)
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


_CLIPS = "each clip streamed through the engine, mean of its windows weighed by their speech"
_BY_SPEAKER = "the same, a speaker's clips in random order as one stream, so that the running normalisation knows the voice"
_CROSS = (
    "leave-one-corpus-out: nothing of the tested corpus was learned. stream: a speaker's clips in random order as one stream;"
    " clip: each clip a stream of its own. four: neutral, happy, sad, angry; all: the labels both sides know"
)


def _temperatures(folds: list[Any]) -> list[float]:
    """A fold's temperature comes from the other folds' test speakers, whom its own score never sees."""
    from train import evaluate as scoring

    if len(folds) < 2:
        return [1.0] * len(folds)
    return [scoring.best_temperature(scoring.join([part for part in folds if part is not one])) for one in folds]


def _listeners(options: argparse.Namespace, settings: TrainSettings, root: Path, rows: Sequence[Row]) -> list[Fold]:
    """The folds' networks of the first seed, calibrated on the other folds' speakers, each with its own unseen ones."""
    from train import ensemble
    from train.streaming.robustness import Fold

    if options.protocol == "cross":
        raise ConfigError("--stream and tune take protocols within a corpus, such as emobox")
    folds = _honest_folds(options, settings, rows)
    wrong = [number for number in options.fold if not 1 <= number <= len(folds)]
    if wrong:
        raise ConfigError(f"--fold {wrong[0]}: {options.protocol} has folds 1 to {len(folds)}")
    scored = _scored(options, options.protocol)
    if "fold_temperatures" not in scored:
        scored = _score(options, settings, root, rows)
    data = ensemble.load_data(root, rows, settings, options.system, options.cache)
    result = []
    for fold in [folds[number - 1] for number in options.fold] or folds:
        temperature = scored["fold_temperatures"][fold.name]
        path = _place(options, fold.name) / "calibrated.onnx"
        trained = _train(options, settings, data, fold.train, fold.name)
        card = trained.export(path, name=f"{options.system}-{fold.name}", temperature=temperature)
        result.append(Fold(fold.name, Classifier(card), tuple(row for row in fold.test if row.emotion in _labels())))
    return result


def _honest_folds(options: argparse.Namespace, settings: TrainSettings, rows: Sequence[Row]) -> list[splits.Split]:
    """The protocol's folds; but for ``random``, which is known to, none may leak."""
    folds = _folds(options.protocol, rows, settings)
    problems = [problem for fold in folds for problem in splits.audit(fold)]
    if problems and options.protocol != "random":
        raise ConfigError(f"the split leaks: {problems[0]} (and {len(problems) - 1} more); see `python -m train audit`")
    return folds


def _train(
    options: argparse.Namespace, settings: TrainSettings, data: Any, rows: Sequence[Row], name: str, number: int = 0
) -> Any:
    from train import ensemble

    return ensemble.train(data, rows, settings, options.runs, name, number=number, threads=options.threads)


def _place(options: argparse.Namespace, name: str, number: int = 0) -> Path:
    """Where a fold's bundle lies."""
    place: Path = options.runs / options.system / (name if number == 0 else f"{name}-again-{number}")
    return place


def _folds(protocol: str, rows: Sequence[Row], settings: TrainSettings) -> list[splits.Split]:
    """Leave-one-corpus-out is about all corpora in use, the other protocols about those of ``within``."""
    inside = [row for row in rows if row.corpus in settings.within]
    if protocol != "cross" and not inside:
        raise ConfigError(f"{protocol} folds are made of {settings.within}, which the manifest lacks; see train.within")
    return splits.make(protocol, rows if protocol == "cross" else inside, dev_speakers=0)


def export(options: argparse.Namespace) -> int:
    """The shipped bundle: the network of ``fit`` with the scores and the temperature of ``evaluate``."""
    from train import ensemble
    from train.card import facts
    from train.weights_page import write_page

    settings, root = _settings(options)
    rows = _rows(options, settings)
    data = ensemble.load_data(root, rows, settings, options.system, options.cache)
    trained = _train(options, settings, data, rows, "all")
    scored = _scored(options, "emobox")
    seconds = sum(_seconds(history) for history in ensemble.histories(data, options.runs, "all"))
    used = [row for row in rows if row.emotion in _labels()]
    about = facts(options.system, settings, used, scored.get("scores"), _scored(options, "cross").get("scores"), seconds)
    path = options.weights / f"{options.system}.onnx"
    card = trained.export(path, name=options.system, temperature=scored.get("temperature", 1.0), facts=about)
    print(write_page(options.weights))
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {card.raw['parameters']:,} parameters, {card.headline}")
    return 0


def _scored(options: argparse.Namespace, protocol: str) -> dict[str, Any]:
    file = options.runs / options.system / f"scores-{protocol}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _labels() -> tuple[str, ...]:
    from train.corpora import LABELS

    return LABELS


def _seconds(history: Path) -> float:
    return float(sum(entry["seconds"] for entry in json.loads(history.read_text(encoding="utf-8"))))


def _settings(options: argparse.Namespace) -> tuple[TrainSettings, Path]:
    config = load_config(options.config, options.set)
    settings = train_settings(config.train)
    return settings, corpora_folder(options.corpora, settings.corpora)


def _rows(options: argparse.Namespace, settings: TrainSettings) -> tuple[Row, ...]:
    rows = manifest.load(options.cache / "manifest.csv").where(corpus=settings.use)
    if not rows:
        raise ConfigError(f"the manifest holds no clip of {', '.join(settings.use)}; run `python -m train prepare`")
    return select(rows, settings.select)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for run in (prepare, audit, fit, evaluate, tune, export):
        verb = verbs.add_parser(run.__name__, help=(run.__doc__ or "").splitlines()[0], description=run.__doc__)
        verb.set_defaults(run=run)
        verb.add_argument("--corpora", type=Path, metavar="DIR", help="folder that holds ravdess_speech, tess, ...")
        verb.add_argument("--config", type=Path, metavar="FILE", help="YAML laid over config.yaml")
        verb.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="such as train.cnn.epochs=20")
        verb.add_argument("--cache", type=Path, default=REPOSITORY / ".cache" / "train", metavar="DIR")
        if run in (audit, fit, evaluate, tune):
            verb.add_argument("--protocol", default="emobox", choices=splits.PROTOCOLS)
        if run is evaluate:
            verb.add_argument("--seeds", type=int, default=1, metavar="N", help="train every fold N times")
        if run in (fit, evaluate, tune):
            what = "train these folds instead" if run is fit else "use these folds only (not without --stream)"
            verb.add_argument("--fold", type=int, nargs="+", default=[], metavar="N", help=what)
        if run in (evaluate, tune):
            verb.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "results", metavar="DIR")
        if run is audit:
            verb.add_argument("--dev-speakers", type=int, default=4, metavar="N")
            verb.add_argument("--sentences", action="store_true", help="a sentence on both sides is a leak too")
        if run in (fit, evaluate, tune, export):
            verb.add_argument("--system", required=run is not evaluate, default="mlp", choices=("mlp", "cnn"))
            verb.add_argument("--runs", type=Path, default=REPOSITORY / "runs", metavar="DIR")
            verb.add_argument(
                "--threads", type=int, default=1, metavar="N", help="of torch; with another number rounding differs"
            )
        if run in (evaluate, tune):
            (stream_options.add_evaluate if run is evaluate else stream_options.add_tune)(verb)
        if run is export:
            verb.add_argument("--weights", type=Path, default=REPOSITORY / "weights", metavar="DIR")
    commands.add(verbs)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
