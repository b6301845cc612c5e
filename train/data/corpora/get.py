"""``python -m train get NAME``: fetch a corpus from its own host into the corpora folder, checked and resumable.

An archive is downloaded to ``NAME.part``, which a later call resumes where the server allows it, checked against the hash that
its host publishes, unpacked to a temporary folder and moved into place. Where a host publishes no hash, the SHA-256 of the
first download is recorded in ``downloads.json`` and later downloads are checked against it.
"""

from __future__ import annotations

import datetime
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.text import one_line
from train.atomic import write_text
from train.data.corpora import CORPORA
from train.data.corpora.clip import AUDIO, Archive, Corpus

RECORD = "downloads.json"
_CHUNK = 1 << 14  # most that a broken connection can lose
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Got:
    """Result of a call: ``clips`` audio files in ``folder``; ``sha256`` by archive."""

    folder: Path
    clips: int
    sha256: Mapping[str, str]


def show_corpora() -> None:
    """Print every corpus: how to get it, its size, licence and address."""
    for corpus in CORPORA.values():
        how = "get" if corpus.archives else "by hand"
        print(f"{corpus.name:15} {how:8} {corpus.size:22} {corpus.licence}; {corpus.about}; {corpus.url}")


def fetch_corpora(name: str, root: Path, *, keep: bool = False) -> None:
    """Fetch the corpora of a name into ``root``, or print what a person must do; raises as ``chosen`` and ``get``."""
    for corpus in chosen(name):
        if not corpus.archives:
            print(f"{corpus.name}: {instructions(corpus, root)}")
            continue
        print(f"{corpus.name}: {corpus.about}; {corpus.size}; {corpus.licence}; {corpus.url}")
        got = get(corpus, root, keep=keep)
        for archive in corpus.archives:
            checked = "as its host publishes" if archive.known_hash else "its host publishes no hash: recorded"
            print(f"{archive.file}: SHA-256 {got.sha256[archive.file]} ({checked})")
        print(f"{got.folder}: {got.clips:,} clips; now run `python -m train prepare`")


def chosen(name: str) -> list[Corpus]:
    """The corpora of a name; "ravdess" is its speech and its song.

    Raises
    ------
    ConfigError : an unknown name
    """
    found = [corpus for key, corpus in CORPORA.items() if name in (key, key.split("_")[0])]
    if not found:
        raise ConfigError(f"unknown corpus {name!r}; known are ravdess, {', '.join(CORPORA)}")
    return found


def instructions(corpus: Corpus, root: Path) -> str:
    """Manual steps where nothing may be fetched."""
    return corpus.by_hand.format(url=corpus.url, folder=root / corpus.name)


def get(corpus: Corpus, root: Path, *, progress: bool = True, keep: bool = False) -> Got:
    """Fetch, check and unpack a corpus into ``root / corpus.name``.

    Parameters
    ----------
    root : the corpora folder, made where it does not exist
    keep : leave the archive in ``root`` as well

    Raises
    ------
    ConfigError : the corpus may not be fetched (the message has the manual steps), or is already there
    SourceError : no connection, an error from the server, a wrong hash, a damaged archive
    """
    folder = root / corpus.name
    if folder.exists():
        raise ConfigError(f"{folder} is already there; move it away to fetch {corpus.name} again")
    if not corpus.archives:
        raise ConfigError(f"{corpus.name} cannot be fetched: {instructions(corpus, root)}")
    root.mkdir(parents=True, exist_ok=True)
    hashes = {}
    with tempfile.TemporaryDirectory(dir=root, prefix=f".{corpus.name}.") as unpacked:
        for archive in corpus.archives:
            file = fetch(archive, root, progress=progress)
            hashes[archive.file] = remember(archive, file, root)
            clips = unpack(file, Path(unpacked))
            if not keep:
                file.unlink()
        if not clips:
            raise SourceError(f"{corpus.archives[0].url}: the archive holds no audio")
        # Temporary folders are private to their owner; a corpus need not be.
        Path(unpacked).chmod(0o755)
        shutil.move(unpacked, folder)
        Path(unpacked).mkdir()
    return Got(folder, clips, hashes)


