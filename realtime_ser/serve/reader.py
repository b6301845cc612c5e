"""A client's messages as blocks of mono samples, mixed as every other source mixes its channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from realtime_ser.audio.downmix import Downmix, check_channel
from realtime_ser.audio.level_check import ABSURD
from realtime_ser.errors import SourceError
from realtime_ser.records import Block, FloatArray, Notice
from realtime_ser.serve.inbox import Audio
from realtime_ser.serve.protocol import ProtocolError, Start, read_samples


class SampleReader:
    """Reads the binary messages of one stream.

    Parameters
    ----------
    start : the stream's format, rate and channels
    channel : the only one to take, from 1; None: all of them, see ``Downmix``

    Raises
    ------
    ProtocolError : the client has no such channel
    """

    def __init__(self, start: Start, channel: int | None = None) -> None:
        try:
            check_channel(channel, start.channels, "the stream")
        except SourceError:
            has = f"this server takes channel {channel} alone (capture.channel), and the stream has {start.channels}"
            raise ProtocolError("unsupported", has) from None
        self._start = start
        self._mixer = Downmix(start.rate, channel=channel, name="the stream")

    def blocks(self, messages: Sequence[Audio], position: int) -> Iterator[Block | Notice]:
        """The samples of consecutive messages, the first of which is number ``position``, and notices about their channels.

        Messages are joined, because each block costs. One that holds what is no sample is a block of its own: the engine drops
        a block whole, and its neighbours are good.
        """
        joined: list[FloatArray] = []
        received_at = 0.0
        for message in messages:
            frames = read_samples(message.data, self._start)
            usable = self._start.format == "s16le" or bool(np.abs(frames).max(initial=0) <= ABSURD)
            if joined and not usable:
                yield (block := self._block(joined, position, received_at))
                position, joined = block.end, []
            joined.append(self._mixer.push(frames))
            received_at = message.received_at
            if (notice := self._mixer.take_notice()) is not None:
                yield replace(notice, at=position + sum(map(len, joined)))  # the mixer knows nothing of gaps
            if not usable:
                yield (block := self._block(joined, position, received_at))
                position, joined = block.end, []
        if joined:
            yield self._block(joined, position, received_at)

    def _block(self, pieces: list[FloatArray], position: int, received_at: float) -> Block:
        samples = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return Block(samples, self._start.rate, position, captured_at=received_at)
