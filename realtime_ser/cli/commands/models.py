"""The commands about models: ``models`` and ``models add``."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime_ser.cli.json_output import json_output, show
from realtime_ser.cli.options import SAMPLE, own_model
from realtime_ser.cli.parser import Commands
from realtime_ser.cli.process import complain
from realtime_ser.text import printable

commands = Commands()


@commands.add(
    "models", "list the shipped models with their honest scores", options=(json_output,), examples=("models", "models --json")
)
def _models(options: argparse.Namespace) -> int:
    from realtime_ser.bench.hop import hop_ms
    from realtime_ser.cli.tables import show_models
    from realtime_ser.config import Config
    from realtime_ser.errors import ModelError
    from realtime_ser.model.classifier import list_bundles, load_model

    rows, faults = [], []
    for path in list_bundles():
        try:
            model = load_model(path)
            rows.append((model.card, hop_ms(model, Config())))
        except ModelError as error:
            faults.append(str(error))
    show(options, [{**card.raw, "hop_ms_here": cost} for card, cost in rows], lambda: show_models(rows))
    for fault in faults:
        complain(fault)
    return 1 if faults or not rows else 0


@commands.add(
    "models add",
    "make a bundle of any ONNX network of raw audio",
    options=(own_model,),
    examples=(
        "models add emotion.onnx --labels neutral,happy,sad,angry --rate 16000",
        "models add w2v.onnx --input raw --window 5",
    ),
)
def _add_model(options: argparse.Namespace) -> int:
    from realtime_ser.cli.own_model import add_model

    lines = add_model(
        Path(options.network),
        labels=options.labels,
        rate=options.rate,
        window_s=options.window,
        min_window_s=options.min_window,
        standardised=None if options.input is None else options.input == "standardised",
        kind=options.output,
        nobody=options.nobody,
        licence=options.licence,
        replace=options.replace,
        clip=SAMPLE,
    )
    print("\n".join(map(printable, lines)))
    return 0
