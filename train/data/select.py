"""Which of the manifest's clips a run uses: the ``train.select`` section of recipes.yaml."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realtime_ser.config_build import between
from realtime_ser.errors import ConfigError
from train.data.manifest import Row


@dataclass(frozen=True, slots=True)
class Selection:
    """Which clips to keep.

    Attributes
    ----------
    corpora, emotions, channels : names to keep; empty: all. Channels are "speech" and "song"
    balance : down-sample every emotion to as many clips as the rarest one has
    min_duration_s : shorter clips are left out
    seed : of the down-sampling
    """

    corpora: tuple[str, ...] = ()
    emotions: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    balance: bool = False
    min_duration_s: float = between(0, 3600, default=0.0)
    seed: int = between(0, 2**31, default=0)


def select(rows: Sequence[Row], selection: Selection) -> tuple[Row, ...]:
    """The rows to keep, in their order.

    Raises
    ------
    ConfigError : none is left, or a wanted emotion has no clip
    """
    kept = [
        row
        for row in rows
        if (not selection.corpora or row.corpus in selection.corpora)
        and (not selection.emotions or row.emotion in selection.emotions)
        and (not selection.channels or row.channel in selection.channels)
        and row.duration_s >= selection.min_duration_s
    ]
    missing = set(selection.emotions) - {row.emotion for row in kept}
    if missing or not kept:
        raise ConfigError(f"the selection holds no {'clip' if not kept else 'clip of ' + ', '.join(sorted(missing))}")
    if not selection.balance:
        return tuple(kept)
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(kept):
        places[row.emotion].append(place)
    least = min(map(len, places.values()))
    rng = np.random.default_rng(selection.seed)
    chosen = sorted(int(place) for emotion in sorted(places) for place in rng.permutation(places[emotion])[:least])
    return tuple(kept[place] for place in chosen)
