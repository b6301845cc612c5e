"""The public corpora: where to get each, and how to parse its file names.

The search path is ``--corpora DIR``, else ``$REALTIME_SER_CORPORA``, else the setting ``train.corpora``, else in
``../shared/corpora`` beside the repository. Every corpus is a folder of that name in it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from realtime_ser.errors import ConfigError
from train.data.corpora import ased, crema_d, emodb, emovo, folder, jl, nemo, ravdess, readers, savee, sounds, tess
from train.data.corpora.clip import LABELS, Archive, Clip, Corpus, UnknownNameError, audio_files

__all__ = ["CORPORA", "LABELS", "Archive", "Clip", "Corpus", "Found", "UnknownNameError", "corpora_folder", "scan"]

CORPORA = {
    corpus.name: corpus
    for corpus in (
        ravdess.SPEECH,
        ravdess.SONG,
        crema_d.CORPUS,
        savee.CORPUS,
        tess.CORPUS,
        emodb.CORPUS,
        nemo.CORPUS,
        emovo.CORPUS,
        ased.CORPUS,
        jl.CORPUS,
        readers.SPEECHOCEAN,
        readers.LIBRISPEECH,
        sounds.CORPUS,
        folder.CORPUS,
    )
}


@dataclass
class Found:
    """Result of a scan: ``clips``, the files left out with the reason, and the missing corpora."""

    clips: list[Clip] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def corpora_folder(given: str | Path | None = None, configured: object = None) -> Path:
    """The folder that holds the corpora.

    Raises
    ------
    ConfigError : no such folder
    """
    beside = Path(__file__).resolve().parents[4] / "shared" / "corpora"
    for place, origin in (
        (given, "--corpora"),
        (os.environ.get("REALTIME_SER_CORPORA"), "$REALTIME_SER_CORPORA"),
        (configured, "train.corpora"),
    ):
        if place:
            chosen = Path(str(place)).expanduser()
            if not chosen.is_dir():
                raise ConfigError(f"{origin}: {chosen} is not a folder; give the one that holds ravdess_speech, tess, ...")
            return chosen
    if beside.is_dir():
        return beside
    raise ConfigError("no corpora found; pass --corpora DIR or set REALTIME_SER_CORPORA to the folder that holds them")


def scan(root: Path, names: Sequence[str] | None = None) -> Found:
    """Parse every audio file of the named corpora (None: all known). A name that does not parse is listed in ``left_out``."""
    found = Found()
    own = sorted(path.name for path in root.iterdir() if path.is_dir() and path.name.startswith("folder_"))
    for name in names or [*CORPORA, *own]:
        if name not in CORPORA and not folder.is_folder(name):
            raise ConfigError(f"unknown corpus {name!r}; known are {', '.join(CORPORA)} and folder_NAME")
        if not (root / name).is_dir():
            # A folder for the user's own recordings is optional.
            if names or not folder.is_folder(name):
                found.absent.append(name)
        elif folder.is_folder(name):
            clips, left_out = folder.listed(root, name)
            found.clips += clips
            found.left_out += left_out
        else:
            _parse_files(root, name, found)
    return found


def _parse_files(root: Path, name: str, found: Found) -> None:
    for file in audio_files(root / name):
        relative = file.relative_to(root)
        try:
            clip = CORPORA[name].parse(relative)
            if clip.corpus != name:
                raise UnknownNameError(f"belongs to {clip.corpus}, not here")
            found.clips.append(clip)
        except UnknownNameError as error:
            found.left_out.append((relative.as_posix(), str(error)))
