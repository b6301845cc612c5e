"""One process: sockets, loop, threads and signals. ``serve`` blocks until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import uvicorn

from realtime_ser.config import Config
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.serve.app import make_app
from realtime_ser.serve.auth import Access
from realtime_ser.serve.connections import protocols
from realtime_ser.serve.limits import Limits
from realtime_ser.serve.metrics import Metrics
from realtime_ser.serve.models import Models
from realtime_ser.serve.streams import Streams
from realtime_ser.serve.upload import Uploads

_SUMMARIES_S = 3.0  # for open streams to get their summaries when the server ends
_SWITCH_S = 0.001  # the interpreter's threads take turns this often, so that the loop is not kept waiting by the engines


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where the server listens, and for whom.

    Attributes
    ----------
    host, port : address; port 0 takes a free one
    token : what clients must show
    tls_cert, tls_key : PEM files
    names, origins : see ``Access``
    also : further models
    profiles : clients may name a profile of a voice, which is updated
    workers : threads for the engines
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    profiles: bool = False
    workers: int = 1
    limits: Limits = field(default_factory=Limits)


def serve(options: ServerOptions, config: Config, say: Callable[[str], None]) -> None:
    """Serve until a signal comes.

    Parameters
    ----------
    say : takes lines for the person who started it

    Raises
    ------
    ConfigError : an address that others can reach without a token, or TLS files that do not load
    ModelError : a model is damaged
    SourceError : the address cannot be taken
    """
    access = Access(options.host, options.token, names=options.names, origins=options.origins)
    models = Models(config, options.also, profiles=options.profiles)
    listener = _listen(options.host, options.port)
    streams = Streams(models, access, options.limits, Metrics(), workers=options.workers)
    uploads = Uploads(models, options.limits)
    logging.getLogger("uvicorn.error").addFilter(_without_addresses)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # a client that left while we wrote to it is no warning to anyone
    try:
        settings = uvicorn.Config(
            make_app(streams, uploads),
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws_max_size=options.limits.message_bytes,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
            **protocols(),
        )
        try:
            settings.load()
        except OSError as error:
            raise ConfigError(f"--tls-cert, --tls-key: they do not load: {error.strerror or error}") from error
        sys.setswitchinterval(_SWITCH_S)
        for line in greeting(options, access, models, listener.getsockname()[1]):
            say(line)
        _Server(settings, streams, uploads).run([listener])
    finally:
        listener.close()
        streams.close()
        uploads.close()


def greeting(options: ServerOptions, access: Access, models: Models, port: int) -> Iterator[str]:
    """Where the page is, what is served, and what is not safe about it."""
    scheme = "https" if options.tls_cert else "http"
    host = f"[{options.host}]" if ":" in options.host else options.host
    fragment = "#token=YOUR-TOKEN" if access.needs_token else ""
    yield f"page     {scheme}://{host}:{port}/{fragment}"
    yield f"overlay  {scheme}://{host}:{port}/overlay{fragment}"
    yield f"socket   {scheme.replace('http', 'ws')}://{host}:{port}/v1/stream"
    if not access.loopback and not options.tls_cert:
        yield (
            "warning: no TLS: voices and the token cross the network readable, and browsers give no microphone to a page like"
            " this; use --tls-cert and --tls-key, or an SSH tunnel"
        )
    yield f"models   {', '.join(models.names)}; up to {options.limits.streams} streams; no audio is kept; Ctrl-C ends"


class _Server(uvicorn.Server):
    """Sends every open stream its summary before the connections close, and ends without re-raising the signal."""

    def __init__(self, config: uvicorn.Config, streams: Streams, uploads: Uploads) -> None:
        super().__init__(config)
        self._streams, self._uploads = streams, uploads

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the server; a second one ends it at once."""
        loop = asyncio.get_running_loop()
        numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM") if hasattr(signal, name)]
        previous = {}
        try:
            for number in numbers:
                previous[number] = signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._signalled))
        except ValueError:  # not the main thread: whoever started it ends it
            pass
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _signalled(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Summaries first."""
        for server in self.servers:
            server.close()
        self._uploads.stop()
        await self._streams.stop(0.0 if self.force_exit else _SUMMARIES_S)
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            if sys.platform != "win32":  # there it would let another program take the same port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1024)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
    except (OSError, UnicodeError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot listen on {host} port {port}: {reason}; choose another with --host or --port") from error
    return listener


def _without_addresses(record: logging.LogRecord) -> bool:
    """uvicorn's messages may hold addresses and paths: only faults of the program are let through, without their arguments."""
    record.args = ()
    return record.levelno >= logging.ERROR
