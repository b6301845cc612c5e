"""The options of ``realtime-ser serve`` and the command itself."""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from realtime_ser.errors import ConfigError
from realtime_ser.serve.limits import Limits
from realtime_ser.text import to_install

if TYPE_CHECKING:
    from realtime_ser.config import Config

_LIMITS: dict[str, tuple[str, str, float, float]] = {
    # field: (option, help, least, most)
    "streams": ("--max-streams", "sockets open at once", 1, 100_000),
    "message_bytes": ("--max-message-bytes", "largest message on the socket", 1024, 1 << 28),
    "upload_bytes": ("--max-upload-bytes", "largest file for POST /v1/classify", 1024, 1 << 32),
    "upload_s": ("--max-upload-s", "longest recording for it, in seconds", 1, 1e6),
    "uploads": ("--max-uploads", "files classified at once", 1, 64),
    "start_s": ("--start-s", "seconds that a new connection has for its start message", 0.1, 3600),
    "idle_s": ("--idle-s", "seconds without a message after which a stream ends", 0.1, 86400),
    "burst_s": ("--burst-s", "seconds of audio that may come faster than real time", 1, 3600),
    "messages_per_s": ("--max-messages-per-s", "messages a second on one socket", 1, 1e6),
    "waiting_windows": ("--max-waiting-windows", "windows that wait for a client that reads slowly", 1, 1e6),
    "stalled_s": ("--stalled-s", "seconds after which a client that reads nothing is cut off", 0.1, 3600),
}


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add the options to the sub-command's parser."""
    where = parser.add_argument_group("where, and for whom")
    where.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1", help="any but this machine's own needs a token (default: 127.0.0.1)"
    )
    where.add_argument("--port", metavar="N", type=_whole(0, 65535), default=8765, help="0 takes a free one (default: 8765)")
    where.add_argument(
        "--token-file", metavar="FILE", help="holds the token that clients must show (default: $REALTIME_SER_TOKEN, or none)"
    )
    where.add_argument("--tls-cert", metavar="FILE", help="certificate, PEM (default: no TLS)")
    where.add_argument("--tls-key", metavar="FILE", help="its key, PEM (default: no TLS)")
    for option, metavar, text in (
        ("--allow-host", "NAME", "another name of this machine (default: localhost)"),
        ("--allow-origin", "URL", "another page that may connect (default: our own)"),
        ("--also", "MODEL", "a further model that clients may name (default: none)"),
    ):
        where.add_argument(option, metavar=metavar, action="append", default=[], help=text)
    where.add_argument(
        "--allow-profiles", action="store_true", help="clients may name a profile of a voice, which is kept here (default: no)"
    )
    where.add_argument("--workers", metavar="N", type=_whole(1, 64), default=1, help="threads for the engines (default: 1)")
    limits = parser.add_argument_group("limits")
    for item in dataclasses.fields(Limits):
        option, text, least, most = _LIMITS[item.name]
        limits.add_argument(
            option,
            metavar="N",
            dest=f"limit_{item.name}",
            type=_whole(least, most) if item.type == "int" else _number(least, most),
            default=item.default,
            help=f"{text} (default: {item.default})",
        )


def run_serve(options: argparse.Namespace, config: Config) -> int:
    """Serve until a signal comes.

    Raises
    ------
    ConfigError : the extra is not installed, or the options contradict one another
    """
    from realtime_ser.serve.auth import read_token

    if bool(options.tls_cert) != bool(options.tls_key):
        raise ConfigError("--tls-cert and --tls-key go together")
    token = read_token(options.token_file)
    try:
        from realtime_ser.serve.server import ServerOptions, serve
    except ImportError as error:
        name = str(error.name or error).partition(".")[0]
        if name == "realtime_ser":
            raise
        raise ConfigError(f"serve needs {name}, which is not installed; {to_install('serve')}") from error
    limits = Limits(**{item.name: getattr(options, f"limit_{item.name}") for item in dataclasses.fields(Limits)})
    serve(
        ServerOptions(
            host=options.host,
            port=options.port,
            token=token,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
            names=tuple(options.allow_host),
            origins=tuple(options.allow_origin),
            also=tuple(options.also),
            profiles=options.allow_profiles,
            workers=options.workers,
            limits=limits,
        ),
        config,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    return 0


def _whole(least: float, most: float) -> Callable[[str], Any]:
    def convert(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or len(text) > 12 or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least:g} to {most:g}")
        return int(text)

    return convert


def _number(least: float, most: float) -> Callable[[str], Any]:
    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least:g} to {most:g}")
        return value

    return convert
