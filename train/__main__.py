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
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from realtime_ser.config import load_config
from realtime_ser.errors import ConfigError, SerError
from train import commands, manifest, splits
from train.corpora import CORPORA, LABELS, corpora_folder
from train.manifest import Row
from train.select import select
from train.settings import TrainSettings, train_settings
from train.streaming import options as stream_options

REPOSITORY = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except SerError as error:
        print(f"train: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"train: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    except BrokenProcessPool:
        print("train: a worker process was ended, perhaps for want of memory; the same command goes on", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("train: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130


def prepare(options: argparse.Namespace) -> int:
    """Corpora -> manifest.csv and cached features."""
    settings, root = _settings(options)
    found = manifest.build(root, memory=options.cache / "manifest.known.json")
    manifest.save(found, options.cache / "manifest.csv")
    print(manifest.summary(found))
    for path, reason in found.left_out:
        print(f"left out {path}: {reason}")
    for name in found.absent:
        print(f"absent {name}: {CORPORA[name].url}")
    from train import features

    used = found.where(corpus=settings.use)
    rows = [row for row in used if row.emotion in LABELS]
    for emotion, count in sorted(Counter(row.emotion for row in used if row.emotion not in LABELS).items()):
        print(f"not learned: {count} clips of {emotion!r}, which is not among {', '.join(LABELS)}")
    if not rows:
        raise ConfigError(_none_in_use(found.rows, settings))
    for system in ("mlp", "cnn"):
        recipe = settings.recipe(system)
        features.fill(root, rows, recipe.spec, options.cache, recipe.all_variants)
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
    """The networks that ship, from every clip of the corpora in use; or with --fold those of a protocol's folds.

    Each network's run has its history, its curves and its checkpoint. With --dev-speakers some speakers do not train: their
    UAR is shown on the way, and the network is not the one that ``export`` takes.
    """
    from train import ensemble
    from train.folds import folds_of, train

    settings, root = _settings(options)
    rows = _rows(options, settings)
    data = ensemble.load_data(root, rows, settings, options.system, options.cache)
    chosen: list[tuple[str, Sequence[Row], Sequence[Row]]] = [("all", rows, ())]
    if options.fold:
        folds = folds_of(options.protocol, rows, settings)
        wrong = [number for number in options.fold if not 1 <= number <= len(folds)]
        if wrong:
            raise ConfigError(f"--fold {wrong[0]}: {options.protocol} has folds 1 to {len(folds)}")
        chosen = [(fold.name, fold.train, fold.test) for fold in (folds[number - 1] for number in options.fold)]
    for number in range(options.seeds):
        for name, clips, tested in chosen:
            others, watched = splits.hold_out(clips, options.dev_speakers, seed=settings.seed)
            name = f"{name}-watched-{options.dev_speakers}" if watched else name
            train(options, settings, data, others, name, number, dev=watched, test=tested)
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """One network per fold, streamed through the engine; writes scores-PROTOCOL.json into the system's runs.

    With --stream: conversations, steady speech, sounds and spoilt audio instead, written into --output.
    """
    from train.folds import listeners, score

    settings, root = _settings(options)
    rows = _rows(options, settings)
    if options.stream or options.bundle:
        from train.streaming import verbs as streaming

        known = [row for row in rows if row.corpus in settings.within]
        return streaming.evaluate(options, root, known, settings.seed, lambda: listeners(options, settings, root, rows))
    score(options, settings, root, rows, options.seeds)
    return 0


def tune(options: argparse.Namespace) -> int:
    """Try windows, smoothers and gates on half of the folds' networks; print the best and what they give on the other half."""
    from train.folds import listeners
    from train.streaming import verbs as streaming

    settings, root = _settings(options)
    rows = _rows(options, settings)
    return streaming.tune(options, root, settings.seed, lambda: listeners(options, settings, root, rows))


def export(options: argparse.Namespace) -> int:
    """The shipped bundle: the network of ``fit`` with the scores and the temperature of ``evaluate``."""
    from train.shipping import ship
    from train.weights_page import write_page

    settings, root = _settings(options)
    card = ship(options, settings, root, _rows(options, settings))
    print(write_page(options.weights))
    size_mb = card.onnx_path.stat().st_size / 1e6
    print(f"{card.onnx_path}: {size_mb:.2f} MB, {card.raw['parameters']:,} parameters, {card.headline}")
    return 0


def _settings(options: argparse.Namespace) -> tuple[TrainSettings, Path]:
    config = load_config(options.config, options.set)
    settings = train_settings(config.train)
    return settings, corpora_folder(options.corpora, settings.corpora)


def _rows(options: argparse.Namespace, settings: TrainSettings) -> tuple[Row, ...]:
    """The clips in use that have one of our labels: all that splits are made of."""
    found = manifest.load(options.cache / "manifest.csv")
    rows = tuple(row for row in found.where(corpus=settings.use) if row.emotion in LABELS)
    if not rows:
        raise ConfigError(_none_in_use(found.rows, settings))
    return select(rows, settings.select)


def _none_in_use(rows: Sequence[Row], settings: TrainSettings) -> str:
    """Why none of the manifest's clips can be learned from, and what to do."""
    used = Counter(row.emotion for row in rows if row.corpus in settings.use)
    if used:
        corpora, labels = ", ".join(settings.use), ", ".join(sorted(used))
        return f"nothing to learn: the labels of {corpora} are {labels}, none of {', '.join(LABELS)}"
    there = sorted({row.corpus for row in rows})
    if not there:
        return "nothing to learn: the manifest is empty; run `python -m train prepare`"
    return (
        f"nothing to learn: train.use is {', '.join(settings.use)}, of which there is no clip; there are clips of"
        f" {', '.join(there)}: use them with --set 'train.use=[{', '.join(there)}]'"
    )


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
        if run in (fit, evaluate):
            verb.add_argument(
                "--seeds", type=int, default=1, metavar="N", help="train everything N times, each with its own seed"
            )
        if run is fit:
            verb.add_argument(
                "--dev-speakers", type=int, default=0, metavar="N", help="hold N speakers out, to watch their UAR"
            )
        if run in (fit, evaluate, tune):
            what = "train these folds instead" if run is fit else "use these folds only (not without --stream)"
            verb.add_argument("--fold", type=int, nargs="+", default=[], metavar="N", help=what)
        if run in (evaluate, tune):
            verb.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "results", metavar="DIR")
        if run is audit:
            verb.add_argument("--dev-speakers", type=int, default=0, metavar="N", help="held out of the training speakers too")
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
            within = [name for name in splits.PROTOCOLS if name != "cross"]
            verb.add_argument("--protocol", default="emobox", choices=within, help="whose scores and temperature the card gets")
    commands.add(verbs)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
