"""A fold's clips through its bundle, both ways that are scored, each in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from realtime_ser.model.classifier import load_model
from train.data.manifest import Row
from train.evaluation.scores import Clips, stream_clips
from train.workers import begin_worker

FEW = 100  # clips that are not worth two processes


def both_ways(card: Path, root: Path, rows: Sequence[Row]) -> tuple[Clips, Clips]:
    """Play the clips as streams of their own, and each speaker's clips as one stream; see ``scores.stream_clips``.

    Parameters
    ----------
    card : of the bundle, which plays with the vote that it names
    """
    given = [(card, root, tuple(rows), by_speaker) for by_speaker in (False, True)]
    if len(rows) <= FEW:
        cold, known = (_played(*each) for each in given)
        return cold, known
    # Spawned, because a fork would copy the locks of torch's threads.
    with ProcessPoolExecutor(2, get_context("spawn"), begin_worker) as pool:
        futures = [pool.submit(_played, *each) for each in given]
        cold, known = (future.result() for future in futures)
    return cold, known


def _played(card: Path, root: Path, rows: Sequence[Row], by_speaker: bool) -> Clips:
    # One bar of two is enough: both take as long.
    return stream_clips(load_model(card), root, rows, by_speaker=by_speaker, progress=not by_speaker)
