"""Which files a path on the command line stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from realtime_ser.audio import foreign
from realtime_ser.audio.walk import is_recording, unread_note, walk
from realtime_ser.errors import ConfigError
from realtime_ser.text import printable

SUFFIXES = frozenset(
    {
        ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mp1", ".mpga", ".aif", ".aiff", ".aifc", ".afc",
        ".au", ".snd", ".caf", ".w64", ".rf64", ".bwf", ".bw64", ".sph", ".nist", ".voc", ".iff", ".8svx", ".svx", ".paf",
        ".fap", ".pvf", ".sf", ".ircam", ".avr", ".htk", ".sds", ".mpc2k", ".wve", ".xi",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    files : to read
    left_out : those in folders that hold sound in a format which is not decoded here
    unread : one error for each folder that could not be listed
    """

    files: list[Path]
    left_out: list[Path]
    unread: list[OSError] = field(default_factory=list)

    def note(self) -> str | None:
        """One line about what was left out, with the command that would convert it; None when nothing was."""
        if not self.left_out:
            return None
        kinds = ", ".join(sorted({path.suffix.lower() for path in self.left_out}))
        count = "1 file" if len(self.left_out) == 1 else f"{len(self.left_out)} files"
        command = foreign.conversion(printable(str(self.left_out[0])))
        return f"{count} left out ({kinds}): not decoded here; install ffmpeg, or convert each: {command}"


def find_files(paths: Sequence[str | Path], *, with_ffmpeg: bool = False) -> Found:
    """The audio files that ``paths`` stand for: a file for itself, whatever its name; a folder for the audio files in it.

    A link in a folder that leads nowhere is among the files, so that the run says so.

    Parameters
    ----------
    paths : files, folders (searched to any depth, through links, each folder once; hidden files left out) and "-" (standard
        input)
    with_ffmpeg : take what ffmpeg reads as well

    Returns
    -------
    Found, in the given order, each folder's files sorted, no file twice

    Raises
    ------
    ConfigError : nothing given, an empty name, or a folder that cannot be listed or holds no audio file
    """
    if not paths:
        raise ConfigError("no audio file given; name at least one file or folder")
    found: dict[Path, None] = {}
    left_out: dict[Path, None] = {}
    unread: list[OSError] = []
    for name in paths:
        if not str(name):  # as a path it would be the current folder
            raise ConfigError("'' names no file; name an audio file or a folder of them")
        given = Path(name)
        if given == Path("-") and str(name) != "-":
            given = given.absolute()  # "./-" is a file, "-" standard input
        if not given.is_dir():
            found[given] = None
            continue
        inside, others, errors = _inside(given, with_ffmpeg=with_ffmpeg)
        unread += errors
        left_out.update(dict.fromkeys(others))
        if not inside:
            note = Found([], others).note() or unread_note(errors) or "expected WAV, FLAC, OGG or MP3 files there"
            raise ConfigError(f"no audio file in {printable(str(given))}; {note}")
        found.update(dict.fromkeys(inside))
    return Found(list(found), [path for path in left_out if path not in found], unread)


def _inside(given: Path, *, with_ffmpeg: bool) -> tuple[list[Path], list[Path], list[OSError]]:
    """A folder's files to read, those in formats that are not decoded here, and why some folders in it could not be listed."""
    inside: list[Path] = []
    others: list[Path] = []
    errors: list[OSError] = []
    for folder, entries in walk([str(given)], errors.append):
        for entry in entries:
            suffix = Path(entry.name).suffix.lower()
            known = suffix in SUFFIXES or (with_ffmpeg and suffix in foreign.SUFFIXES)
            if not entry.name.startswith(".") and (known or suffix in foreign.SUFFIXES) and is_recording(entry):
                (inside if known else others).append(Path(folder, entry.name))
    if errors and errors[0].filename == str(given):
        raise ConfigError(f"cannot list the folder {printable(str(given))}: {errors[0].strerror}; check its permissions")
    return sorted(inside), sorted(others), errors
