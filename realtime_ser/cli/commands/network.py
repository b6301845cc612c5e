"""The command that listens on the network."""

from __future__ import annotations

import argparse

from realtime_ser.cli.options import common
from realtime_ser.cli.parser import Commands
from realtime_ser.cli.settings import chosen_config
from realtime_ser.serve.options import add_serve

commands = Commands()


@commands.add(
    "serve",
    "a page with a microphone, and a socket for many streams at once",
    options=(common, add_serve),
    examples=("serve", "serve --host 0.0.0.0 --token-file token --tls-cert cert.pem --tls-key key.pem"),
)
def _serve(options: argparse.Namespace) -> int:
    from realtime_ser.serve.options import run_serve

    return run_serve(options, chosen_config(options))
