"""Atomic files and folders: written to a temporary one beside the target, then moved onto it, so that a killed run leaves
nothing partial."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from realtime_ser.errors import SinkError

_STALE_S = 3600.0


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, moved onto ``path`` when the block succeeds and removed when it fails.

    Raises
    ------
    SinkError : full disk, no permission: the file is as it was before
    """
    try:
        with _replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise SinkError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.part"):
        # Left by a killed process, unless another process is writing the same file now.
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_S:
                left.unlink()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def placing(folder: Path, last: str) -> Iterator[Path]:
    """A temporary folder beside ``folder``, moved there when the block succeeds and removed when it fails.

    What another process has put there meanwhile stays, and the temporary folder is discarded: two processes that compute the
    same never write into each other's files. ``sweep`` removes what a killed process leaves.

    Parameters
    ----------
    last : name of the file that the block writes last: a folder without it is not whole, and is replaced

    Raises
    ------
    SinkError : full disk, no permission
    """
    try:
        with _placing(folder, last) as temporary:
            yield temporary
    except OSError as error:
        raise SinkError(f"cannot write {folder}: {error.strerror or error}") from error


@contextlib.contextmanager
def _placing(folder: Path, last: str) -> Iterator[Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    try:
        yield temporary
        temporary.chmod(0o755)
        try:
            temporary.rename(folder)
        except OSError:
            if not (folder / last).is_file():
                shutil.rmtree(folder, ignore_errors=True)
                temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def replacing_bundle(path: Path) -> Iterator[Path]:
    """A path of the same name in a temporary folder beside ``path``. The network and the card written there are moved onto
    those at ``path`` when the block succeeds, and removed when it fails.

    Raises
    ------
    SinkError : full disk, no permission: the bundle is as it was before
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=".part") as folder:
            made = Path(folder) / path.name
            yield made
            made.replace(path)
            made.with_suffix(".json").replace(path.with_suffix(".json"))
    except OSError as error:
        raise SinkError(f"cannot write {path}: {error.strerror or error}") from error


def sweep(parent: Path) -> None:
    """Remove what killed processes left of ``placing`` in a folder, in which nothing has been written for an hour."""
    for left in parent.glob(".*.part"):
        with contextlib.suppress(OSError):  # no folder, or another process was faster
            if time.time() - max(file.stat().st_mtime for file in (left, *left.iterdir())) > _STALE_S:
                shutil.rmtree(left, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with ``\\n`` line ends."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
