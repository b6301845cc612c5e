"""Many channels to one, or kept apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.records import FloatArray, Notice

# Channels that have nothing in common leave a mean with 1/n of their mean power. A mean far below that cancels; not far below
# it, it no longer does.
_CANCELS, _HOLDS = 0.1, 0.4
# Another channel takes over from the chosen one only when it is this much louder (6 dB): two channels of opposite phase differ
# in sign, so every change is a click.
_LOUDER = 4.0
# The levels are judged at the end of every piece of this length, counted from the start of the stream, with a memory of a few.
_SPAN_S = 0.1
_MEMORY = 0.7
_SILENCE = 1e-8  # mean square, -80 dBFS
# Kept apart, each channel costs an engine.
_MOST_APART = 32


def downmix(frames: npt.NDArray[Any]) -> FloatArray:
    """Mean over the channels.

    Parameters
    ----------
    frames : float (n,) or (n, channels)

    Returns
    -------
    float32 (n,), contiguous; one channel comes back as it is, bit for bit
    """
    if frames.ndim == 1:
        return np.ascontiguousarray(frames, dtype=np.float32)
    if frames.shape[1] == 1:
        return np.ascontiguousarray(frames[:, 0], dtype=np.float32)
    # Infinities of both signs may meet in the mean; what becomes of such a block is the engine's decision.
    with np.errstate(invalid="ignore", over="ignore"):
        mono: FloatArray = frames.mean(axis=1, dtype=np.float32)
    return mono


def choose_channel(frames: npt.NDArray[Any], channel: int, name: str) -> FloatArray:
    """One channel of many.

    Parameters
    ----------
    frames : float (n,) or (n, channels)
    channel : 1 is the first (left)
    name : the source, for the message

    Returns
    -------
    float32 (n,), contiguous

    Raises
    ------
    SourceError : there are fewer channels
    """
    channels = 1 if frames.ndim == 1 else frames.shape[1]
    check_channel(channel, channels, name)
    return np.ascontiguousarray(frames if frames.ndim == 1 else frames[:, channel - 1], dtype=np.float32)


def check_channel(channel: int | None, channels: int, name: str) -> None:
    """SourceError unless ``channel`` (None: all of them) is one of 1 to ``channels``."""
    if (missing := _missing(channel, channels, name)) is not None:
        raise SourceError(missing)


def check_choice(channel: int | None, channels: int, name: str) -> None:
    """``check_channel`` before the first sample, when it is the user who named a wrong channel: ConfigError."""
    if (missing := _missing(channel, channels, name)) is not None:
        raise ConfigError(missing)


def _missing(channel: int | None, channels: int, name: str) -> str | None:
    if channel is None or 1 <= channel <= channels:
        return None
    has = "one channel, so leave --channel out" if channels == 1 else f"channels 1 to {channels}; choose another"
    return f"{name} has no channel {channel}: it has {has}"


def check_split(channels: int, name: str) -> int:
    """``channels``, if so many can be kept apart; else ConfigError."""
    if channels < 2:
        raise ConfigError(f"{name} has one channel, which cannot be split; leave --channels split out")
    if channels > _MOST_APART:
        raise ConfigError(f"{name} has {channels} channels and {_MOST_APART} can be split; choose one with --channel N")
    return channels


CHOOSE_CHANNEL = "--channel N takes one throughout"
"""Advice to who runs the command line."""


class Apart:
    """A stream of frames as it is: its channels are kept apart.

    Parameters
    ----------
    channels : how many there are throughout
    name : the source, for messages
    """

    def __init__(self, channels: int, name: str) -> None:
        self._channels, self._name = channels, name

    def push(self, frames: npt.NDArray[Any]) -> FloatArray:
        """Take float (n, channels), return float32 (n, channels).

        Raises
        ------
        SourceError : the number of channels changes
        """
        if frames.shape[1] != self._channels:
            counts = f"{self._channels} channels and then {frames.shape[1]}"
            raise SourceError(f"{self._name} has {counts}; what came before was read, split the rest in a file of its own")
        return np.ascontiguousarray(frames, dtype=np.float32)

    def take_notice(self) -> Notice | None:
        """None: no notice about channels that are not mixed."""
        return None


class Downmix:
    """A stream of frames to mono: the mean, one chosen channel, or the louder channel while the mean cancels.

    Parameters
    ----------
    rate : Hz
    channel : 1 is the first (left); None: all of them
    name : the source, for messages
    advice : how its user can choose a channel, for the notice

    The levels are judged every 0.1 s, counted from the start of the stream, and the verdict holds for the next piece: nothing
    is held back, and blocks of any size give the same samples.
    """

    def __init__(self, rate: int, *, channel: int | None = None, name: str = "the source", advice: str = "") -> None:
        self._rate = rate
        self._channel = channel
        self._name, self._advice = name, advice
        self._span = max(1, round(rate * _SPAN_S))
        self._position = 0
        self._taken: int | None = None  # index of the channel that stands in for the mean
        self._sums = np.zeros(0)  # of squares in this piece: the mean's, then each channel's
        self._powers = np.zeros(0)  # remembered
        self._said = False
        self._notices: list[Notice] = []

    def push(self, frames: npt.NDArray[Any]) -> FloatArray:
        """Take float (n,) or (n, channels), return float32 (n,), contiguous.

        Raises
        ------
        SourceError : the chosen channel is not there
        """
        if self._channel is not None:
            return choose_channel(frames, self._channel, self._name)
        if frames.ndim == 1 or frames.shape[1] == 1:
            self._position += len(frames)
            return downmix(frames)
        if len(self._sums) != frames.shape[1] + 1:
            self._sums = np.zeros(frames.shape[1] + 1)
            self._powers = np.zeros(frames.shape[1] + 1)
            self._taken = None
        out = downmix(frames)
        at = 0
        while at < len(frames):
            count = min(len(frames) - at, self._span - self._position % self._span)
            piece = frames[at : at + count]
            with np.errstate(invalid="ignore", over="ignore"):
                self._sums[0] += np.square(out[at : at + count], dtype=np.float64).sum()
                self._sums[1:] += np.square(piece, dtype=np.float64).sum(axis=0)
            if self._taken is not None:
                out[at : at + count] = piece[:, self._taken]
            at += count
            self._position += count
            if self._position % self._span == 0:
                self._judge()
        return out

    def take_notice(self) -> Notice | None:
        """A ``Notice`` of kind "channels_cancel", once, after a channel was first taken in place of the mean; else None."""
        return self._notices.pop() if self._notices else None

    def _judge(self) -> None:
        powers, self._sums = self._sums / self._span, np.zeros_like(self._sums)
        if not np.isfinite(powers).all() or powers[1:].max() < _SILENCE:
            return
        self._powers = _MEMORY * self._powers + (1 - _MEMORY) * powers
        channels = self._powers[1:]
        share = float(self._powers[0] * len(channels) ** 2 / channels.sum())
        loudest = int(np.argmax(channels))
        if self._taken is None:
            if share >= _CANCELS:
                return
            self._taken = loudest
            if not self._said:
                self._said = True
                self._notices.append(self._notice(loudest + 1))
        elif share > _HOLDS:
            self._taken = None
        elif channels[loudest] > _LOUDER * channels[self._taken]:
            self._taken = loudest

    def _notice(self, channel: int) -> Notice:
        return Notice(
            "channels_cancel",
            f"{self._name}: its channels cancel each other (opposite phase), so channel {channel} is taken alone while they do"
            + (f"; {self._advice}" if self._advice else ""),
            self._position,
            self._rate,
        )
