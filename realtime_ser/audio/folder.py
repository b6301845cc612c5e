"""Which files a path on the command line stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime_ser.audio import foreign
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
    """``files`` to read, and ``left_out``: those in folders that hold sound in a format which is not decoded here."""

    files: list[Path]
    left_out: list[Path]

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

    Parameters
    ----------
    paths : files, folders (searched to any depth, hidden files left out) and "-" (standard input)
    with_ffmpeg : take what ffmpeg reads as well

    Returns
    -------
    Found, in the given order, each folder's files sorted, no file twice

    Raises
    ------
    ConfigError : nothing given, or a folder without any audio file
    """
    if not paths:
        raise ConfigError("no audio file given; name at least one file or folder")
    found: dict[Path, None] = {}
    left_out: dict[Path, None] = {}
    for name in paths:
        given = Path(name)
        if given == Path("-") and str(name) != "-":
            given = given.absolute()  # "./-" is a file, "-" standard input
        if not given.is_dir():
            found[given] = None
            continue
        inside: list[Path] = []
        others: list[Path] = []
        for path in sorted(given.rglob("*")):
            suffix = path.suffix.lower()
            known = suffix in SUFFIXES or (with_ffmpeg and suffix in foreign.SUFFIXES)
            if path.name.startswith(".") or not (known or suffix in foreign.SUFFIXES) or not path.is_file():
                continue
            (inside if known else others).append(path)
        left_out.update(dict.fromkeys(others))
        if not inside:
            note = Found([], others).note() or "expected WAV, FLAC, OGG or MP3 files there"
            raise ConfigError(f"no audio file in {printable(str(given))}; {note}")
        found.update(dict.fromkeys(inside))
    return Found(list(found), [path for path in left_out if path not in found])


def expand_paths(paths: Sequence[str | Path]) -> list[Path]:
    """The files of ``find_files``."""
    return find_files(paths).files
