"""Where the chunks of a capture stand on the source's timeline, which counts what was lost as well."""

from __future__ import annotations

from realtime_ser.audio.ring import Chunk

# A jump of the capture clock below this is jitter, above it what an overflow lost.
_JITTER_S = 0.005
# A device that was suspended for a moment reports no overflow. Both clocks must show such a pause: the capture clock alone
# jumps when an audio server moves the stream, and the arrival alone when it delivers late.
_PAUSE_S = 0.1


class CaptureTime:
    """Ring positions of the present capture, plus what was lost before it. All clocks are ``time.monotonic()`` seconds.

    The timeline begins with the first chunk: what was lost before it is no gap.

    Parameters
    ----------
    rate : the device's, in Hz

    Attributes
    ----------
    end : index just past the last sample, at ``rate``
    """

    def __init__(self, rate: int) -> None:
        self.end = 0
        self._rate = rate
        self._offset = self._ring_end = 0
        self._captured_at: float | None = None
        self._read_at = 0.0

    @property
    def begun(self) -> bool:
        """Whether there was a chunk, so that what is lost from now on is a gap."""
        return self._captured_at is not None

    def place(self, chunk: Chunk, now: float) -> int:
        """Index of the chunk's first sample; ``now`` is when it was read."""
        count = len(chunk.samples)
        start = chunk.start + self._offset
        quiet_s, self._read_at = now - self._read_at - count / self._rate, now
        if self._captured_at is not None and chunk.captured_at is not None:
            # What the ring lost is in chunk.start already; what the system lost shows on the capture clock.
            known = chunk.start + count - self._ring_end
            lost_s = chunk.captured_at - self._captured_at - known / self._rate
            paused = min(lost_s, quiet_s) > _PAUSE_S
            if self._ring_end == 0 or paused or (chunk.xruns and lost_s > _JITTER_S):
                lost = max(0, round(lost_s * self._rate))
                self._offset += lost
                start += lost
        self._ring_end = chunk.start + count
        self.end = start + count
        self._captured_at = chunk.captured_at
        return start

    def restart(self) -> None:
        """The next chunk is the first of another capture, whose ring counts from 0."""
        self._offset, self._ring_end = self.end, 0

    def quiet_s(self, now: float) -> float:
        """Seconds since the last sample was captured; 0 before the first."""
        return 0.0 if self._captured_at is None else max(0.0, now - self._captured_at)

    def index_at(self, now: float) -> int:
        """The index of this moment, if nothing was captured since the last sample; ``end`` before the first."""
        return self.end + round(self.quiet_s(now) * self._rate)
