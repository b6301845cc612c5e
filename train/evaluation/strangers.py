"""A bundle on a corpus that it never learned from: cold, known, as it adapts to a voice, and as neutral's share moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realtime_ser.config import Config
from realtime_ser.engine.label_shift import LabelShift
from realtime_ser.model.classifier import Classifier
from train.data.corpora import LABELS
from train.data.features import HOP_S, MIN_WINDOW_S
from train.data.manifest import Row
from train.evaluation import scores as scoring
from train.evaluation.everyday import SHARES
from train.evaluation.scores import Clips

# Seconds of a voice before a clip, from which to which; the first is no second at all.
_SPANS_S = ((0.0, 0.0), (0.0, 5.0), (5.0, 10.0), (10.0, 16.0), (16.0, 24.0), (24.0, 40.0), (40.0, 80.0))
_FEWEST_CLIPS = 40


def strangers(
    classifier: Classifier, root: Path, rows: Sequence[Row], config: Config | None = None, *, command: str, orders: int = 3
) -> dict[str, Any]:
    """Four emotions, percent of UAR.

    Parameters
    ----------
    rows : of one corpus, with one of our labels each
    command : that prints this
    orders : in which each speaker's clips are played as one stream, for the curve of adaptation; the first gives "known"

    Returns
    -------
    what ``unseen.corpus`` of a card holds; ``adaptation`` and ``by_share`` are for pictures
    """
    share = (config or Config()).smoothing.neutral_share
    cold = scoring.stream_clips(classifier, root, rows, config=config)
    streams = [
        scoring.stream_clips(classifier, root, rows, config=config, by_speaker=True, seed=seed) for seed in range(orders)
    ]
    four = {"cold": scoring.among(cold, scoring.FOUR), "known": scoring.among(streams[0], scoring.FOUR)}
    return {
        "corpus": rows[0].corpus,
        "clips": len(rows),
        "speakers": len({row.speaker for row in rows}),
        "command": command,
        **{f"four_{how}": round(scoring.uar(clips), 1) for how, clips in four.items()},
        **{f"four_{how}_ci95": scoring.interval(clips) for how, clips in four.items()},
        **{f"ece_{how}": round(scoring.calibration_error(clips), 3) for how, clips in four.items()},
        **{f"recall_{how}": {k: round(v, 1) for k, v in scoring.recalls(clips).items()} for how, clips in four.items()},
        "adaptation": adaptation(cold, streams),
        "by_share": by_share(cold, streams[0], list(dict.fromkeys((share, *SHARES)))),
    }


def adaptation(cold: Clips, streams: Sequence[Clips]) -> list[dict[str, Any]]:
    """UAR of four emotions, by the seconds of a voice that its stream had processed before the clip.

    Parameters
    ----------
    cold : each clip a stream of its own: the point at 0 s
    streams : the same clips by speaker; the place in the list is the seed of the order
    """
    parts: list[Clips] = [scoring.among(cold, scoring.FOUR)]
    before: list[float] = [0.0] * len(parts[0].rows)
    for seed, clips in enumerate(streams):
        so_far: dict[str, float] = {}
        seconds = np.zeros(len(clips.rows))
        for i in scoring.speakers_in_turn(clips.rows, seed):
            seconds[i] = so_far.get(clips.rows[i].speaker, 0.0)
            so_far[clips.rows[i].speaker] = seconds[i] + _spoken_s(clips.windows[i])
        keep = [i for i, row in enumerate(clips.rows) if row.emotion in scoring.FOUR]
        parts.append(scoring.among(clips, scoring.FOUR))
        before += seconds[keep].tolist()
    joined = scoring.join(parts)
    points = []
    for low, high in _SPANS_S:
        places = [i for i, s in enumerate(before) if (s == 0.0 if high == 0.0 else low < s <= high)]
        if len(places) < _FEWEST_CLIPS:
            continue
        some = scoring.chosen(joined, places)
        points.append(
            {
                "seconds": round(float(np.mean([before[i] for i in places])), 1),
                "clips": len(places),
                "uar": round(scoring.uar(some), 1),
                "ci95": scoring.interval(some),
            }
        )
    return points


def by_share(cold: Clips, known: Clips, shares: Sequence[float | None]) -> dict[str, dict[str, float]]:
    """UAR of four emotions of labels shifted to each share of neutral."""
    return {
        "none" if share is None else f"{share:g}": {
            how: round(scoring.uar(scoring.among(shifted(clips, share), scoring.FOUR)), 1)
            for how, clips in (("cold", cold), ("known", known))
        }
        for share in shares
    }


def shifted(clips: Clips, share: float | None) -> Clips:
    """The clips with their windows' probabilities shifted as the smoother shifts them (``smoothing.neutral_share``)."""
    shift = LabelShift(LABELS, share)
    windows = [np.stack([shift(row) for row in part]) if len(part) else part for part in clips.windows]
    return Clips(clips.rows, tuple(windows), clips.speech_s)


def cost_of_share(measured: Mapping[str, Any], share: float | None) -> float | None:
    """Points of known UAR that labels lose at a share of neutral against none; None: not measured."""
    table = measured.get("by_share", {})
    at = table.get("none" if share is None else f"{share:g}")
    return round(table["none"]["known"] - at["known"], 1) if at and "none" in table else None


def _spoken_s(windows: Any) -> float:
    """Seconds of speech that a clip's windows hold: the first one its length, each other one a hop."""
    return MIN_WINDOW_S + HOP_S * (len(windows) - 1) if len(windows) else 0.0
