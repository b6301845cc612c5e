"""Where profiles are kept: ``NAME/MODEL.json`` in the user's data folder. What there is, and how it is removed."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime_ser.engine.profile import Profile
from realtime_ser.errors import ConfigError, ModelError, SinkError
from realtime_ser.profiles.file import read_profile
from realtime_ser.sinks.files import sink_error

FOLDER_VARIABLE = "REALTIME_SER_PROFILES"
_LONGEST_NAME = 64


def profiles_folder() -> Path:
    """Where profiles are kept: ``$REALTIME_SER_PROFILES``, else in the user's data folder of this system.

    Raises
    ------
    ConfigError : this user has no home folder, and no other place is set
    """
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    try:
        if sys.platform == "win32":
            data = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            data = Path.home() / "Library" / "Application Support"
        else:
            data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError as error:
        raise ConfigError(f"no home folder to keep profiles in; set {FOLDER_VARIABLE} to a folder") from error
    return data / "realtime-ser" / "profiles"


def profile_path(name: str, model: str) -> Path:
    """The file of a profile for a model's name.

    Raises
    ------
    ConfigError : as ``check_name``
    """
    return profiles_folder() / check_name(name) / f"{re.sub(r'[^A-Za-z0-9_-]', '_', model)[:80]}.json"


def check_name(name: str) -> str:
    """The name, if it can be one of a folder on any system.

    Raises
    ------
    ConfigError : it cannot
    """
    fits = 0 < len(name) <= _LONGEST_NAME and name.isprintable() and not re.search(r'[/\\:*?"<>|]', name)
    if not fits or name != name.strip() or name.startswith((".", "-")) or name.endswith("."):
        raise ConfigError(
            f"{name!r:.100} can be no profile's name; take 1 to {_LONGEST_NAME} letters, digits and blanks, such as 'anna usb'"
        )
    return name


def make_folder(folder: Path) -> None:
    """Make a profile's folder, for its owner alone.

    Raises
    ------
    SinkError : it cannot be made
    """
    try:
        folder.parent.parent.mkdir(parents=True, exist_ok=True)
        for own in (folder.parent, folder):
            own.mkdir(mode=0o700, exist_ok=True)
        if os.name == "posix" and folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise sink_error(str(folder), error) from error


@dataclass(frozen=True, slots=True)
class Found:
    """One file in the folder of profiles; ``profile`` is None where ``fault`` has the reason."""

    name: str
    path: Path
    profile: Profile | None
    fault: str = ""

    def as_dict(self) -> dict[str, Any]:
        """What is known of it, without its numbers."""
        about: dict[str, Any] = {"name": self.name, "file": str(self.path), "fault": self.fault or None}
        if self.profile is not None:
            made = self.profile
            about |= {
                "model": made.voice.model,
                "speech_s": made.speech_s,
                "since": made.since,
                "updated": made.updated,
                "numbers": len(made.voice.numbers),
            }
        return about


def list_profiles() -> list[Found]:
    """Every profile's files, by name and model.

    Raises
    ------
    ConfigError : the folder cannot be read
    """
    return [found for name in _names() for found in _files(name)]


def find_profile(name: str) -> list[Found]:
    """One profile's files, one for each model.

    Raises
    ------
    ConfigError : there is none of that name
    """
    found = _files(check_name(name))
    if not found:
        names = _names()
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}" if names else "; there is none yet"
        raise ConfigError(f"no profile {name!r}{hint}")
    return found


def remove_profile(name: str) -> list[Path]:
    """Remove a profile's files; returns them.

    Raises
    ------
    ConfigError : there is none of that name
    SinkError : one cannot be removed
    """
    removed = []
    for found in find_profile(name):
        try:
            found.path.unlink()
        except OSError as error:
            raise SinkError(f"cannot remove {found.path}: {error.strerror or error}; check who may write there") from error
        removed.append(found.path)
    with suppress(OSError):  # something else may lie in it
        removed[0].parent.rmdir()
    return removed


def _names() -> list[str]:
    folder = profiles_folder()
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(
            f"cannot read {folder}: {error.strerror or error}; set {FOLDER_VARIABLE} to another folder"
        ) from error


def _files(name: str) -> list[Found]:
    return list(_read_all(name, profiles_folder() / name))


def _read_all(name: str, folder: Path) -> Iterator[Found]:
    for path in sorted(folder.glob("*.json")):
        try:
            yield Found(name, path, read_profile(path))
        except ModelError as error:
            yield Found(name, path, None, str(error))
