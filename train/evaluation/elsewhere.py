"""The voters of leave-one-corpus-out in other places: each speaker through a microphone, a room and noise of his own.

Studios are kinder to a model than users' rooms, so ``train.vote`` was chosen here too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from realtime_ser.config import Config
from realtime_ser.model.classifier import load_model
from realtime_ser.records import FloatArray
from train.data.corpora import LABELS
from train.data.manifest import Row
from train.data.responses import Responses, load_responses
from train.evaluation import scores as scoring
from train.evaluation.large import Workshop, folds_of, some
from train.evaluation.vote import fold_bundle
from train.sampling.channel import at_level, convolved, equalised, exponential_room, level_of

SHARES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)
_FOUR = np.array([label in scoring.FOUR for label in LABELS], np.float32)
_TILT_DB, _RIPPLE_DB = 8.0, 3.0  # over the whole band, and beside it
_ROOMS_S, _SNR_DB, _PEAK_DB = (0.15, 0.5), (14.0, 32.0), (-22.0, -3.0)


class Elsewhere:
    """Every clip of a speaker through one drawn channel; a ``scores.Change``.

    A measured microphone always; in 7 of 10 a room, half of them measured; an equaliser with a tilt of up to 8 dB to either
    side; white or pink noise at 14 to 32 dB; a peak of -22 to -3 dBFS.
    """

    def __init__(self, responses: Responses) -> None:
        self._responses = responses

    def __call__(self, samples: FloatArray, rate: int, row: Row) -> tuple[FloatArray, int]:
        digest = hashlib.sha256(row.speaker.encode()).hexdigest()
        rng = np.random.default_rng(int(digest[:8], 16))
        microphones, rooms = self._responses.microphones, self._responses.rooms
        x = convolved(samples, microphones[rng.integers(len(microphones))]) if microphones else samples
        if rng.random() < 0.7:
            measured = rooms and rng.random() < 0.5
            x = convolved(x, rooms[rng.integers(len(rooms))] if measured else exponential_room(rng.uniform(*_ROOMS_S), rng))
        tilt = rng.uniform(-_TILT_DB, _TILT_DB)
        x = equalised(x, np.linspace(-tilt, tilt, 8) + rng.normal(0, _RIPPLE_DB, 8))
        noise = rng.normal(0, 1, len(x)).astype(np.float32)
        if rng.random() < 0.6:
            spectrum = np.fft.rfft(noise)
            noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), len(x)).astype(np.float32)
        x = x + at_level(noise, level_of(x) * 10 ** (-rng.uniform(*_SNR_DB) / 20))
        peak = 10 ** (rng.uniform(*_PEAK_DB) / 20)
        return np.asarray(x / max(float(np.abs(x).max()), 1e-6) * peak, np.float32), rate


def shares(shop: Workshop, *, only: Sequence[int] = (), most: int = 500) -> Mapping[str, Mapping[str, tuple[float, ...]]]:
    """UAR of four emotions at each of ``SHARES`` of mlp's answer; prints and returns it for each fold, cold and known.

    Both networks are played alone, and their clips' answers averaged. Beside the UAR stands how many clips each leaves without
    an answer.

    Parameters
    ----------
    only : numbers of folds, from 1 on; none: all
    most : clips of a fold, drawn at random
    """
    change = Elsewhere(load_responses(shop.corpora))
    table: dict[str, dict[str, tuple[float, ...]]] = {}
    print(f"{'':22}" + "".join(f"{share:>7g}" for share in SHARES) + "   clips without an answer, each alone")
    for fold in some(folds_of("cross", shop.acted), only):
        rows = _few([row for row in fold.test if row.emotion in scoring.FOUR], most)
        table[fold.name] = {}
        for how in ("cold", "known"):
            own, other = _answers(fold_bundle(shop, fold), shop.corpora, rows, change, known=how == "known")
            found = tuple(_uar((1 - share) * own + share * other, rows) for share in SHARES)
            table[fold.name][how] = found
            lost = " and ".join(str(int((probs.sum(1) == 0).sum())) for probs in (own, other))
            print(
                f"{fold.name + ' ' + how:22}" + "".join(f"{value:7.1f}" for value in found) + f"   {lost} of {len(rows)}",
                flush=True,
            )
    return table


def _answers(path: Path, root: Path, rows: Sequence[Row], change: Elsewhere, *, known: bool) -> list[FloatArray]:
    model = load_model(path)
    assert model.voter is not None
    alone = replace(Config(), stream=replace(Config().stream, vote=False))
    played = [
        scoring.stream_clips(each, root, rows, by_speaker=known, config=alone, change=change) for each in (model, model.voter)
    ]
    return [clips.probs * _FOUR for clips in played]


def _few(rows: Sequence[Row], most: int) -> list[Row]:
    if len(rows) <= most:
        return list(rows)
    return [rows[i] for i in sorted(np.random.default_rng(1).choice(len(rows), most, replace=False))]


def _uar(probs: FloatArray, rows: Sequence[Row]) -> float:
    target = np.array([LABELS.index(row.emotion) for row in rows])
    guess = np.where(probs.sum(1) > 0, probs.argmax(1), -1)
    return 100 * float(np.mean([np.mean(guess[target == label] == label) for label in np.unique(target)]))
