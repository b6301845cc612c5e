"""The verbs of ``python -m train``: each reads its command line and calls functions that a notebook can call as well."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from realtime_ser.errors import ConfigError
from train import prepare as preparing
from train.asked import check_evaluate, check_fit
from train.data import manifest
from train.data.corpora import corpora_folder
from train.paths import Paths
from train.settings import CLIPS_OF_A_FOLD, ON_AUDIO, Setup, load_setup

if TYPE_CHECKING:
    from train.evaluation.large import Workshop

# Modules that load torch or matplotlib are imported by the verbs that need them, so that --help is fast.


def get(options: argparse.Namespace) -> None:
    """Fetch a corpus from its own host, or print how to get it."""
    from train.data import encoder_file
    from train.data.corpora import get as fetching

    if options.name == "encoder":
        made = encoder_file.fetch(_destination(options), options.source)
        print(f"{made}: {encoder_file.notice()}; model.bin SHA-256 {encoder_file.MODEL_BIN_SHA256} (as known)")
    elif options.name:
        fetching.fetch_corpora(options.name, _destination(options), keep=options.keep)
    else:
        fetching.show_corpora()
        print(f"{'encoder':15} {'get':8} {'75 MB':22} {encoder_file.LICENCE}; what large begins with; {encoder_file.ADDRESS}")


def prepare(options: argparse.Namespace) -> None:
    """Corpora -> manifest.csv and cached features."""
    paths, setup = _requested(options)
    preparing.prepare(paths, setup.train)


def explore(options: argparse.Namespace) -> None:
    """Pictures of the corpora and one HTML page: how many, how loud, how long, how high, and what a random split hides."""
    from train.explore import explore as look

    paths, _ = _requested(options)
    print(look(paths.corpora, manifest.load(paths.manifest), paths.cache, paths.output, clips=not options.no_clips))


def audit(options: argparse.Namespace) -> int:
    """Every fold of a protocol; exit code 1 when one leaks."""
    paths, setup = _requested(options)
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

    paths, setup = _requested(options)
    check_fit(options, setup.train)
    if options.system in ON_AUDIO:
        large.fit(_workshop(options), options.protocol, seeds=options.seeds, only=options.fold)
        return
    folds.fit(
        paths,
        setup.train,
        preparing.rows_in_use(paths, setup.train),
        options.system,
        protocol=options.protocol,
        only=options.fold,
        seeds=options.seeds,
        dev_speakers=options.dev_speakers,
        threads=options.threads,
    )


def evaluate(options: argparse.Namespace) -> None:
    """One network per fold, streamed through the engine; writes scores-PROTOCOL.json into the system's runs.

    With --fold the scores of large or cnn are printed only: export and card read those of all folds.
    With --stream: conversations, steady speech, sounds and spoilt audio instead, written into --output. With --everyday,
    --sounds or --strangers: the bundle's answers on readers, on sounds and on a corpus outside the training data. With --bars:
    all of that, spoilt audio and conversations of the same people, beside the bars. With --profile: scores of runs that start
    with a remembered voice.
    """
    from train.evaluation import bars, folds, large
    from train.evaluation import vote as voting
    from train.evaluation.elsewhere import shares
    from train.evaluation.streaming import verbs as streaming

    check_evaluate(options)
    paths, setup = _requested(options)
    if options.profile:
        _remembered(options)
        return
    if options.bars is not None:
        _bars(options)
        return
    if options.everyday or options.sounds or options.strangers:
        _unseen(options)
        return
    if options.system in ON_AUDIO and not (options.bundle or options.stream):
        if options.elsewhere:
            shares(_workshop(options), only=options.fold)
        elif options.vote:
            voting.score(_workshop(options), options.protocol, seeds=options.seeds, only=options.fold)
        else:
            large.score(_workshop(options), options.protocol, seeds=options.seeds, only=options.fold)
        return
    rows = preparing.rows_in_use(paths, setup.train)
    job = folds.Job(options.system, options.protocol, options.threads)
    clips = CLIPS_OF_A_FOLD if options.clips is None else options.clips
    if options.bundle:
        streaming.evaluate_bundle(paths, setup, rows, options.bundle, only=options.fold, clips=clips)
    elif options.stream:
        own = bars.audio_folds(_workshop(options), job, options.fold) if options.system in ON_AUDIO else None
        streaming.evaluate(paths, setup, rows, job, only=options.fold, clips=clips, folds=own)
    else:
        folds.score(paths, setup, preparing.rows_to_learn(paths, setup.train), job, options.seeds)


def tune(options: argparse.Namespace) -> None:
    """Try windows, smoothers and gates on half of the folds' networks; print the best and their scores on the other half."""
    from train.evaluation import folds
    from train.evaluation.streaming import verbs as streaming

    paths, setup = _requested(options)
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
    paths, _ = _requested(options)
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
    from train.evaluation import folds
    from train.release import large as large_release
    from train.release.shipping import ship
    from train.release.weights_page import write_page

    paths, setup = _requested(options)
    job = folds.Job(options.system, options.protocol, options.threads)
    if options.system in ON_AUDIO:
        card = large_release.ship(_workshop(options), paths.weights)
    else:
        card = ship(paths, setup, preparing.rows_to_learn(paths, setup.train), job)
    print(write_page(paths.weights))
    size_mb = card.onnx_path.stat().st_size / 1e6
    print(f"{card.onnx_path}: {size_mb:.2f} MB, {card.raw['parameters']:,} parameters, {card.headline}")


