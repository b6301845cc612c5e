"""Two models on one stream, whose probabilities are averaged: they are wrong about different people."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from realtime_ser.config import StreamConfig
from realtime_ser.engine.profile import Profile
from realtime_ser.engine.voice import VoiceState
from realtime_ser.engine.window import WindowClassifier
from realtime_ser.errors import ModelError
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import FloatArray


def window_classifier(
    model: Classifier, config: StreamConfig, *, nobody: bool = True, profile: Profile | None = None
) -> WindowClassifier | VotingWindows:
    """What classifies a stream's windows: the model, or with ``config.vote`` the model and its voter."""
    votes = config.vote and model.card.vote is not None and model.voter is not None
    return (VotingWindows if votes else WindowClassifier)(model, config, nobody=nobody, profile=profile)


class VotingWindows:
    """As ``WindowClassifier``, for a model with a voter: both classify each window, and their weighted mean is the answer.

    The mean holds the "nobody speaks" output, so both decide together whether somebody speaks; where one of them lacks that
    output, the other decides alone. Window lengths are the model's.
    A voice's state holds both models' numbers. Where one of them finds the voice unlike the profile, both forget it: the state
    of a graph, which alone is not compared, follows its voter's comparison.

    Parameters, attributes and errors are those of ``WindowClassifier``.
    """

    def __init__(self, model: Classifier, config: StreamConfig, *, nobody: bool = True, profile: Profile | None = None) -> None:
        assert model.voter is not None
        assert model.card.vote is not None
        self._share, self._sharper = np.float32(model.card.vote.share), 1 / model.card.vote.temperature
        both = (model, model.voter)
        # Both decide from the same numbers, so by the same limit.
        windows = partial(WindowClassifier, config=config, nobody=nobody, nobody_from=model.card.nobody_from)
        self._own, self._other = (windows(each) for each in both)
        self.name = f"{self._own.name} + {self._other.name}"
        if profile is not None:
            parts = [None if part is None else replace(profile, voice=part) for part in self._parts(profile.voice)]
            self._own, self._other = (windows(each, profile=part) for each, part in zip(both, parts, strict=True))
        self._unlike = False
        own = self._own
        self.window, self.min_window, self.recent_s = own.window, own.min_window, own.recent_s
        self.shortest = max(own.shortest, self._other.shortest)

    @property
    def parts(self) -> tuple[WindowClassifier, ...]:
        """One per model: the chosen one, and its voter."""
        return self._own, self._other

    @property
    def like_profile(self) -> bool | None:
        """Whether the stream is like the profile, as soon as one of the models has compared them."""
        return False if self._unlike else self._own.like_profile or self._other.like_profile

    @property
    def ready(self) -> bool:
        """Whether there is a frame to classify."""
        return self._own.ready and self._other.ready

    @property
    def reaches_back(self) -> bool:
        """Whether the window is longer than its last ``recent_s``."""
        return self._own.reaches_back

    def reset(self) -> None:
        """Start a new stream, with the profile if one was given."""
        self._own.reset()
        self._other.reset()
        self._unlike = False

    def forget_audio(self) -> None:
        """Forget the audio at a gap, which no window may span, but keep the adaptation to voice and microphone."""
        self._own.forget_audio()
        self._other.forget_audio()

    def push(self, samples: FloatArray) -> None:
        """Take the next samples, float32 (n,) at the models' rate."""
        self._own.push(samples)
        self._other.push(samples)

    def classify(self, hop: int, *, recent: bool) -> FloatArray | None:
        """Classify the newest window; see ``WindowClassifier.classify``."""
        own, other = (each.outputs(hop, recent=recent) for each in (self._own, self._other))
        own, other = _with_nobody(own, other), _with_nobody(other, own)
        probs = (1 - self._share) * own + self._share * other
        if self._sharper != 1:
            probs **= np.float32(self._sharper)
            probs /= probs.sum()
        # Each decides from the same numbers, and forgets the window where nobody speaks.
        self._other.decide(probs)
        emotions = self._own.decide(probs)
        if not self._unlike and False in (self._own.like_profile, self._other.like_profile):
            self._unlike = True
            for each in (self._own, self._other):
                if each.like_profile is not False:  # the one that found it has begun anew already
                    each.forget_voice()
        return emotions

    def snapshot_voice(self) -> VoiceState | None:
        """Both models' adaptation to voice and microphone, the voter's last; of one alone where the other has none."""
        own, other = self._own.snapshot_voice(), self._other.snapshot_voice()
        if own is None or other is None:
            return own or other
        return VoiceState(self.name, (*own.numbers, *other.numbers))

    def restore_voice(self, voice: VoiceState) -> None:
        """Continue from a snapshot; ModelError, and no change, if it does not fit the models.

        A snapshot of the model without its voter is taken too. The voter then learns the voice anew.
        """
        own, other = self._parts(voice)
        before = self._own.snapshot_voice()
        if own is not None:
            self._own.restore_voice(own)
        if other is None:
            self._other.forget_voice()
            return
        try:
            self._other.restore_voice(other)
        except ModelError:
            if before is not None:
                self._own.restore_voice(before)
            raise

    def _parts(self, voice: VoiceState) -> tuple[VoiceState | None, VoiceState | None]:
        """A snapshot's part for the model and that for its voter."""
        own = self._own.snapshot_voice()
        if own is None:
            return None, voice
        if voice.model != self.name:
            return voice, None
        size = len(own.numbers)
        return VoiceState(self._own.name, voice.numbers[:size]), VoiceState(self._other.name, voice.numbers[size:])


def _with_nobody(row: FloatArray, other: FloatArray) -> FloatArray:
    """A model's outputs; with the other model's "nobody speaks" where it alone has that output."""
    if len(row) >= len(other):
        return row
    return np.append(row * (1 - other[-1]), other[-1])
