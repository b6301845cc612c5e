"""One stream: samples in, estimates out. Pure and synchronous: no thread, no clock, no I/O.

Samples are processed hop by hop whatever the size of the blocks, so that a file read whole, the same file in pieces and a
microphone give the same numbers. A gap resets every state that holds audio, so that no window spans it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from realtime_ser.audio.high_pass import HighPass
from realtime_ser.audio.level_check import LevelCheck
from realtime_ser.config import Config, checked
from realtime_ser.engine.account import SampleAccount
from realtime_ser.engine.gate import SpeechGate
from realtime_ser.engine.hops import HopCutter
from realtime_ser.engine.labeller import Labeller
from realtime_ser.engine.one_thread import OneThread, one_at_a_time
from realtime_ser.engine.profile import Profile
from realtime_ser.engine.record_queue import RecordQueue
from realtime_ser.engine.timeline import Timeline
from realtime_ser.engine.voice import VoiceState
from realtime_ser.engine.vote import window_classifier
from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import Block, Estimate, FloatArray, Health, Notice, Segment, Window

_SILENCE_DBFS = -120.0
_UNLIKE = "this voice or microphone is unlike the profile's; the profile is not used from here on, and stays as it is"


class Engine(OneThread):
    """Cuts a stream into windows, classifies and smooths them, and accounts for every sample.

    One engine serves one stream, from one thread at a time. Engines in several threads may share a model.

    Parameters
    ----------
    model : the classifier, whose card owns the front end
    config : settings; None: the defaults
    profile : ``profile()`` of an earlier stream of the same voice and microphone, to which ``reset`` returns as well; None:
        start from the model's prior. After eight seconds of speech the stream is compared with it. If they differ, the stream
        continues as if it had started without it, and a ``Notice`` of kind "profile_unlike" is among the records

    Attributes
    ----------
    hop, window, min_window : samples at the model's rate
    shortest : samples of the shortest piece that is classified where a stream or a piece between two gaps ends

    Raises
    ------
    ModelError : the config sets a window that the model was not trained for, or ``profile`` was made with another model
    ConfigError : the config has a value that no file may have, or its hop is longer than the window; ``model`` is not a loaded
        model, ``config`` not a Config, or ``profile`` not a Profile
    """

    def __init__(self, model: Classifier, config: Config | None = None, *, profile: Profile | None = None) -> None:
        if not hasattr(model, "predict"):
            raise ConfigError(f"Engine takes a loaded model, got {model!r:.80}: Engine(load_model('mlp'))")
        if not isinstance(profile, Profile | None):
            raise ConfigError(f"Engine takes a Profile, got {profile!r:.80}: use what Engine.profile() returned")
        config = Config() if config is None else checked(config)
        super().__init__()
        self.model = model
        self.sample_rate = model.spec.sample_rate
        self._windows = window_classifier(model, config.stream, nobody=config.gate.model, profile=profile)
        self._profile = profile
        self.window, self.min_window = self._windows.window, self._windows.min_window
        hop_length = model.spec.hop_length
        self.hop = max(1, round(config.stream.hop_s * self.sample_rate / hop_length)) * hop_length
        if self.hop > self.window:
            hop_s, window_s = self.hop / self.sample_rate, self.window / self.sample_rate
            raise ConfigError(
                f"stream.hop_s of {hop_s:g} s is longer than the window of {window_s:g} s: nothing would hear what lies between"
                " two windows"
            )
        self._time = Timeline(self.sample_rate)
        self._level = LevelCheck("Engine.push")
        self._high_pass = HighPass(self.sample_rate)
        self._gate = SpeechGate(config.gate, self.sample_rate, self.window / self.sample_rate)
        self._labeller = Labeller(model.labels, config.smoothing, self.sample_rate)
        self._records = RecordQueue()
        self.shortest = self._windows.shortest
        self._hops = HopCutter(self.sample_rate, self.min_window, self.hop, self.shortest)
        self.reset()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an Engine cannot be pickled or copied, because it holds a stream; pass the model's path and make the Engine in the"
            " process that uses it"
        )

    @one_at_a_time
    def reset(self) -> None:
        """Forget everything: a new stream starts at sample 0."""
        self._records.reset()
        self._time.reset()
        self._account = SampleAccount()
        self._base = 0  # model index at which the current continuous piece begins
        self._xruns = 0
        self._level.reset()
        self._windows.reset()
        self._restart()

    @property
    def health(self) -> Health:
        """Counts of classified, gated, dropped and pending samples so far."""
        return self._account.health(self._time.captured, self._xruns)

    @property
    def until_next_s(self) -> float:
        """Seconds of audio that must yet be pushed for the next window, if none is lost."""
        return self._hops.until_next_s

    @one_at_a_time
    def push(self, block: Block | npt.ArrayLike) -> list[Estimate]:
        """Take the next samples. What is kept is copied, so the caller may reuse the buffer.

        Parameters
        ----------
        block : a ``Block``, or samples at the model's rate that follow the last ones: float (full scale is [-1, 1]), int16 or
            int32, of shape (n,) or (n, channels). Channels are averaged, whatever their phase; ``stream()`` and ``Downmix``
            also choose a channel, and take the louder one where channels cancel each other

        Returns
        -------
        the estimates of the windows that these samples completed, in order

        Raises
        ------
        SourceError : the block starts before the previous one ended, its samples, rate or start are invalid, or the stream is
            20 dB over full scale (unscaled 16-bit samples). Nothing has changed then.
        ConfigError : another thread uses the engine at this moment
        """
        block = self._time.next_block(block)
        usable = self._level(block.samples, block.rate)  # unusable samples are dropped and counted
        estimates: list[Estimate] = []
        self._records.drop_estimates()
        self._xruns += block.xruns
        if block.rate != self._time.rate:
            estimates += self._end_piece()
            self._time.change_rate(block)
        if block.start > self._time.expected or not usable:
            estimates += self._end_piece()
            self._time.expected = block.start if usable else block.end
            self._account_for_gap()
        if usable and len(block.samples):
            if not self._hops.active:
                self._account_for_gap()
                self._hops.start(block.rate)
            self._time.take(block)
            estimates += map(self._hop, self._hops.push(block.samples))
        return estimates

    @one_at_a_time
    def skip(self, block: Block) -> None:
        """Drop samples without processing them, and samples of an incomplete hop before them; all are counted.

        Raises
        ------
        SourceError, ConfigError : as ``push`` does
        """
        block = self._time.next_block(block)
        if self._hops.active:
            self._records.add(self._labeller.segmenter.close())
            self._restart()
        self._xruns += block.xruns
        if block.rate != self._time.rate:
            self._time.change_rate(block)
        self._time.expected = block.end
        self._account_for_gap()

    @one_at_a_time
    def flush(self) -> list[Estimate]:
        """End the stream and classify its last, shorter hop too. Samples too few to classify stay pending.

        Samples pushed afterwards are a new piece. The adaptation to the voice is kept, as after a gap; ``reset`` forgets it.
        """
        self._records.drop_estimates()
        return self._end_piece()

    @one_at_a_time
    def profile(self) -> Profile | None:
        """The adaptation to voice and microphone so far, for a later ``Engine``; None for a model without any.

        It includes the profile that the stream started with, unless the stream is unlike it (``unlike_profile``).
        """
        voice = self._windows.snapshot_voice()
        if voice is None:
            return None
        speech_s = self.health.classified / self.sample_rate
        if self._profile is None or self.unlike_profile:
            return Profile(voice, speech_s)
        return replace(self._profile, voice=voice, speech_s=self._profile.speech_s + speech_s)

    @property
    def unlike_profile(self) -> bool:
        """Whether the comparison found this stream unlike the profile that it started with."""
        return self._windows.like_profile is False

    @one_at_a_time
    def snapshot_voice(self) -> VoiceState | None:
        """The state in ``profile()``, for ``restore_voice``: to move a stream to another engine. None for a model without any.

        To start later streams with it, use ``profile()``, which is compared with them.
        """
        return self._windows.snapshot_voice()

    @one_at_a_time
    def restore_voice(self, voice: VoiceState) -> None:
        """Replace the adaptation to voice and microphone, at any time, without a comparison; ``reset`` forgets it again.

        Raises
        ------
        ModelError : the state was taken with another model, or this one has no adaptation
        """
        self._windows.restore_voice(voice)

    def take_records(self) -> list[Estimate | Segment | Notice]:
        """Estimates, segments and notices since the last call, in the order of the stream: each follows its window.

        Estimates of earlier pushes are left out, because ``push`` has returned them; those of a push that failed are included.
        """
        return self._records.take()

    def take_segments(self) -> list[Segment]:
        """The segments that ended since the last call of this or of ``take_records``."""
        return [record for record in self.take_records() if isinstance(record, Segment)]

    def _restart(self) -> None:
        """Forget the audio, keep the counts."""
        self._windows.forget_audio()
        self._high_pass.reset()
        self._gate.reset()
        self._labeller.reset()
        self._hops.reset()

    def _account_for_gap(self) -> None:
        """Start a new piece at the next sample; samples before it that no window covered are dropped."""
        self._base = self._account.drop_until(self._time.position(self._time.expected))

    def _end_piece(self) -> list[Estimate]:
        """End the continuous piece: classify its last hop and forget the audio."""
        if not self._hops.active:
            return []
        length = self._time.position(self._time.expected) - self._base
        estimates = [self._hop(samples) for samples in self._hops.finish(length)]
        self._records.add(self._labeller.segmenter.close())
        self._restart()
        return estimates

    def _hop(self, samples: FloatArray) -> Estimate:
        """Process the new samples that complete a window."""
        samples = self._high_pass.push(samples)
        self._windows.push(samples)
        self._gate.push(samples)
        end = self._base + self._hops.cut
        start = max(self._base, end - self.window)
        length_s = (end - start) / self.sample_rate
        ratio = self._gate.speech_ratio(length_s)
        window = Window(start, end, len(samples), ratio, _level_dbfs(samples))
        spoken = self._gate.is_speech(length_s, len(samples) / self.sample_rate) and self._windows.ready
        undecided = self._windows.like_profile is None
        probs = self._probabilities(window) if spoken else None
        lost, captured_at = self._account.unreported, self._time.captured_at(end)
        if probs is None:
            estimate, ended = self._labeller.silence(window, lost, captured_at)
        else:
            estimate, ended = self._labeller.speech(window, probs, lost, captured_at)
        self._records.add(estimate)
        self._records.add(ended)
        if undecided and self.unlike_profile:
            self._records.add(Notice("profile_unlike", _UNLIKE, end, self.sample_rate))
        self._account.window(end, window.hop, classified=probs is not None)
        return estimate

    def _probabilities(self, window: Window) -> FloatArray | None:
        """Probabilities of the window, float32 (C,); None where the model finds that nobody speaks."""
        # Classify the last seconds separately only if they hold speech.
        recent = self._windows.reaches_back and self._gate.is_speech(self._windows.recent_s)
        return self._windows.classify(window.hop, recent=recent)


def _level_dbfs(samples: FloatArray) -> float:
    power = float(np.dot(samples, samples)) / max(1, len(samples))
    return max(_SILENCE_DBFS, 10 * math.log10(max(power, 1e-12)))
