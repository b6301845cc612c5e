"""Who may come in: from which pages, under which names of this machine, and with which token.

A page of any site can open a socket to this machine, and a name of any site can be made to lead here (DNS rebinding). So a
request must name this machine as we know it (``Host``), and a page's request must come from our own page (``Origin``).
"""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from realtime_ser.errors import ConfigError

TOKEN_VARIABLE = "REALTIME_SER_TOKEN"
SHORTEST_TOKEN = 16
_MOST_BYTES = 4096
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: str | None, environment: Mapping[str, str] | None = None) -> str | None:
    """The token from a file, else from ``REALTIME_SER_TOKEN``; None where neither is given.

    Raises
    ------
    ConfigError : the file cannot be read, or the token is too short or no printable ASCII
    """
    given = (os.environ if environment is None else environment).get(TOKEN_VARIABLE)
    where = TOKEN_VARIABLE
    if path is not None:
        where = f"--token-file {path}"
        try:
            with Path(path).open("rb") as file:
                given = file.read(_MOST_BYTES).decode("utf-8", "replace")
        except OSError as error:
            raise ConfigError(f"cannot read the token: {where}: {error.strerror or error}") from error
    if given is None:
        return None
    token = given.strip()
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"{where}: a token is one word of at least {SHORTEST_TOKEN} printable characters; make one with"
            " python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return token


class Access:
    """Decides about requests.

    Parameters
    ----------
    host : the address that the server listens on
    token : what a client must show; None: nothing
    names : further names under which this machine is reached
    origins : further pages that may connect, such as "https://studio.example"

    Raises
    ------
    ConfigError : an address that others can reach, without a token
    """

    def __init__(self, host: str, token: str | None, *, names: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self.loopback = is_loopback(host)
        if not self.loopback and token is None:
            raise ConfigError(
                f"--host {host} can be reached by others, so it needs a token: give --token-file FILE or {TOKEN_VARIABLE}"
            )
        self._token = None if token is None else token.encode()
        self._names = _LOOPBACK_NAMES | {name.lower().rstrip(".") for name in names} | {host.lower()}
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)

    @property
    def needs_token(self) -> bool:
        """Whether a client must show a token."""
        return self._token is not None

    def token_is_right(self, given: str | None) -> bool:
        """Compare in a time that does not depend on where the two differ."""
        if self._token is None:
            return True
        return given is not None and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._token)

    def host_is_ours(self, host: str | None) -> bool:
        """Whether a ``Host`` header names this machine. Addresses of it do where others can reach it; names must be known."""
        name = _name_of(host)
        if name is None:
            return False
        if name in self._names:
            return True
        if self.loopback:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def origin_is_ours(self, origin: str | None, host: str | None) -> bool:
        """Whether a request without ``Origin`` (no page sent it), or with our own page's or an allowed one."""
        if origin is None:
            return True
        origin = origin.lower()
        if origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and bool(parts.netloc) and parts.netloc == (host or "").lower()


def _name_of(host: str | None) -> str | None:
    """The name in a ``Host`` header, without port and brackets; None if that is no such header."""
    if not host or "@" in host or "/" in host:
        return None
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for what is no number
    except ValueError:
        return None
    return parts.hostname.rstrip(".") if parts.hostname else None
