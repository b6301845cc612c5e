"""Who may come in: names, pages and tokens, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_ser.errors import ConfigError
from realtime_ser.serve.auth import Access, read_token
from realtime_ser.serve.limits import Allowance

TOKEN = "correct-horse-battery-staple"


def test_other_addresses_need_a_token() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.1.2.3"):
        assert not Access(host, None).needs_token
    for host in ("0.0.0.0", "::", "192.168.1.5", "studio.example", ""):
        with pytest.raises(ConfigError, match="--token-file"):
            Access(host, None)
        assert Access(host, TOKEN).needs_token


@pytest.mark.parametrize(
    ("host", "local", "open_to_others"),
    [
        ("localhost", True, True),
        ("LOCALHOST:8765", True, True),
        ("127.0.0.1:8765", True, True),
        ("[::1]:8765", True, True),
        ("localhost.", True, True),
        ("192.168.1.5:8765", False, True),
        ("[fe80::1]", False, True),
        ("studio.example", False, False),
        ("named.example:80", True, True),
        ("127.0.0.1.evil.example", False, False),
        ("localhost:evil", False, False),
        ("localhost:80@evil.example", False, False),
        ("evil.example/localhost", False, False),
        ("localhost;script-src *", False, False),
        ("[::1", False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_hosts(host: str | None, local: bool, open_to_others: bool) -> None:
    assert Access("127.0.0.1", None, names=["named.example"]).host_is_ours(host) is local
    assert Access("0.0.0.0", TOKEN, names=["named.example"]).host_is_ours(host) is open_to_others


@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        (None, True),
        ("http://localhost:8765", True),
        ("https://localhost:8765", True),
        ("HTTP://LOCALHOST:8765", True),
        ("https://studio.example", True),
        ("http://localhost", False),
        ("http://localhost:8766", False),
        ("http://evil.example", False),
        ("http://localhost:8765@evil.example", False),
        ("null", False),
        ("", False),
        ("file://", False),
        ("http://", False),
        ("http://[::1", False),
    ],
)
def test_origins(origin: str | None, ours: bool) -> None:
    access = Access("127.0.0.1", None, origins=["https://studio.example/"])
    assert access.origin_is_ours(origin, "localhost:8765") is ours


def test_tokens(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"  {TOKEN}\n")
    assert read_token(str(path), {}) == TOKEN
    assert read_token(str(path), {"REALTIME_SER_TOKEN": "another-token-of-some-length"}) == TOKEN
    assert read_token(None, {"REALTIME_SER_TOKEN": TOKEN}) == TOKEN
    assert read_token(None, {}) is None
    for wrong in (
        b"short",
        b"",
        b"two words that are long enough",
        "\u00fcmlaut-in-a-long-token".encode(),
        b"\xff" * 20,
        b"a\x00" * 20,
    ):
        path.write_bytes(wrong)
        with pytest.raises(ConfigError, match="token"):
            read_token(str(path), {})
    with pytest.raises(ConfigError, match="nowhere"):
        read_token(str(tmp_path / "nowhere"), {})
    access = Access("127.0.0.1", TOKEN)
    assert access.token_is_right(TOKEN)
    assert not any(map(access.token_is_right, (None, "", TOKEN[:-1], TOKEN + " ", "\ud800")))
    assert Access("127.0.0.1", None).token_is_right(None)


def test_an_allowance_refills_and_never_overflows() -> None:
    allowance = Allowance(10, 20, now=0.0)
    assert allowance.take(20, 0.0)
    assert not allowance.take(1, 0.05)
    assert allowance.take(1, 0.1)
    assert not allowance.take(20.5, 1000.0)
    assert allowance.take(20, 1000.0)
