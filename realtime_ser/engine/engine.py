"""One stream: samples in, estimates out. Pure and synchronous: no thread, no clock, no I/O.

Samples are processed hop by hop whatever the size of the blocks, so that a file read whole, the same file in pieces and a
microphone give the same numbers. After a gap everything that remembers audio starts afresh: no window spans a gap.
"""

from __future__ import annotations

import math
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from realtime_ser.audio.high_pass import HighPass
from realtime_ser.audio.resample import Resampler
from realtime_ser.audio.samples import LevelCheck
from realtime_ser.config import Config
from realtime_ser.engine.gate import SpeechGate
from realtime_ser.engine.one_thread import OneThread, one_at_a_time
from realtime_ser.engine.segmenter import Segmenter
from realtime_ser.engine.smoother import Smoother
from realtime_ser.engine.timeline import Timeline
from realtime_ser.engine.voice import VoiceState
from realtime_ser.engine.window import WindowClassifier
from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import Block, Estimate, FloatArray, Health, Segment, State, Window

_SILENCE_DBFS = -120.0


class Engine(OneThread):
    """Cuts a stream into windows, classifies and smooths them, and accounts for every sample.

    One engine serves one stream, from one thread at a time. Engines in several threads may share a model.

    Parameters
    ----------
    model : the classifier, whose card owns the front end
    config : settings; None: the defaults
    voice : what ``snapshot_voice`` gave of an earlier stream of the same voice and microphone, where ``reset`` goes back to as
        well; None: a stream begins with the model's prior

    Attributes
    ----------
    hop, window, min_window : samples at the model's rate

    Raises
    ------
    ModelError : the config asks for a window that the model was not trained for, or ``voice`` is another model's
    ConfigError : ``model`` is no loaded model, or ``config`` no Config
    """

    def __init__(self, model: Classifier, config: Config | None = None, *, voice: VoiceState | None = None) -> None:
        if not hasattr(model, "predict"):
            raise ConfigError(f"Engine takes a loaded model, got {model!r:.80}: Engine(load_model('mlp'))")
        if not isinstance(config, Config | None):
            raise ConfigError(f"Engine takes a Config, got {config!r:.80}: make one with load_config or Config")
        config = config or Config()
        super().__init__()
        self.model = model
        self.sample_rate = model.spec.sample_rate
        self._windows = WindowClassifier(model, config.stream, nobody=config.gate.model, voice=voice)
        self.window, self.min_window = self._windows.window, self._windows.min_window
        hop_length = model.spec.hop_length
        self.hop = max(1, round(config.stream.hop_s * self.sample_rate / hop_length)) * hop_length
        self._time = Timeline(self.sample_rate)
        self._level = LevelCheck("Engine.push")
        self._high_pass = HighPass(self.sample_rate)
        self._gate = SpeechGate(config.gate, self.sample_rate, self.window / self.sample_rate)
        self._smoother = Smoother(model.labels, config.smoothing)
        self._segmenter = Segmenter(self.sample_rate)
        self.reset()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an Engine cannot be pickled or copied: it is a stream under way; hand over the model's path and make the Engine in"
            " the process that uses it"
        )

    @one_at_a_time
    def reset(self) -> None:
        """Forget everything: a new stream starts at sample 0."""
        self._records: list[Estimate | Segment] = []  # in the order of the stream, not taken yet
        self._old = 0  # so many of them are of earlier pushes
        self._time.reset()
        self._resampler: Resampler | None = None
        self._base = 0  # model index at which the current continuous piece begins
        self._fed = 0  # samples of the piece that have left the resampler
        self._covered = 0  # model index up to which windows, gate or loss account for every sample
        self._xruns = self._hops = self._classified = self._gated = self._dropped = 0
        self._unreported = 0  # lost samples that no estimate has mentioned yet
        self._level.reset()
        self._windows.reset()
        self._restart()

    @property
    def health(self) -> Health:
        """Where every sample went, so far."""
        captured = max(self._covered, self._time.captured)
        return Health(
            captured=captured,
            classified=self._classified,
            gated=self._gated,
            dropped=self._dropped,
            pending=captured - self._covered,
            windows=self._hops,
            xruns=self._xruns,
        )

    @property
    def until_next_s(self) -> float:
        """Seconds of audio that must yet be pushed for the next window, if none is lost."""
        waiting = self._next - self._fed - len(self._tail)
        return waiting / self.sample_rate + (0.0 if self._resampler is None else self._resampler.lag_s)

    @one_at_a_time
    def push(self, block: Block | npt.ArrayLike) -> list[Estimate]:
        """Take the next samples. They are copied where they are kept: the caller may use the same buffer again.

        Parameters
        ----------
        block : a ``Block``, or samples at the model's rate that follow the last ones: float (full scale is [-1, 1]), int16 or
            int32, of shape (n,) or (n, channels)

        Returns
        -------
        the estimates of the windows that these samples completed, in order

        Raises
        ------
        SourceError : the block starts before the previous one ended, its samples are of another type or shape, its rate or
            start is none, or the stream is 20 dB over full scale, which is a signal of 16 bits that was not scaled. Nothing has
            changed then.
        ConfigError : another thread uses the engine at this moment
        """
        block = self._time.next_block(block)
        usable = self._level(block.samples, block.rate)  # what is not usable is dropped and counted
        estimates: list[Estimate] = []
        self._forget_estimates()
        self._xruns += block.xruns
        if block.rate != self._time.rate:
            estimates += self._end_piece()
            self._time.change_rate(block)
        if block.start > self._time.expected or not usable:
            estimates += self._end_piece()
            self._time.expected = block.start if usable else block.end
            self._account_for_gap()
        if usable and len(block.samples):
            if self._resampler is None:
                self._account_for_gap()
                self._resampler = Resampler(block.rate, self.sample_rate)
            self._time.take(block)
            estimates += self._feed(self._resampler.push(block.samples))
        return estimates

    @one_at_a_time
    def skip(self, block: Block) -> None:
        """Drop samples without processing them, and whatever still waited for its hop; they are counted.

        Raises
        ------
        SourceError, ConfigError : as ``push`` does
        """
        block = self._time.next_block(block)
        if self._resampler is not None:
            self._resampler = None
            self._close_segment()
            self._restart()
        self._xruns += block.xruns
        if block.rate != self._time.rate:
            self._time.change_rate(block)
        self._time.expected = block.end
        self._account_for_gap()

    @one_at_a_time
    def flush(self) -> list[Estimate]:
        """End the stream: the last, shorter hop is classified too. What is too short to classify stays pending.

        What is pushed afterwards is a new piece of the same stream. It keeps what the model has learned of the voice
        and the microphone, as it does after a gap; ``reset`` forgets that.
        """
        self._forget_estimates()
        return self._end_piece()

    @one_at_a_time
    def snapshot_voice(self) -> VoiceState | None:
        """What the stream has learned of its voice and microphone; None where the model learns nothing of them.

        Hand it to ``restore_voice`` or to another ``Engine`` of the same model, and the stream goes on as a known voice.
        """
        return self._windows.snapshot_voice()

    @one_at_a_time
    def restore_voice(self, voice: VoiceState) -> None:
        """Replace what the stream has learned of its voice, at any moment; ``reset`` forgets it again.

        Raises
        ------
        ModelError : the state was taken with another model, or this one learns nothing of a voice
        """
        self._windows.restore_voice(voice)

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

    def _restart(self) -> None:
        """Forget the audio, not the counts."""
        self._windows.forget_audio()
        self._high_pass.reset()
        self._gate.reset()
        self._smoother.reset()
        self._tail = np.zeros(0, np.float32)
        self._fed = 0
        self._next = self.min_window  # of the piece: where the next window ends

    def _account_for_gap(self) -> None:
        """A new piece begins with the next sample: what no window covered before it is dropped."""
        self._base = max(self._covered, self._time.position(self._time.expected))
        lost = self._base - self._covered
        self._dropped += lost
        self._unreported += lost
        self._covered = self._base

    def _end_piece(self) -> list[Estimate]:
        """The continuous piece ends here: classify its last hop and forget the audio."""
        if self._resampler is None:
            return []
        length = self._time.position(self._time.expected) - self._base
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
        self._tail = audio[used:].copy()  # never a view of the caller's buffer
        return estimates

    def _hop(self, samples: FloatArray) -> Estimate:
        """Process the new samples that complete a window."""
        samples = self._high_pass.push(samples)
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
        probs = self._probabilities(window) if spoken else None
        estimate = self._pass_over(window) if probs is None else self._classify(window, probs)
        self._records.insert(before, estimate)  # the segment that it ended follows it
        self._hops += 1
        self._covered = end
        self._unreported = 0
        return estimate

    def _probabilities(self, window: Window) -> FloatArray | None:
        """The window's, float32 (C,); None where the model finds that nobody speaks."""
        # Last seconds in which nobody speaks say nothing.
        recent = self._windows.reaches_back and self._gate.is_speech(self._windows.recent_s)
        return self._windows.classify(window.hop, recent=recent)

    def _classify(self, window: Window, probs: FloatArray) -> Estimate:
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
            captured_at=self._time.captured_at(window.end),
        )

    def _close_segment(self) -> None:
        ended = self._segmenter.close()
        if ended is not None:
            self._records.append(ended)


def _level_dbfs(samples: FloatArray) -> float:
    power = float(np.dot(samples, samples)) / max(1, len(samples))
    return max(_SILENCE_DBFS, 10 * math.log10(max(power, 1e-12)))
