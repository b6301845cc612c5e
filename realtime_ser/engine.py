"""One stream: samples in, estimates out. Pure and synchronous: no thread, no clock, no I/O.

Samples are processed hop by hop whatever the size of the blocks, so that a file read whole, the same file in pieces and a
microphone give the same numbers. After a gap everything that remembers audio starts afresh: no window spans a gap.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from realtime_ser.audio.resample import Resampler
from realtime_ser.config import Config
from realtime_ser.errors import SourceError
from realtime_ser.gate import SpeechGate
from realtime_ser.model import Classifier
from realtime_ser.records import Block, Estimate, FloatArray, Health, Segment, State, Window
from realtime_ser.smoothing import Segmenter, Smoother
from realtime_ser.window_classifier import WindowClassifier

_SILENCE_DBFS = -120.0
# 200 dB over full scale: float files hold such numbers, no microphone does, and their squares leave float32.
_ABSURD = np.float32(1e10)


class Engine:
    """Cuts a stream into windows, classifies and smooths them, and accounts for every sample.

    Parameters
    ----------
    model : the classifier, whose card owns the front end
    config : settings; None: the defaults

    Attributes
    ----------
    hop, window, min_window : samples at the model's rate

    Raises
    ------
    ModelError : the config asks for a window that the model was not trained for
    """

    def __init__(self, model: Classifier, config: Config | None = None) -> None:
        config = config or Config()
        self.model = model
        self.sample_rate = model.spec.sample_rate
        self._windows = WindowClassifier(model, config.stream)
        self.window, self.min_window = self._windows.window, self._windows.min_window
        hop_length = model.spec.hop_length
        self.hop = max(1, round(config.stream.hop_s * self.sample_rate / hop_length)) * hop_length
        self._gate = SpeechGate(config.gate, self.sample_rate, self.window / self.sample_rate)
        self._smoother = Smoother(model.labels, config.smoothing)
        self._segmenter = Segmenter(self.sample_rate)
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new stream starts at sample 0."""
        self._records: list[Estimate | Segment] = []  # in the order of the stream, not taken yet
        self._old = 0  # so many of them are of earlier pushes
        self._rate = self.sample_rate
        self._resampler: Resampler | None = None
        self._expected = 0  # source index of the next sample, if none is lost
        self._reached = 0  # model index up to which the stream had come when its rate last changed
        self._mark: tuple[int, float] | None = None  # source index just past a sample, and when that sample was captured
        self._base = 0  # model index at which the current continuous piece begins
        self._fed = 0  # samples of the piece that have left the resampler
        self._covered = 0  # model index up to which windows, gate or loss account for every sample
        self._xruns = self._hops = self._classified = self._gated = self._dropped = 0
        self._unreported = 0  # lost samples that no estimate has mentioned yet
        self._windows.reset()
        self._restart()

    @property
    def health(self) -> Health:
        """Where every sample went, so far."""
        captured = max(self._covered, self._reached, self._position(self._expected))
        return Health(
            captured=captured,
            classified=self._classified,
            gated=self._gated,
            dropped=self._dropped,
            pending=captured - self._covered,
            windows=self._hops,
            xruns=self._xruns,
        )

    def push(self, block: Block | FloatArray) -> list[Estimate]:
        """Take the next samples.

        Parameters
        ----------
        block : a ``Block``, or float32 (n,) samples at the model's rate that follow the last ones

        Returns
        -------
        the estimates of the windows that these samples completed, in order

        Raises
        ------
        SourceError : the block starts before the previous one ended
        """
        if not isinstance(block, Block):
            block = Block(np.asarray(block, np.float32), self._rate, self._expected)
        estimates: list[Estimate] = []
        self._forget_estimates()
        self._xruns += block.xruns
        if block.rate != self._rate:
            estimates += self._end_piece()
            self._change_rate(block)
        self._check_start(block)
        # NaN, Inf and absurdly large numbers would poison every later frame: the block is lost audio, not audio. A NaN fails
        # the comparison.
        usable = bool(np.abs(block.samples).max(initial=0) <= _ABSURD)
        if block.start > self._expected or not usable:
            estimates += self._end_piece()
            self._expected = block.start if usable else block.end
            self._account_for_gap()
        if usable and len(block.samples):
            if self._resampler is None:
                self._account_for_gap()
                self._resampler = Resampler(self._rate, self.sample_rate)
            self._expected = block.end
            if block.captured_at is not None:
                self._mark = (block.end, block.captured_at)
            estimates += self._feed(self._resampler.push(block.samples))
        return estimates

    def skip(self, block: Block) -> None:
        """Let samples pass unheard, as there is no time for them: they are dropped, with whatever still waited for its hop.

        Raises
        ------
        SourceError : the block starts before the previous one ended
        """
        if self._resampler is not None:
            self._resampler = None
            self._close_segment()
            self._restart()
        self._xruns += block.xruns
        if block.rate != self._rate:
            self._change_rate(block)
        self._check_start(block)
        self._expected = block.end
        self._account_for_gap()

    def flush(self) -> list[Estimate]:
        """End the stream: the last, shorter hop is classified too. What is too short to classify stays pending."""
        self._forget_estimates()
        return self._end_piece()

    def take_records(self) -> list[Estimate | Segment]:
        """Estimates and segments since the last call, in the order of the stream: a segment follows the window that ended it.

        Of the estimates only those of the last ``push`` or ``flush``, also if it failed: it has returned them to its caller.
        """
        records, self._records, self._old = self._records, [], 0
        return records

    def take_segments(self) -> list[Segment]:
        """The segments that ended since the last call of this or of ``take_records``."""
        return [record for record in self.take_records() if isinstance(record, Segment)]

    def _forget_estimates(self) -> None:
        """Keep what nobody has seen yet, so that a caller who only ever pushes holds no estimates here."""
        self._records[self._old :] = [record for record in self._records[self._old :] if isinstance(record, Segment)]
        self._old = len(self._records)

    def _position(self, source_index: int) -> int:
        """Model index of a source index: exact rational arithmetic, so that hours add up."""
        return round(Fraction(source_index * self.sample_rate, self._rate))

    def _restart(self) -> None:
        """Forget the audio, not the counts."""
        self._windows.forget_audio()
        self._gate.reset()
        self._smoother.reset()
        self._tail = np.zeros(0, np.float32)
        self._fed = 0
        self._next = self.min_window  # of the piece: where the next window ends

    def _check_start(self, block: Block) -> None:
        if block.start < self._expected:
            raise SourceError(f"the source went back in time: sample {block.start} after sample {self._expected}")

    def _change_rate(self, block: Block) -> None:
        """The source goes on at another rate. Its clock may round the moment of change down by one sample."""
        self._reached = max(self._reached, self._position(self._expected))
        converted = round(Fraction(self._expected * block.rate, self._rate))
        self._expected = block.start if block.start == converted - 1 else converted
        self._rate, self._mark = block.rate, None

    def _account_for_gap(self) -> None:
        """A new piece begins at ``_expected``: what no window covered before it is dropped."""
        self._base = max(self._covered, self._position(self._expected))
        lost = self._base - self._covered
        self._dropped += lost
        self._unreported += lost
        self._covered = self._base

    def _end_piece(self) -> list[Estimate]:
        """The continuous piece ends here: classify its last hop and forget the audio."""
        if self._resampler is None:
            return []
        length = self._position(self._expected) - self._base
        # The resampler's last samples; its total is within a sample or two of the piece's exact length.
        rest = self._resampler.push(np.zeros(0, np.float32), last=True)
        missing = length - self._fed - len(self._tail)
        estimates = self._feed(np.pad(rest[: max(0, missing)], (0, max(0, missing - len(rest)))))
        self._resampler = None
        if len(self._tail) and length >= self.min_window // 2:
            estimates.append(self._hop(self._tail))
        self._close_segment()
        self._restart()
        return estimates

    def _feed(self, samples: FloatArray) -> list[Estimate]:
        """Cut samples at the model's rate into hops."""
        estimates = []
        audio = np.concatenate((self._tail, samples)) if len(self._tail) else samples
        used = 0
        while self._next - self._fed <= len(audio) - used:
            size = self._next - self._fed
            estimates.append(self._hop(audio[used : used + size]))
            used += size
            self._next += self.hop
        self._tail = audio[used:]
        return estimates

    def _hop(self, samples: FloatArray) -> Estimate:
        """Process the new samples that complete a window."""
        self._windows.push(samples)
        self._gate.push(samples)
        self._fed += len(samples)
        end = self._base + self._fed
        start = max(self._base, end - self.window)
        length_s = (end - start) / self.sample_rate
        ratio = self._gate.speech_ratio(length_s)
        window = Window(start, end, len(samples), ratio, _level_dbfs(samples))
        spoken = self._gate.is_speech(length_s) and self._windows.ready
        before = len(self._records)
        estimate = self._classify(window) if spoken else self._pass_over(window)
        self._records.insert(before, estimate)  # the segment that it ended follows it
        self._hops += 1
        self._covered = end
        self._unreported = 0
        return estimate

    def _classify(self, window: Window) -> Estimate:
        # Last seconds in which nobody speaks say nothing.
        recent = self._windows.reaches_back and self._gate.is_speech(self._windows.recent_s)
        probs = self._windows.classify(window.hop, recent=recent)
        state, label, confidence = self._smoother.speech(probs, window.hop / self.sample_rate)
        self._classified += window.hop
        ended = self._segmenter.extend(label, window.end - window.hop, window.end, confidence)
        if ended is not None:
            self._records.append(ended)
        smoothed = tuple(self._smoother.smoothed.tolist())
        return self._estimate(window, state, label, confidence, tuple(probs.tolist()), smoothed)

    def _pass_over(self, window: Window) -> Estimate:
        self._smoother.silence(window.hop / self.sample_rate)
        self._close_segment()
        self._gated += window.hop
        return self._estimate(window, "no_speech")

    def _estimate(
        self,
        window: Window,
        state: State,
        label: str | None = None,
        confidence: float = 0.0,
        probs: tuple[float, ...] = (),
        smoothed: tuple[float, ...] = (),
    ) -> Estimate:
        return Estimate(
            start=window.start,
            end=window.end,
            hop=window.hop,
            sample_rate=self.sample_rate,
            state=state,
            label=label,
            confidence=confidence,
            labels=self.model.labels,
            probs=probs,
            smoothed=smoothed,
            speech_ratio=window.speech_ratio,
            level_dbfs=window.level_dbfs,
            lost_samples=self._unreported,
            captured_at=self._captured_at(window.end),
        )

    def _close_segment(self) -> None:
        ended = self._segmenter.close()
        if ended is not None:
            self._records.append(ended)

    def _captured_at(self, end: int) -> float | None:
        if self._mark is None:
            return None
        index, captured_at = self._mark
        return captured_at - (index / self._rate - end / self.sample_rate)


def _level_dbfs(samples: FloatArray) -> float:
    power = float(np.dot(samples, samples)) / max(1, len(samples))
    return max(_SILENCE_DBFS, 10 * math.log10(max(power, 1e-12)))
