"""The command for many recordings: ``classify``."""

from __future__ import annotations

import argparse

from realtime_ser.cli.options import common, many_recordings
from realtime_ser.cli.parser import Commands
from realtime_ser.cli.settings import chosen_config

commands = Commands()


@commands.add(
    "classify",
    "one answer for each recording, at full speed",
    options=(common, many_recordings),
    examples=("classify calls/ -o calls.csv", "classify calls/ -o segments/ --format rttm --jobs 2 --resume"),
    native=True,
    interruptible=True,
)
def _classify(options: argparse.Namespace) -> int:
    from realtime_ser.cli.classify import classify_recordings

    return classify_recordings(options, chosen_config(options), options.interrupt)
