"""The options of ``evaluate --stream`` and ``tune``; apart, so that ``--help`` need not load what draws and trains."""

from __future__ import annotations

import argparse


def add_evaluate(verb: argparse.ArgumentParser) -> None:
    """The options of ``evaluate --stream``."""
    verb.add_argument("--stream", action="store_true", help="conversations, silence and noise, bad conditions")
    verb.add_argument("--bundle", metavar="NAME|PATH", help="as --stream, with a bundle instead of the folds' networks")
    verb.add_argument("--clips", type=int, default=96, metavar="N", help="of each fold, for the curves of --stream; 0: all")


def add_tune(verb: argparse.ArgumentParser) -> None:
    """The options of ``tune``."""
    verb.add_argument("--windows", type=float, nargs="+", default=[1.0, 1.5, 2.0, 3.0], metavar="S")
    verb.add_argument("--hops", type=float, nargs="+", default=[0.25], metavar="S")
    verb.add_argument("--no-gates", action="store_true", help="leave the gate as it is")
