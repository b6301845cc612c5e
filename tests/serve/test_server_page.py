"""The server's page, and the hosts, pages and paths that it refuses."""

from __future__ import annotations

import json

import pytest
from server_process import Server
from server_request import request
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


@pytest.mark.parametrize("path", ["/", "/overlay", "/page/main.js", "/page/worklet.js", "/page/page.css", "/page/icon.svg"])
def test_the_page_and_its_headers(server: Server, path: str) -> None:
    status, headers, body = request(server, "GET", path)
    assert status == 200
    assert body
    policy = headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    if path.endswith(".js"):
        assert headers["content-type"].startswith("text/javascript")


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    from realtime_ser.serve.app import PAGE

    for file in PAGE.iterdir():
        text = file.read_text()
        if file.suffix == ".html":
            assert "<style" not in text
            assert "style=" not in text
            assert " on" not in [word[:3] for word in text.split() if "=" in word and word.startswith(" on")]
            assert all('src="/page/' in line for line in text.splitlines() if "<script" in line)
        addresses = [word for word in text.split() if "http://" in word or "https://" in word]
        assert not [
            word for word in addresses if "www.w3.org/2000/svg" not in word and "//localhost" not in word and word != "https://"
        ]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost@evil.example", "", "10.0.0.1"]
)
def test_another_host_name_is_refused(server: Server, host: str) -> None:
    status, headers, _ = request(server, "GET", "/health", Host=host)
    assert status in (400, 403)
    assert "evil" not in json.dumps(headers)
    if host:
        with pytest.raises(InvalidStatus) as refused, connect(server.socket, additional_headers={"Host": host}):
            pass
        assert refused.value.response.status_code in (400, 403)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost:1", "null", "file://", "http://127.0.0.1.evil.example"]
)
def test_another_pages_requests_are_refused(server: Server, origin: str) -> None:
    status, _, _ = request(server, "POST", "/v1/classify", b"abc", Origin=origin)
    assert status == 403
    with pytest.raises(InvalidStatus) as refused, connect(server.socket, origin=origin):  # type: ignore[arg-type]
        pass
    assert refused.value.response.status_code == 403


def test_our_own_page_may(server: Server) -> None:
    with connect(server.socket, origin=f"http://127.0.0.1:{server.port}"):  # type: ignore[arg-type]
        pass
    assert request(server, "GET", "/health", Host=f"localhost:{server.port}")[0] == 200


OUTSIDE = (
    *("/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page/%2e%2e%2f%2e%2e%2fcli.py", "/page/..\\app.py"),
    *("/page//etc/passwd", "/etc/passwd", "/page/%00", "/../../etc/passwd"),
)


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out_of_the_page(server: Server, path: str) -> None:
    status, _, body = request(server, "GET", path)
    assert status in (400, 404, 405)
    assert b"import" not in body
    assert b"root:" not in body
