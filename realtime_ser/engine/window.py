"""Classifies the newest window of a stream: front end, running normalisation, model.

With ``recent_share`` above 0, also classifies the window's last ``recent_s`` separately: the long window is more accurate, the
short one reacts sooner.
"""

from __future__ import annotations

import numpy as np

from realtime_ser.config import StreamConfig
from realtime_ser.engine.profile import Profile, VoiceCheck
from realtime_ser.engine.voice import VoiceState
from realtime_ser.errors import ModelError
from realtime_ser.features.normaliser import RunningNormaliser
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import FloatArray

_LEAST = np.float32(1e-8)  # lower limit of a probability before its logarithm


class WindowClassifier:
    """The classification state of one stream: front end, normaliser and the model's own state.

    Parameters
    ----------
    model : the classifier, whose card owns the front end
    config : window lengths, and the weight of the last seconds
    nobody : let a model that has a "nobody speaks" output use it
    nobody_from : the output's least probability for that; None: the card's
    profile : adaptation of earlier streams to the voice; None: start from the model's prior

    Attributes
    ----------
    window, min_window : samples at the model's rate
    shortest : samples of the shortest piece of a stream that is classified at its end
    name : of the model, with the beginning of its hash: a voice's state says which model it is of
    recent_s : seconds at a window's end that are also classified separately; 0: none
    like_profile : whether the stream is like the profile; None: not compared yet, no profile, or a graph that carries the
        state, which is not compared

    Raises
    ------
    ModelError : the config asks for a window that the model was not trained for
    """

    def __init__(
        self,
        model: Classifier,
        config: StreamConfig,
        *,
        nobody: bool = True,
        nobody_from: float | None = None,
        profile: Profile | None = None,
    ) -> None:
        card, spec = model.card, model.spec
        window_s = config.window_s or card.window_s
        min_window_s = min(config.min_window_s or card.min_window_s, window_s)
        if window_s > card.window_s or min_window_s < card.min_window_s:
            raise ModelError(
                f"model {card.name!r} takes windows of {card.min_window_s:g} to {card.window_s:g} s; the config asks for"
                f" {min_window_s:g} to {window_s:g} s (stream.min_window_s, stream.window_s)"
            )
        self._model = model
        self._front_end = model.front_end(window_s)
        self._normaliser = model.normaliser()
        self._stream, self._nobody = card.stream, nobody
        self._nobody_from = card.nobody_from if nobody_from is None else nobody_from
        self._state = model.first_state()
        self.name = f"{card.name} {card.sha256[:16]}"
        self._profile = profile
        self._check: VoiceCheck | None = None
        # The comparison that the newest window completed, and the normaliser before it.
        self._completed: tuple[VoiceCheck, RunningNormaliser] | None = None
        self._begin()
        self._sample_rate = spec.sample_rate
        self.window = spec.samples_in(self._front_end.window_frames)
        self.min_window = min(spec.samples_in(spec.frames_in(min_window_s)), self.window)
        # The end of a stream may be shorter, unless the network takes one length alone.
        self.shortest = self.min_window if model.fixed_length else self.min_window // 2
        separately = config.recent_s and config.recent_share
        # A graph with a state has a fixed length; other models take no shorter windows than they were trained for.
        recent_s = card.stream.recent_s if card.stream else max(config.recent_s, card.min_window_s)
        self._recent_frames = spec.frames_in(recent_s) if separately else 0
        self._recent_share = np.float32(config.recent_share)
        self.recent_s = spec.samples_in(self._recent_frames) / self._sample_rate if separately else 0.0

    @property
    def parts(self) -> tuple[WindowClassifier, ...]:
        """One per model: this one alone."""
        return (self,)

    def reset(self) -> None:
        """Start a new stream, with ``profile`` if that was given."""
        self.forget_voice()
        self._begin()
        self.forget_audio()

    def forget_voice(self) -> None:
        """Forget the adaptation to voice and microphone, a profile's too, but not the audio."""
        if self._normaliser is not None:
            self._normaliser.reset()
        self._state = self._model.first_state()
        self._check = self._completed = None

    def _begin(self) -> None:
        self.like_profile: bool | None = None
        if self._profile is None:
            return
        self.restore_voice(self._profile.voice)
        own = self._model.normaliser()
        if own is not None and self._normaliser is not None:
            self._check = VoiceCheck(own, self._normaliser.mean)

    def forget_audio(self) -> None:
        """Forget the audio at a gap, which no window may span, but keep the adaptation to voice and microphone."""
        self._front_end.reset()

    def snapshot_voice(self) -> VoiceState | None:
        """The adaptation to voice and microphone; None for a model without any."""
        if self._stream is not None:
            return VoiceState(self.name, tuple(self._state.tolist()))
        return None if self._normaliser is None else VoiceState(self.name, self._normaliser.snapshot())

    def restore_voice(self, voice: VoiceState) -> None:
        """Continue from a snapshot; ModelError, and no change, if it does not fit the model."""
        if voice.model != self.name:
            raise ModelError(f"a voice's state: it was taken with model {voice.model!r}; take it again with {self.name!r}")
        if self._stream is not None:
            state = np.array(voice.numbers, np.float32)
            if state.shape != self._state.shape or not np.isfinite(state).all():
                raise ModelError(f"a voice's state: {len(self._state)} finite numbers are needed, not {len(state)}")
            self._state = state
        elif self._normaliser is not None:
            self._normaliser.restore(voice.numbers)
        else:
            raise ModelError(f"a voice's state: model {self.name!r} learns nothing of a voice")
        self._check = self._completed = None

    def push(self, samples: FloatArray) -> None:
        """Take the next samples, float32 (n,) at the model's rate."""
        self._front_end.push(samples)

    @property
    def ready(self) -> bool:
        """Whether there is a frame to classify."""
        return bool(self._front_end.frames)

    @property
    def reaches_back(self) -> bool:
        """Whether the window is longer than its last ``recent_s``."""
        return 0 < self._recent_frames < min(self._front_end.frames, self._front_end.window_frames)

    def classify(self, hop: int, *, recent: bool) -> FloatArray | None:
        """Classify the newest window.

        Parameters
        ----------
        hop : samples since the last classified window: the weight of this one in the normalisation
        recent : also classify its last seconds separately, if it ``reaches_back``

        Returns
        -------
        float32 (C,), probabilities; with ``recent`` the weighted geometric mean of both, on which the model's temperature has
        the same effect as on each of them. None: the model finds that nobody speaks
        """
        return self.decide(self.outputs(hop, recent=recent))

    def outputs(self, hop: int, *, recent: bool) -> FloatArray:
        """As ``classify``, with the "nobody speaks" output last where the card has it; ``decide`` must follow."""
        recent = recent and self.reaches_back
        return self._classify(hop, recent) if self._stream is None else self._follow(hop, recent)

    def decide(self, probs: FloatArray) -> FloatArray | None:
        """What ``classify`` returns for outputs of the newest window, its own or an average with another model's."""
        emotions = self._emotions(probs)
        if emotions is None:
            self._unlearn()
        self._completed = None
        return emotions

    def _unlearn(self) -> None:
        """Forget the newest window, in which nobody speaks: it is no part of the voice, nor of its comparison."""
        if self._normaliser is not None:
            self._normaliser.undo()
        if self._completed is not None:
            self._check, self._normaliser = self._completed
            self.like_profile = None
        if self._check is not None:
            self._check.undo()

    def _classify(self, hop: int, recent: bool) -> FloatArray:
        """Classify with a network that the normaliser precedes, or none."""
        lengths = (self._front_end.window_frames, self._recent_frames) if recent else (self._front_end.window_frames,)
        window, *rest = self._front_end.windows(lengths)
        if self._normaliser is not None:
            window = self._normalised(window, hop / self._sample_rate)
        if not rest:
            alone: FloatArray = self._outputs(window[np.newaxis])[0]
            return alone
        (last,) = rest
        if self._normaliser is not None:
            last = self._normaliser.relative(last)
        if window.shape == last.shape:  # vectors: one call of the network for both
            probs, sooner = self._outputs(np.concatenate((window, last)).reshape(2, *window.shape))
        else:
            probs, sooner = self._outputs(window[np.newaxis])[0], self._outputs(last[np.newaxis])[0]
        return self._joined(probs, sooner)

    def _outputs(self, windows: FloatArray) -> FloatArray:
        """The network's probabilities for windows of equal length, "nobody" included where its card has it."""
        return self._model.outputs(windows) if self._model.card.nobody else self._model.predict(windows)

    def _normalised(self, window: FloatArray, hop_s: float) -> FloatArray:
        """Learn from the window and normalise it; drop the profile when the stream is unlike it."""
        assert self._normaliser is not None
        if self._check is not None:
            self.like_profile = self._check.push(window, hop_s)
            if self.like_profile is not None:
                own, self._completed, self._check = self._check.own, (self._check, self._normaliser), None
                if not self.like_profile:
                    # Go on as if the stream had begun without the profile; this window has been learned from already.
                    self._normaliser = own
                    return own.relative(window)
        return self._normaliser.normalise(window, hop_s)

    def _follow(self, hop: int, recent: bool) -> FloatArray:
        """Classify with a graph that takes and returns the stream's state."""
        window = self._front_end.window()[np.newaxis]
        (probs, sooner), self._state = self._model.follow(window, self._state, hop / self._sample_rate)
        return self._joined(probs, sooner) if recent else probs

    def _emotions(self, probs: FloatArray) -> FloatArray | None:
        """Probabilities of the labels; None where "nobody" is as probable as each of them and as ``nobody_from``, or more."""
        if len(probs) == len(self._model.labels):
            return probs
        emotions = probs[: len(self._model.labels)]
        if self._nobody and probs[-1] >= max(emotions.max(), self._nobody_from):
            return None
        emotions = np.maximum(emotions, _LEAST)  # avoids 0 / 0 where the "nobody" output is certain
        return np.asarray(emotions / emotions.sum(), np.float32)

    def _joined(self, probs: FloatArray, sooner: FloatArray) -> FloatArray:
        share = self._recent_share
        both = np.maximum(probs, _LEAST) ** (1 - share) * np.maximum(sooner, _LEAST) ** share
        return np.asarray(both / both.sum(), np.float32)
