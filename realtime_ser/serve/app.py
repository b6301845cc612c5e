"""The routes: page, socket, upload, health, metrics. Everything is decided elsewhere; here it is put on the network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime_ser import __version__
from realtime_ser.serve.auth import Access
from realtime_ser.serve.connections import STRAIGHT
from realtime_ser.serve.metrics import CONTENT_TYPE, Metrics
from realtime_ser.serve.page_data import page_data
from realtime_ser.serve.protocol import CLOSE_FULL, ProtocolError, as_text
from realtime_ser.serve.streams import Connection, Streams
from realtime_ser.serve.upload import UploadError, Uploads

_T = TypeVar("_T")
PAGE = Path(__file__).parent / "page"
_UPLOAD_TIMEOUT_S = 120.0
_SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {sockets}; "
        "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}


def make_app(streams: Streams, uploads: Uploads) -> Starlette:
    """The application over a server's streams and uploads."""
    metrics, access = streams.metrics, streams.access

    async def health(request: Request) -> Response:  # noqa: ARG001
        return JSONResponse(
            {
                "status": "stopping" if streams.stopping else "ok",
                "version": __version__,
                "models": list(streams.models.names),
                "streams": len(streams.open),
                "max_streams": streams.limits.streams,
            },
            status_code=503 if streams.stopping else 200,
        )

    async def metrics_text(request: Request) -> Response:
        if not access.token_is_right(_bearer(request.headers)):
            return _refused(metrics, "not_allowed", 401)
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def settings(request: Request) -> Response:  # noqa: ARG001
        return JSONResponse(page_data(streams.models, access, streams.limits))

    async def classify(request: Request) -> Response:
        if not access.token_is_right(_bearer(request.headers)):
            return _refused(metrics, "not_allowed", 401)
        try:
            async with uploads.place():
                data = await asyncio.wait_for(_body(request, streams.limits.upload_bytes), _UPLOAD_TIMEOUT_S)
                name, model = request.query_params.get("name", "upload"), request.query_params.get("model")
                timeline = request.query_params.get("timeline") == "1"
                row, status = await _while_connected(request, uploads.classify(data, name, model, timeline=timeline))
        except UploadError as error:
            metrics.upload(error.code)
            headers = {"retry-after": "5"} if error.status == 503 else {}
            return JSONResponse({"code": error.code, "error": str(error)}, error.status, headers=headers)
        except (ClientDisconnect, asyncio.TimeoutError):
            metrics.upload("incomplete")
            return JSONResponse({"code": "incomplete", "error": "the file did not arrive whole"}, 408)
        metrics.upload("done" if status == 200 else "failed")
        return JSONResponse(row, status)

    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        connection = streams.admit()
        if connection is None:
            reason = "the server stops" if streams.stopping else "all streams are taken; try again later"
            metrics.rejected("full")
            await socket.send_text(as_text(ProtocolError("full", reason, close=CLOSE_FULL).entry()))
            await socket.close(CLOSE_FULL)
            return
        try:
            await _serve(socket, connection)
        finally:
            streams.leave(connection)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        watch = asyncio.create_task(streams.watch())
        yield
        watch.cancel()

    page = StaticFiles(directory=PAGE)

    async def index(request: Request) -> Response:
        name = "overlay.html" if request.url.path == "/overlay" else "index.html"
        return await page.get_response(name, request.scope)

    return Starlette(
        routes=[
            Route("/", index, methods=["GET"]),
            Route("/overlay", index, methods=["GET"]),
            Route("/health", health, methods=["GET"]),
            Route("/metrics", metrics_text, methods=["GET"]),
            Route("/v1/page", settings, methods=["GET"]),
            Route("/v1/classify", classify, methods=["POST"]),
            WebSocketRoute("/v1/stream", stream),
            Mount("/page", page),
        ],
        middleware=[Middleware(Gatekeeper, access=access, metrics=metrics)],
        lifespan=lifespan,
    )


class Gatekeeper:
    """Refuses requests that name another machine or come from another page; adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics) -> None:
        self._app, self._access, self._metrics = app, access, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        host, origin = hosts[0] if hosts else None, origins[0] if origins else None
        reason = None
        if len(hosts) != 1 or not self._access.host_is_ours(host):
            reason = "host"
        elif len(origins) > 1 or not self._access.origin_is_ours(origin, host):
            reason = "origin"

        async def send_safely(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                # Not every browser counts a page's own socket among 'self'.
                sockets = f"ws://{host} wss://{host}" if reason is None else ""
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.replace("{sockets}", sockets).encode()) for name, value in _SECURITY.items()),
                ]
            await send(message)

        if reason is None:
            await self._app(scope, receive, send_safely)
            return
        await _refused(self._metrics, reason, 403)(scope, receive, send_safely)


async def _serve(socket: WebSocket, connection: Connection) -> None:
    """Move messages between the socket and the stream until one of them ends."""
    sender = asyncio.create_task(_send(socket, connection))
    receiver = asyncio.create_task(_receive(socket, connection))
    connection.tasks = (sender, receiver)
    try:
        await asyncio.wait(connection.tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.cut_off()
        await asyncio.gather(*connection.tasks, return_exceptions=True)


async def _receive(socket: WebSocket, connection: Connection) -> None:
    straight = (socket.scope.get("extensions") or {}).get(STRAIGHT)
    while True:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        data = message.get("bytes")
        if data is not None:
            connection.data(data)
            continue
        connection.text(message.get("text") or "")
        if straight is not None:  # after the first message, so that none can overtake it
            straight(connection.data)
            straight = None


async def _send(socket: WebSocket, connection: Connection) -> None:
    stream, loop = connection.stream, asyncio.get_running_loop()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await connection.output.wait()
            connection.output.clear()
            code = stream.close_code  # before the queue is emptied: after it nothing more is put there
            while (text := stream.outbox.pop()) is not None:
                connection.sending_since = loop.time()
                await socket.send_text(text)
                connection.sending_since = None
            if code is not None:
                connection.sending_since = loop.time()
                await socket.close(code)
                return


async def _while_connected(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """The result of ``work``, which is cancelled when the client leaves; raises ClientDisconnect then."""
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        for one in (task, left):
            one.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request, most: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    pieces, size = [], 0
    if declared.isdecimal() and int(declared[:20]) > most:
        raise UploadError("too_large", f"the file has over {most} bytes", 413)
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise UploadError("too_large", f"the file has over {most} bytes", 413)
        pieces.append(piece)
    if not size:
        raise UploadError("empty", "no bytes came: the file is empty, or is not the body (curl --data-binary @FILE)", 400)
    return b"".join(pieces)


def _bearer(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _refused(metrics: Metrics, reason: str, status: int) -> Response:
    metrics.rejected(reason)
    text = {
        "host": "this name is not known here; start the server with --allow-host NAME",
        "origin": "this page may not connect; start the server with --allow-origin ORIGIN",
        "not_allowed": "the token is missing or wrong",
    }[reason]
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    return PlainTextResponse(f"{text}\n", status, headers=headers)