def fetch(archive: Archive, root: Path, *, progress: bool = True) -> Path:
    """Download one archive into ``root`` unless it is there already with the right hash.

    Raises
    ------
    SourceError : see ``get``
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    known = archive.known_hash or _recorded(root).get(archive.url, {}).get("sha256")
    part = root / f"{archive.file}.part"
    try:
        path = pooch.retrieve(
            archive.url,
            known_hash=known if archive.stable else None,
            fname=archive.file,
            path=root,
            downloader=Resuming(part, size=archive.size, progress=progress),
        )
    except requests.exceptions.RequestException as error:
        kept = f"; {part.stat().st_size:,} bytes are kept, the same command goes on from there" if part.exists() else ""
        raise SourceError(f"{archive.url}: {_reason(error)}{kept}") from error
    except ValueError as error:
        expected = "the one its host publishes" if archive.known_hash else f"the one recorded in {root / RECORD}"
        raise SourceError(f"{archive.url}: the hash is not {expected}; nothing was kept ({str(error)[:300]})") from error
    return Path(path)


def _reason(error: Exception) -> str:
    """Describe a failed request in a few words."""
    import requests
    import urllib3

    if isinstance(error, requests.exceptions.Timeout):
        return f"no answer for {_TIMEOUT_S:.0f} s; try again later"
    if isinstance(error, requests.exceptions.SSLError):
        return "no safe connection (TLS); is the clock right, and is there a proxy?"
    if error.args and isinstance(error.args[0], urllib3.exceptions.MaxRetryError):
        return "no connection; is this machine online, and is there a proxy (HTTPS_PROXY)?"
    return one_line(error, 200)


class Resuming:
    """A downloader for pooch that resumes an earlier call, as long as the server still has the same file.

    Parameters
    ----------
    part : the partial file; the server's version of the file is stored beside it
    size : expected bytes for the progress bar, 0 where not known
    """

    def __init__(self, part: Path, *, size: int = 0, progress: bool = True) -> None:
        self.part, self.size, self.progress = part, size, progress
        self.version = part.with_suffix(part.suffix + ".version")

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        import requests
        from tqdm import tqdm

        headers = {"Accept-Encoding": "identity"}
        have = self.part.stat().st_size if self.part.exists() and self.version.exists() else 0
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": self.version.read_text(encoding="utf-8")}
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                # The part was complete, or the file has shrunk: fetch it again and check the hash.
                self._forget()
                return self(url, output_file, pooch)
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            if not resumed:
                self._forget()
                have = 0
            # Only a strong validator guarantees that the rest belongs to the same file.
            version = response.headers.get("ETag", "")
            if version.startswith("W/") or not version:
                version = response.headers.get("Last-Modified", "")
            if version:
                self.version.write_text(version, encoding="utf-8")
            expected = int(response.headers.get("Content-Length", 0)) + have or self.size
            with (
                self.part.open("ab" if resumed else "wb") as out,
                tqdm(
                    total=expected or None,
                    initial=have,
                    unit="B",
                    unit_scale=True,
                    desc=self.part.stem,
                    disable=not self.progress,
                    leave=False,
                ) as bar,
            ):
                for chunk in response.iter_content(_CHUNK):
                    out.write(chunk)
                    bar.update(len(chunk))
        arrived = self.part.stat().st_size
        if "Content-Length" in response.headers and arrived < expected:
            raise requests.exceptions.ConnectionError(f"the connection broke after {arrived:,} of {expected:,} bytes")
        self.part.replace(output_file)
        self._forget()
        return None

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.version.unlink(missing_ok=True)


def remember(archive: Archive, file: Path, root: Path) -> str:
    """Record an archive's SHA-256 and size in ``downloads.json``; returns the SHA-256."""
    import pooch

    sha256 = str(pooch.file_hash(str(file), alg="sha256"))
    known = _recorded(root)
    known[archive.url] = {
        "sha256": sha256,
        "bytes": file.stat().st_size,
        "checked_against": archive.known_hash or "nothing: its host publishes no hash",
        "on": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }
    write_text(root / RECORD, json.dumps(known, indent=2) + "\n")
    return sha256


def _recorded(root: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((root / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigError(f"{root / RECORD} is damaged ({error}); remove it") from None


def unpack(archive: Path, folder: Path) -> int:
    """Extract the audio files of a ZIP archive, and nothing else; returns how many.

    Raises
    ------
    SourceError : not a ZIP file, damaged, or with names that lead outside
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [item for item in packed.infolist() if Path(item.filename).suffix.lower() in AUDIO and not item.is_dir()]
            # macOS archives contain a metadata file for each file.
            members = [item for item in members if "__MACOSX" not in item.filename]
            for item in members:
                if not (folder / item.filename).resolve().is_relative_to(folder.resolve()):
                    raise SourceError(f"{archive}: {item.filename!r} leads outside the archive's folder")
                packed.extract(item, folder)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise SourceError(f"{archive}: damaged archive ({one_line(error)}); remove it and fetch it again") from error
    return len(members)