def card(options: argparse.Namespace) -> None:
    """Put on a bundle's card what evaluate --bars measured of it, and write the page beside it anew."""
    from realtime_ser.model.classifier import find_card
    from train.release.measured import put_on_card
    from train.release.weights_page import write_page

    for name in options.bundle:
        made = put_on_card(find_card(name), options.runs)
        print(f"{made.path}: {made.headline}")
        print(write_page(made.path.parent))


def vote(options: argparse.Namespace) -> None:
    """Let the mlp beside a bundle vote too: its weight, and a temperature fitted on people whom neither has met."""
    from realtime_ser.model.classifier import find_card
    from train.release.vote import add_vote

    paths, setup = _requested(options)
    if not 0 <= options.share < 1:
        raise ConfigError(f"--share must be at least 0 and below 1, got {options.share:g}")
    rows = preparing.rows_in_use(paths, setup.train)
    made = add_vote(paths, setup, rows, find_card(options.bundle), options.share, options.corpus)
    print(f"{made.path}: {made.vote or 'no vote'}; for its scores `evaluate --bundle {options.bundle} --bars`, then `card`")


def pictures(options: argparse.Namespace) -> None:
    """Draw adaptation, the frontier and robustness of all models from what evaluate --bars measured."""
    from train.evaluation.pictures import draw

    for path in draw(options.runs, options.output):
        print(path)


def _workshop(options: argparse.Namespace) -> Workshop:
    """What the steps of ``large`` or ``cnn`` take."""
    from train.evaluation.large import Workshop

    paths, setup = _requested(options)
    rows = preparing.rows_in_use(paths, setup.train)
    return Workshop(paths, manifest.load(paths.manifest).rows, rows, setup.train, options.threads, options.system, setup)


def _remembered(options: argparse.Namespace) -> None:
    """Print what a profile is worth to a bundle."""
    from realtime_ser.model.classifier import load_model
    from train.evaluation.remembered import remembered, report

    paths, setup = _requested(options)
    print(report(remembered(load_model(options.bundle or options.system), paths.corpora, options.profile, setup.live)))


def _bars(options: argparse.Namespace) -> None:
    """Measure what has a bar, and print it beside that."""
    from train.evaluation import bars
    from train.evaluation.folds import Job

    paths, setup = _requested(options)
    rows = manifest.load(paths.manifest).rows
    wanted = bars.Wanted(options.bars, options.corpus, options.clips, options.orders, options.fold)
    if options.bundle:
        bars.of_bundle(paths, setup, rows, options.bundle, wanted)
    else:
        bars.of_folds(paths, setup, rows, Job(options.system, options.protocol, options.threads), wanted)


def _unseen(options: argparse.Namespace) -> None:
    """Print a bundle's answers on data that no model was trained on."""
    from realtime_ser.model.classifier import load_model
    from train.evaluation import bars, everyday, large, nobody

    paths, setup = _requested(options)
    shop, live = large.Workshop(paths, manifest.load(paths.manifest).rows), setup.live
    classifier = load_model(options.bundle or options.system)
    if options.everyday:
        rows = bars.of_corpora(shop.tested(*large.EVERYDAY), *large.EVERYDAY)
        print(everyday.report(everyday.everyday(classifier, shop.corpora, rows, live, everyday.SHARES)))
    if options.sounds:
        print(nobody.report(nobody.sounds(classifier, shop.corpora, bars.of_corpora(shop.tested("sounds"), "sounds"), live)))
    if options.strangers:
        print(json.dumps(large.strangers(classifier, shop, live), indent=1))


def _requested(options: argparse.Namespace) -> tuple[Paths, Setup]:
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
