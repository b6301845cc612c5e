"""Folders that the training steps read and write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Paths:
    """Folders; only the corpora's must exist.

    Attributes
    ----------
    corpora : holds ravdess_speech, tess, ...; see ``train.data.corpora.corpora_folder``
    cache : the manifest and cached features
    runs : histories, checkpoints and scores, in a folder for each system
    output : tables and pictures for people
    weights : bundles
    """

    corpora: Path
    cache: Path = REPOSITORY / ".cache" / "train"
    runs: Path = REPOSITORY / "runs"
    output: Path = REPOSITORY / "docs" / "results"
    weights: Path = REPOSITORY / "weights"

    @property
    def manifest(self) -> Path:
        """The table of all clips."""
        return self.cache / "manifest.csv"
