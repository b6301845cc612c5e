"""Pictures of single clips: one actor, one line, every emotion, spoken above sung. For private use, not for publication."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from realtime_ser.records import FloatArray
from train.data.features import read_clip
from train.data.manifest import Row
from train.explore.charts import named, ordered
from train.figures import save
from train.published.inputs import SPEC, stack

KINDS = ("waveform", "stft", "mel", "log-frequency", "mfcc", "chroma")
_HOP_S = SPEC.hop_length / SPEC.sample_rate


def choose(rows: Sequence[Row]) -> dict[str, dict[str, Row]]:
    """Channel -> emotion -> clip: of the speaker and the line that have most emotions in most channels; {} if there is none."""
    best: dict[str, dict[str, Row]] = {}
    order = {"": 0, "normal": 1, "strong": 2}
    for key in dict.fromkeys((row.speaker, row.sentence) for row in rows if row.sentence):
        found: dict[str, dict[str, Row]] = {}
        own = sorted(
            (row for row in rows if (row.speaker, row.sentence) == key), key=lambda row: (order[row.intensity], row.path)
        )
        for row in own:  # the strongest of its first repetitions stays
            kept = found.setdefault(row.channel, {}).get(row.emotion)
            if kept is None or order[row.intensity] > order[kept.intensity]:
                found[row.channel][row.emotion] = row
        if sum(map(len, found.values())) > sum(map(len, best.values())):
            best = found
    return best


def draw(root: Path, chosen: dict[str, dict[str, Row]], folder: Path) -> list[Path]:
    """One PNG for each kind of picture: a row for each channel, a column for each emotion."""
    if not chosen:
        return []
    channels = sorted(chosen, key=lambda name: name != "speech")
    emotions = ordered({emotion for part in chosen.values() for emotion in part})
    audio = {
        (channel, emotion): read_clip(root / row.path, SPEC.sample_rate)
        for channel in channels
        for emotion, row in chosen[channel].items()
    }
    longest = max(len(samples) for samples in audio.values()) / SPEC.sample_rate
    who = next(iter(chosen[channels[0]].values()))
    paths = []
    for kind in KINDS:
        size = (1.75 * len(emotions) + 0.8, 2.1 * len(channels) + 0.5)
        figure, axes = plt.subplots(
            len(channels), len(emotions), figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
        )
        for i, channel in enumerate(channels):
            for j, emotion in enumerate(emotions):
                axis = axes[i][j]
                if (channel, emotion) in audio:
                    _panel(axis, kind, audio[channel, emotion])
                else:
                    axis.set_axis_off()
                if i == 0:
                    axis.set_title(emotion, fontsize=10)
                axis.tick_params(labelsize=7)
            axes[i][0].set_ylabel(f"{channel}\n{_UNITS[kind]}", fontsize=8)
        axes[0][0].set_xlim(0, longest)
        figure.supxlabel("seconds", fontsize=8)
        figure.suptitle(f"{kind}: {named(who.corpus)}, {who.speaker}, one line in every emotion", fontsize=10)
        paths.append(save(figure, folder / f"{kind}.png"))
    return paths


_UNITS = {
    "waveform": "amplitude",
    "stft": "Hz, linear",
    "mel": "mel band",
    "log-frequency": "Hz, logarithmic",
    "mfcc": "coefficient",
    "chroma": "pitch class",
}


def _panel(axis: Any, kind: str, samples: FloatArray) -> None:
    seconds = len(samples) / SPEC.sample_rate
    if kind == "waveform":
        # 400 points are enough for the outline.
        step = max(1, len(samples) // 400)
        part = samples[: len(samples) // step * step].reshape(-1, step)
        time = np.arange(len(part)) * step / SPEC.sample_rate
        axis.fill_between(time, part.min(axis=1), part.max(axis=1), color="#2f6db3", lw=0)
        return
    if kind in ("stft", "log-frequency"):
        db = _stft_db(samples)
        hz = np.fft.rfftfreq(SPEC.n_fft, 1 / SPEC.sample_rate)
        time = np.arange(db.shape[1]) * _HOP_S
        if kind == "stft":
            axis.imshow(
                db,
                origin="lower",
                aspect="auto",
                cmap="magma",
                vmin=db.max() - 80,
                vmax=db.max(),
                extent=(0, seconds, 0, hz[-1]),
            )
        else:
            axis.pcolormesh(
                time, hz[4:], db[4:], cmap="magma", vmin=db.max() - 80, vmax=db.max(), shading="nearest", rasterized=True
            )
            axis.set_yscale("log", base=2)
            axis.set_ylim(60, hz[-1])
            axis.set_yticks([125, 500, 2000, 8000], ["125", "500", "2k", "8k"])
        return
    array = stack(samples)
    rows = {"mfcc": slice(1, 20), "chroma": slice(128, 140), "mel": slice(140, 268)}[kind]
    part = array[rows]
    limits = {"mel": (part.max() - 80, part.max()), "chroma": (0, 1), "mfcc": (-60, 60)}[kind]
    cmap = {"mel": "magma", "chroma": "viridis", "mfcc": "RdBu_r"}[kind]
    first = 1 if kind == "mfcc" else 0
    extent = (0, seconds, first - 0.5, first + len(part) - 0.5)
    if kind == "mfcc":
        axis.set_yticks([1, 5, 10, 15, 19])
    axis.imshow(
        part, origin="lower", aspect="auto", cmap=cmap, vmin=limits[0], vmax=limits[1], extent=extent, interpolation="nearest"
    )


def _stft_db(samples: FloatArray) -> FloatArray:
    """Power in dB, (1 + n_fft // 2, frames), of the same frames that the front end takes."""
    strided = np.lib.stride_tricks.sliding_window_view(samples, SPEC.n_fft)[:: SPEC.hop_length]
    spectrum = np.fft.rfft(strided * np.hanning(SPEC.n_fft + 1)[:-1].astype(np.float32), axis=-1)
    return np.asarray(10 * np.log10(np.maximum(np.abs(spectrum.T) ** 2, 1e-10)), np.float32)
