"""The one place that makes a source of what somebody names: a microphone, a file, standard input, a file object, samples."""

from __future__ import annotations

import numbers
import os
import sys
from pathlib import Path
from typing import Any

from realtime_ser.audio.raw import Raw
from realtime_ser.audio.source import Source
from realtime_ser.config import CaptureConfig
from realtime_ser.errors import ConfigError, SourceError

STANDARD_INPUT = "-"


def open_source(
    source: Any,
    config: CaptureConfig,
    *,
    device: int | str | None = None,
    sample_rate: int = 16000,
    speed: float | None = None,
    channel: int | None = None,
    split: bool = False,
    raw: Raw | None = None,
    ends_after_s: float | None = None,
) -> Source:
    """A source, not opened yet; use it in a ``with`` statement.

    Parameters
    ----------
    source : None is the microphone; "-" standard input; a path a file; bytes or a binary file object a file's content; all else
        samples, (n,) or (n, channels), see ``audio.samples``
    config : of the microphone, and the ring of a paced source
    device : which microphone: index or unique part of the name; None: as in ``config``
    sample_rate : of samples, in Hz
    speed : times real time, paced like a microphone; None: as fast as it is read. Not for a microphone.
    channel : the only one to read, from 1; None: as in ``config``
    split : keep the channels of a file apart: blocks have samples (n, channels)
    raw : the file or standard input has no header, and this format
    ends_after_s : a microphone's time limit on the clock

    Raises
    ------
    ConfigError, SourceError : no such thing can be read
    """
    channel = config.channel if channel is None else _whole(channel)
    if source is not None and device is not None:
        raise ConfigError(f"device={device!r:.40} is a microphone, and a recording is read; leave one of them out")
    if split and channel is not None:
        raise ConfigError(f"channel {channel} alone and all channels split exclude each other; leave one of them out")
    if source is None:
        from realtime_ser.audio.microphone import MicSource

        return MicSource(config.device if device is None else device, config, channel=channel, ends_after_s=ends_after_s)
    opened: Source
    if isinstance(source, str) and not source:
        raise SourceError("an empty name is no file")
    if _is_file(source):
        from realtime_ser.audio.file import FileSource

        if source == STANDARD_INPUT:
            opened = FileSource(standard_input(), channel=channel, split=split, raw=raw, name="standard input")
        else:
            opened = FileSource(source, channel=channel, split=split, raw=raw)
    elif split:
        raise ConfigError("split= is for files; of samples in memory, each channel is a column to stream by itself")
    elif raw is not None:
        raise ConfigError("raw= is the format of a file or of standard input; samples in memory have sample_rate=")
    else:
        from realtime_ser.audio.array import ArraySource

        opened = ArraySource(source, sample_rate, channel=channel)
        if not opened.duration_s:
            raise SourceError("an array of no samples is no recording")
    if speed is None:
        return opened
    from realtime_ser.audio.realtime import PacedSource

    return PacedSource(opened, speed, block_ms=config.block_ms, ring_s=config.ring_s)


def standard_input() -> Any:
    """The binary file object of standard input.

    Raises
    ------
    SourceError : it is closed, or a terminal
    """
    stream = sys.stdin
    binary = getattr(stream, "buffer", None)
    try:
        terminal = stream is None or os.isatty(stream.fileno())
    except (OSError, ValueError, AttributeError):
        terminal = False
    if terminal or binary is None:
        raise SourceError("standard input is not a pipe or file; send audio into it, such as: ffmpeg -i talk.m4a -f wav - |")
    return binary


def _is_file(source: Any) -> bool:
    return isinstance(source, str | Path | os.PathLike | bytes | bytearray | memoryview) or hasattr(source, "read")


def _whole(channel: Any) -> int:
    if isinstance(channel, bool) or not isinstance(channel, numbers.Integral):
        raise ConfigError(f"channel={channel!r:.40}: give a whole number, 1 is the first channel")
    return int(channel)
