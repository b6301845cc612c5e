"""Fetching a corpus: checked, resumed, unpacked, from a server on this machine."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from realtime_ser.errors import ConfigError, SourceError
from train.__main__ import main
from train.data.corpora import CORPORA
from train.data.corpora.clip import Archive, Corpus
from train.data.corpora.get import RECORD, chosen, fetch, get, instructions, unpack

NAMES = ("Actor_01/03-01-01-01-01-01-01.wav", "Actor_02/03-01-05-01-01-01-02.wav", "__MACOSX/._x.wav", "notes.txt")


def packed(*names: str) -> bytes:
    """A ZIP archive of incompressible files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, b"".join(hashlib.sha256(bytes([number, i % 256, i // 256])).digest() for i in range(2000)))
    return out.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content`` as any path; ``cut`` breaks the next answer off after so many bytes; ``ranges`` allows resuming."""

    content = packed(*NAMES)
    cut: int | None = None
    ranges = True
    asked: list[str | None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/corpus.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content, wanted = self.server.content, self.headers.get("Range")
        version = f'"{hashlib.md5(content).hexdigest()}"'
        self.server.asked.append(wanted)
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        first = 0
        if wanted and self.server.ranges and self.headers.get("If-Range") == version:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - first))
        self.send_header("ETag", version)
        self.end_headers()
        end = len(content) if self.server.cut is None else self.server.cut
        self.server.cut = None
        self.wfile.write(content[first:end])

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        made.asked = []
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def corpus(server: Server, known_hash: str | None = None, *, stable: bool = True) -> Corpus:
    archive = Archive(server.url, "corpus.zip", known_hash, len(server.content), stable=stable)
    return replace(CORPORA["ravdess_speech"], archives=(archive,))


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def test_a_corpus_is_fetched_checked_and_unpacked(tmp_path: Path, server: Server) -> None:
    root = tmp_path / "corpora"
    got = get(corpus(server, md5(server.content)), root, progress=False)
    assert got.folder == root / "ravdess_speech"
    assert sorted(path.relative_to(got.folder).as_posix() for path in got.folder.rglob("*.*")) == sorted(NAMES[:2])
    assert got.clips == 2
    assert got.sha256 == {"corpus.zip": hashlib.sha256(server.content).hexdigest()}
    assert sorted(path.name for path in root.iterdir()) == [RECORD, "ravdess_speech"]


def test_a_broken_download_goes_on_where_it_ended(tmp_path: Path, server: Server) -> None:
    server.cut = 50_000
    with pytest.raises(SourceError, match="49,152 bytes are kept"):
        fetch(corpus(server, md5(server.content)).archives[0], tmp_path, progress=False)
    assert not (tmp_path / "corpus.zip").exists()
    path = fetch(corpus(server, md5(server.content)).archives[0], tmp_path, progress=False)
    assert path.read_bytes() == server.content
    assert server.asked == [None, "bytes=49152-"]
    assert [item.name for item in tmp_path.iterdir()] == ["corpus.zip"]


@pytest.mark.parametrize("change", ["another file", "no ranges"])
def test_a_file_that_changed_or_a_server_without_ranges_starts_afresh(tmp_path: Path, server: Server, change: str) -> None:
    server.cut = 50_000
    with pytest.raises(SourceError):
        fetch(corpus(server).archives[0], tmp_path, progress=False)
    if change == "another file":
        server.content = packed("Actor_03/03-01-02-01-01-01-03.wav", *NAMES)
    else:
        server.ranges = False
    path = fetch(corpus(server, md5(server.content)).archives[0], tmp_path, progress=False)
    assert path.read_bytes() == server.content


def test_a_wrong_hash_is_refused_and_nothing_stays(tmp_path: Path, server: Server) -> None:
    with pytest.raises(SourceError, match="not the one its host publishes") as caught:
        get(corpus(server, "md5:" + "0" * 32), tmp_path, progress=False)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_without_a_published_hash_the_first_download_is_held_to(tmp_path: Path, server: Server) -> None:
    get(corpus(server), tmp_path, progress=False)
    record = json.loads((tmp_path / RECORD).read_text())[server.url]
    assert record["sha256"] == hashlib.sha256(server.content).hexdigest()
    assert "no hash" in record["checked_against"]
    (tmp_path / "ravdess_speech").rename(tmp_path / "before")
    server.content = packed("Actor_01/03-01-01-01-01-01-01.wav")
    with pytest.raises(SourceError, match="not the one recorded"):
        get(corpus(server), tmp_path, progress=False)
    assert get(corpus(server, stable=False), tmp_path, progress=False).clips == 1


def test_a_corpus_that_is_there_is_left_alone(tmp_path: Path, server: Server) -> None:
    (tmp_path / "ravdess_speech").mkdir()
    with pytest.raises(ConfigError, match="already there"):
        get(corpus(server), tmp_path, progress=False)
    assert server.asked == []


def test_an_error_of_the_server_is_one_line(tmp_path: Path, server: Server) -> None:
    archive = replace(corpus(server).archives[0], url=server.url.replace("corpus", "missing"))
    with pytest.raises(SourceError, match="404") as caught:
        fetch(archive, tmp_path, progress=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["closed", "nowhere.invalid"])
def test_without_a_connection_one_line_says_so(host: str, tmp_path: Path, server: Server) -> None:
    if host == "closed":
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            host = f"127.0.0.1:{taken.getsockname()[1]}"
    archive = replace(corpus(server).archives[0], url=f"http://{host}/corpus.zip")
    with pytest.raises(SourceError, match=r"corpus\.zip: no connection; is this machine online") as caught:
        fetch(archive, tmp_path, progress=False)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_host_without_tls_is_no_safe_connection(tmp_path: Path, server: Server) -> None:
    archive = replace(corpus(server).archives[0], url=server.url.replace("http://", "https://"))
    with pytest.raises(SourceError, match="no safe connection"):
        fetch(archive, tmp_path, progress=False)


def test_a_server_that_does_not_answer_is_waited_for_and_said(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.data.corpora.get._TIMEOUT_S", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        archive = replace(corpus(server).archives[0], url=f"http://127.0.0.1:{silent.getsockname()[1]}/corpus.zip")
        with pytest.raises(SourceError, match="no answer for"):
            fetch(archive, tmp_path, progress=False)


def test_an_archive_that_leads_outside_or_is_none_is_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil.zip"
    evil.write_bytes(packed("../outside.wav"))
    with pytest.raises(SourceError, match="leads outside"):
        unpack(evil, tmp_path / "in")
    assert not (tmp_path / "outside.wav").exists()
    evil.write_bytes(b"PK and no more")
    with pytest.raises(SourceError, match="damaged archive"):
        unpack(evil, tmp_path / "in")


def test_an_archive_without_audio_is_refused(tmp_path: Path, server: Server) -> None:
    server.content = packed("notes.txt")
    with pytest.raises(SourceError, match="no audio"):
        get(corpus(server), tmp_path, progress=False)
    assert not (tmp_path / "ravdess_speech").exists()


def test_what_asks_for_registration_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "savee", "--corpora", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "registration" in said
    assert str(tmp_path / "savee") in said
    with pytest.raises(ConfigError, match="cannot be fetched"):
        get(CORPORA["savee"], tmp_path)


def test_every_corpus_can_be_fetched_or_says_how_and_its_hashes_are_whole() -> None:
    for name, one in CORPORA.items():
        assert bool(one.archives) != bool(one.by_hand), name
        assert "{" not in instructions(one, Path("corpora"))
        for archive in one.archives:
            kind, _, digits = (archive.known_hash or "md5:" + "0" * 32).partition(":")
            assert (kind, len(digits)) == ("md5", 32)


def test_a_name_without_a_channel_is_both() -> None:
    assert [one.name for one in chosen("ravdess")] == ["ravdess_speech", "ravdess_song"]
    with pytest.raises(ConfigError, match="unknown corpus 'iemocap'"):
        chosen("iemocap")


def test_the_list_of_corpora_names_licence_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get"]) == 0
    said = capsys.readouterr().out
    assert "CC BY-NC-SA 4.0" in said
    assert all(name in said for name in CORPORA)
