"""Corpus audio -> training features, through the live front end only, cached on disk.

Two kinds of cache, each under a key of the front end, the manifest and the augmentation:

- ``Frames``: for every clip the log-mel of all its frames and which of them hold speech. A window is a slice of columns.
- ``Vectors``: for every clip the vectors of its windows (``moments``, ``flatstats`` or ``flat268``), cut as the engine cuts
  them.

A window ends on the stream's hop grid, is 1 to 3 s long, and counts only if it holds speech: the engine's gate classifies a
clip's chunks, and its rule decides which windows hold enough speech. As in a stream, a high-pass comes before both.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from realtime_ser.audio.high_pass import high_passed
from realtime_ser.config import GateConfig, StreamConfig
from realtime_ser.engine.gate import SpeechGate, holds_speech
from realtime_ser.features.frames import FrameTransform
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray
from train.data.augment import Variant, vary
from train.data.cache import Item, computed, file_of
from train.data.corpora.sounds import NOBODY
from train.data.manifest import Row

WINDOW_S, MIN_WINDOW_S = 3.0, 1.0  # as on the cards
HOP_S = StreamConfig().hop_s
GATE = GateConfig()  # default settings, independent of the stream's
VAD_RATE = 16000
CHUNK = 512  # samples per decision of Silero's detector, at 16 kHz


@dataclass(frozen=True)
class Frames:
    """``log_mel`` float16 (n_mels, all frames) in dB; clip i's columns are ``offsets[i]`` to ``offsets[i + 1]``.

    ``speech`` bool (all frames): the gate found speech in the chunk that holds the frame's centre.
    """

    log_mel: npt.NDArray[np.float16]
    speech: npt.NDArray[np.bool_]
    offsets: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Vectors:
    """``X`` float32 (windows, D); window j belongs to clip ``clip[j]`` (an index into the given rows).

    ``streamed`` bool (windows,): cut as the engine would from the clip's start; the others begin in mid-sentence.
    """

    X: FloatArray
    clip: npt.NDArray[np.int64]
    streamed: npt.NDArray[np.bool_]


def read_clip(path: Path, rate: int) -> FloatArray:
    """A clip as mono float32 at ``rate`` Hz."""
    samples, own = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    return np.asarray(mono if own == rate else soxr.resample(mono, own, rate, quality="HQ"), np.float32)


@functools.lru_cache(maxsize=1)
def _gate() -> SpeechGate:
    # Cached, because loading the detector takes longer than processing a clip.
    return SpeechGate(GATE, VAD_RATE, WINDOW_S)


def speech_chunks(samples: FloatArray) -> npt.NDArray[np.bool_]:
    """Which 32 ms chunks of 16 kHz audio hold speech, bool (n // 512,), as the engine's gate finds in a stream of them."""
    gate = _gate()
    gate.reset()
    return np.array(gate.push(samples), bool)


def window_ends(speech: npt.NDArray[np.bool_], n_samples: int, spec: FrontEndSpec) -> list[int]:
    """Samples at which the engine would classify a window of this clip, played from its start as a stream.

    ``speech`` is per 32 ms chunk. The last, shorter hop at the flush is not among them.
    """
    rate, chunks = spec.sample_rate, speech.tolist()
    hop = round(HOP_S * rate / spec.hop_length) * spec.hop_length
    first, longest = (spec.samples_in(spec.frames_in(seconds)) for seconds in (MIN_WINDOW_S, WINDOW_S))
    return [
        end
        for end in range(first, n_samples + 1, hop)
        if holds_speech(
            chunks[: end * VAD_RATE // (rate * CHUNK)], min(end, longest) / rate, GATE, (first if end == first else hop) / rate
        )
    ]


def activity(root: Path, rows: Sequence[Row], cache: Path, *, progress: bool = True) -> list[npt.NDArray[np.bool_]]:
    """For every clip, which of its chunks hold speech."""
    parts = computed(cache, "activity", None, None, root, rows, _clip_activity, [None] * len(rows), progress)
    return np.split(parts["speech"], parts["offsets"][1:-1])


def heard_sounds(root: Path, rows: Sequence[Row], cache: Path, *, progress: bool = True) -> dict[int, npt.NDArray[np.bool_]]:
    """By the place of each sound among the rows, which of its chunks the gate takes for speech."""
    places = [place for place, row in enumerate(rows) if row.emotion == NOBODY]
    heard = activity(root, [rows[place] for place in places], cache, progress=progress) if places else []
    return dict(zip(places, heard, strict=True))


def frames(
    root: Path, rows: Sequence[Row], spec: FrontEndSpec, cache: Path, variant: Variant, *, progress: bool = True
) -> Frames:
    """Log-mel and speech activity of every clip under one variant of its audio, from the cache or computed."""
    work = partial(_clip_frames, spec=spec, variant=variant)
    speech = activity(root, rows, cache, progress=progress)
    parts = computed(cache, "frames", spec, variant, root, rows, work, speech, progress)
    return Frames(parts["log_mel"], parts["speech"], parts["offsets"])


def vectors(
    root: Path, rows: Sequence[Row], spec: FrontEndSpec, cache: Path, variant: Variant, *, progress: bool = True
) -> Vectors:
    """The window vectors of every clip under one variant of its audio, from the cache or computed."""
    work = partial(_clip_vectors, spec=spec, variant=variant)
    speech = activity(root, rows, cache, progress=progress)
    parts = computed(cache, "vectors", spec, variant, root, rows, work, speech, progress)
    return Vectors(parts["X"], np.repeat(np.arange(len(rows)), np.diff(parts["offsets"])), parts["streamed"])


def fill(
    root: Path, rows: Sequence[Row], spec: FrontEndSpec, cache: Path, variants: Sequence[Variant], *, progress: bool = True
) -> None:
    """Fill the cache for the rows under each variant, without reading existing entries."""
    make = frames if spec.recipe == "stacked" else vectors
    kind = "frames" if spec.recipe == "stacked" else "vectors"
    for variant in variants:
        if not file_of(cache, kind, spec, variant, rows).exists():
            make(root, rows, spec, cache, variant, progress=progress)


def _clip_activity(item: Item) -> dict[str, Any]:
    return {"speech": speech_chunks(high_passed(read_clip(item.path, VAD_RATE), VAD_RATE))}


def _varied(item: Item, variant: Variant, rate: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """A clip's audio and speech activity under a variant, the audio through the stream's high-pass."""
    assert item.speech is not None
    talkers = [read_clip(path, rate) for path in item.talkers]
    samples = read_clip(item.path, rate)
    samples, speech = vary(samples, item.speech, variant, rate, seed=item.number, channel=item.channel, talkers=talkers)
    return high_passed(samples, rate), speech


def _clip_frames(item: Item, spec: FrontEndSpec, variant: Variant) -> dict[str, Any]:
    samples, chunks = _varied(item, variant, spec.sample_rate)
    transform = FrameTransform(spec)
    count = 1 + (len(samples) - spec.n_fft) // spec.hop_length
    strided = np.lib.stride_tricks.sliding_window_view(samples, spec.n_fft)[:: spec.hop_length][:count]
    out = np.empty((transform.n_columns, count), np.float32)
    transform(strided, out)
    centre = np.minimum(chunk_of_frame(count, spec), len(chunks) - 1)
    return {"log_mel": out[transform.columns["log_mel"]].astype(np.float16), "speech": chunks[centre]}


def chunk_of_frame(count: int, spec: FrontEndSpec) -> npt.NDArray[np.int64]:
    """The chunk in which the centre of each of ``count`` frames lies, int64 (count,)."""
    return (np.arange(count) * spec.hop_length + spec.n_fft // 2) * VAD_RATE // (spec.sample_rate * CHUNK)


def _clip_vectors(item: Item, spec: FrontEndSpec, variant: Variant) -> dict[str, Any]:
    """The engine's windows, and at each of them a second one of random length: a stream that began in mid-sentence."""
    rng = np.random.default_rng([item.number, 1])
    samples, chunks = _varied(item, variant, spec.sample_rate)
    front_end = FrontEnd(spec, WINDOW_S)
    shortest = spec.frames_in(MIN_WINDOW_S)
    found, streamed, done = [], [], 0
    for end in window_ends(chunks, len(samples), spec):
        front_end.push(samples[done:end])
        done = end
        available = min(front_end.frames, front_end.window_frames)
        found.append(front_end.window())
        streamed.append(True)
        if available > shortest:
            found.append(front_end.window(int(rng.integers(shortest, available))))
            streamed.append(False)
    empty = np.zeros((0, front_end.n_features or 0), np.float32)
    return {"X": np.stack(found) if found else empty, "streamed": np.array(streamed, bool)}
