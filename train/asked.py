"""Options of ``python -m train`` that do not go together: refused before anything is read."""

from __future__ import annotations

import argparse

from realtime_ser.errors import ConfigError
from train.settings import ON_AUDIO, TrainSettings


def check_evaluate(options: argparse.Namespace) -> None:
    """Of ``evaluate``.

    Raises
    ------
    ConfigError : an option that would be ignored
    """
    on_audio = options.system in ON_AUDIO and not options.bundle
    if (options.vote and not on_audio) or (options.elsewhere and (not on_audio or options.seeds > 1)):
        raise ConfigError("--vote and --elsewhere take --system large or cnn and no --bundle, and --elsewhere takes one seed")
    of_a_bundle = options.bundle or options.profile or options.everyday or options.sounds or options.strangers
    of_folds = on_audio or options.stream or options.bars is not None
    if options.fold and (of_a_bundle or not of_folds):
        raise ConfigError(
            "--fold takes --stream, --bars, or --system large or cnn, and no --bundle: without them all folds are scored, each"
            " at a temperature from the others"
        )


def check_fit(options: argparse.Namespace, settings: TrainSettings) -> None:
    """Of ``fit``.

    Raises
    ------
    ConfigError : speakers are to be watched by a system that watches nobody
    """
    if options.dev_speakers and (options.system in ON_AUDIO or settings.recipe(options.system).taught is not None):
        raise ConfigError(
            f"--dev-speakers is for mlp and logmel with `taught: null`: {options.system} learns for a fixed number of steps and"
            " watches nobody"
        )
