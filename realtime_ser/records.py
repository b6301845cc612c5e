"""The frozen dataclasses that cross module boundaries.

Time is an integer sample index. ``Block`` counts at the source's rate; everything after the resampler counts at the model's
``sample_rate``. Seconds appear only in the ``*_s`` properties, for people and files.

``channel`` is the number, from 1, of the channel whose stream a record belongs to, in a run that keeps a source's channels
apart; None where there is one stream, and for what concerns all channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
State = Literal["speech", "no_speech", "unsure"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive samples from a source.

    Attributes
    ----------
    samples : float32 (n,), full scale is [-1, 1]; (n, channels) from a source that keeps its channels apart, see ``Source``
    rate : source sample rate in Hz
    start : index of ``samples[0]`` on the source's timeline, at ``rate``. A start beyond the previous block's end is a gap:
        the samples between were lost and are counted as dropped.
    captured_at : ``time.monotonic()`` seconds at which the last sample was captured; None when nobody measured it
    xruns : overflow reports from the audio system since the previous block
    """

    samples: FloatArray
    rate: int
    start: int
    captured_at: float | None = None
    xruns: int = 0

    @property
    def end(self) -> int:
        """Index just past the last sample."""
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Position of a window, as sample indices at the model's rate, its speech ratio and level.

    ``[start, end)`` is the audio it covers and ``[end - hop, end)`` the part of it that no earlier window covered, whose level
    is ``level_dbfs``.
    """

    start: int
    end: int
    hop: int
    speech_ratio: float
    level_dbfs: float


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Result for one window.

    Attributes
    ----------
    start, end : the window's audio, as sample indices at ``sample_rate``
    hop : samples at the window's end that no earlier window covered
    state : "speech" (``label`` is an emotion), "unsure" (someone speaks, no emotion is sure enough) or "no_speech"
    label : the current label, smoothed and switched by the rule ``smoothing.change``; None unless ``state`` is "speech"
    confidence : smoothed probability of the current label, 0 to 1; another label may have a higher one for a while, see
        ``leading``. If ``state`` is "unsure", that of the label that is withheld; 0 where nobody speaks
    probs, smoothed : probability per label, in the order of ``labels``, of the window (with its last seconds, see
        ``stream.recent_s``) and after the filter; empty when nobody speaks
    speech_ratio : share of the window's chunks that the gate classified as speech, 0 to 1
    level_dbfs : RMS level of the hop, in dB relative to full scale, at least -120
    lost_samples : samples lost since the previous window
    captured_at : ``time.monotonic()`` when the last sample was captured, if known
    latency_s : from there to the estimate; set by the pipeline, which has the clock
    """

    start: int
    end: int
    hop: int
    sample_rate: int
    state: State
    label: str | None
    confidence: float
    labels: tuple[str, ...]
    probs: tuple[float, ...]
    smoothed: tuple[float, ...]
    speech_ratio: float
    level_dbfs: float
    lost_samples: int = 0
    captured_at: float | None = None
    latency_s: float | None = None
    channel: int | None = None

    @property
    def start_s(self) -> float:
        """Start of the window in seconds of stream time."""
        return self.start / self.sample_rate

    @property
    def end_s(self) -> float:
        """End of the window in seconds of stream time."""
        return self.end / self.sample_rate

    @property
    def hop_s(self) -> float:
        """Length of the part no earlier window covered, in seconds."""
        return self.hop / self.sample_rate

    @property
    def leading(self) -> str | None:
        """The label with the highest smoothed probability, the first of equals; None where nobody speaks."""
        return self.labels[self.smoothed.index(max(self.smoothed))] if self.smoothed else None

    @property
    def leading_confidence(self) -> float:
        """Smoothed probability of the leading label, 0 to 1; 0 where nobody speaks."""
        return max(self.smoothed, default=0.0)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of stream time under one smoothed label (an emotion or "unsure"), at the model's rate."""

    start: int
    end: int
    sample_rate: int
    label: str
    confidence: float
    channel: int | None = None

    @property
    def start_s(self) -> float:
        """Start in seconds of stream time."""
        return self.start / self.sample_rate

    @property
    def end_s(self) -> float:
        """End in seconds of stream time."""
        return self.end / self.sample_rate


@dataclass(frozen=True, slots=True)
class Health:
    """Sample counts at the model's rate; ``captured == classified + gated + dropped + pending`` always holds.

    ``captured`` is the stream's timeline: every sample that the source delivered or should have delivered.
    """

    captured: int = 0
    classified: int = 0
    gated: int = 0
    dropped: int = 0
    pending: int = 0
    windows: int = 0
    xruns: int = 0
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """The start of a stream: model, source and settings. ``source`` is the device's or file's name for the user."""

    version: str
    model: str
    labels: tuple[str, ...]
    sample_rate: int
    window_s: float
    hop_s: float
    source: str
    started_at: str
    config: Mapping[str, Any] = field(default_factory=dict)
    source_rate: int = 0
    duration_s: float | None = None
    card: Mapping[str, Any] = field(default_factory=dict)
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """An event that the user should see.

    ``kind`` is "device_lost", "device_back", "paused" (the program was stopped), "channels_cancel" (opposite phase),
    "source_failed", "model_failed", "failed" (anything else that ended the stream), "too_short" (it had no window),
    "sink_failed", "sink_behind", "sink_lost" and "sink_back" (of an output that sends), "behind" (the machine is too slow,
    audio is skipped), "caught_up", "profile_used", "profile_unused", "profile_unlike" (see ``profiles``) or "faults" (faults
    are injected as a test).

    ``at`` is the stream time in samples at ``sample_rate``; None: the pipeline sets the time at which it arrives.
    """

    kind: str
    message: str
    at: int | None = None
    sample_rate: int = 1
    channel: int | None = None

    @property
    def at_s(self) -> float:
        """Stream time in seconds; 0 as long as ``at`` is None."""
        return (self.at or 0) / self.sample_rate


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of a stream. ``latency_ms`` has p50, p95, p99 and max (empty if no window was measured)."""

    health: Health
    sample_rate: int
    latency_ms: Mapping[str, float]
    seconds_by_label: Mapping[str, float]
    channel: int | None = None


Record: TypeAlias = Session | Block | Estimate | Segment | Health | Notice | Summary
