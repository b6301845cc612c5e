"""A voice that is remembered: what earlier streams learned of it, from when, and whether the present stream is like it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realtime_ser.engine.voice import VoiceState
from realtime_ser.errors import ModelError
from realtime_ser.features.normaliser import RunningNormaliser
from realtime_ser.records import FloatArray

FORMAT = 1
CHECK_AFTER_S = 8.0
"""Seconds of speech after which a stream is compared with its profile."""
LIKE_FROM = 0.5
"""Cosine of a stream's long-term spectrum and its profile's, below which the profile is let go; see docs/how-to."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a voice and its microphone, for ``Engine(profile=...)``; ``Engine.profile()`` returns one.

    It holds averages of features, never audio. It fits the model that it was made with, and no other.

    Attributes
    ----------
    voice : the state, with the name and hash of the model
    speech_s : seconds of speech that taught it, over all runs
    since, updated : ISO 8601 times of the first and the last run that were kept; empty: not kept yet
    """

    voice: VoiceState
    speech_s: float = 0.0
    since: str = ""
    updated: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As a mapping for JSON."""
        about = {"format": FORMAT, "since": self.since, "updated": self.updated, "speech_s": round(self.speech_s, 3)}
        return {**about, **self.voice.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Profile:
        """Read what ``to_dict`` gave.

        Raises
        ------
        ModelError : it is something else, or of another version
        """
        if not isinstance(values, Mapping) or "format" not in values:
            raise ModelError("it is no profile")
        if values["format"] != FORMAT:
            raise ModelError(f"its format {values['format']!r:.20} is not {FORMAT}, the one that this version reads")
        since, updated, speech_s = values.get("since"), values.get("updated"), values.get("speech_s")
        if not isinstance(since, str) or not isinstance(updated, str) or max(len(since), len(updated)) > 40:
            raise ModelError("'since' and 'updated' must be times")
        if isinstance(speech_s, bool) or not isinstance(speech_s, int | float) or not 0 <= speech_s < math.inf:
            raise ModelError("'speech_s' must be a number of seconds")
        if "model" not in values or "numbers" not in values:
            raise ModelError("it has no 'model' and 'numbers'")
        voice = VoiceState.from_dict({"model": values["model"], "numbers": values["numbers"]})
        return cls(voice, float(speech_s), since, updated)


class VoiceCheck:
    """Compares the first seconds of a stream's speech with its profile.

    The stream's own averages are taken without the profile, from the model's prior on. Where their spectrum deviates from the
    training speakers' in another direction than the profile's does, it is another voice or another microphone.

    Parameters
    ----------
    own : a normaliser at the start of a stream; it learns alongside and is what the stream goes on with if it is unlike
    known : float32 (n,), the profile's means
    """

    def __init__(self, own: RunningNormaliser, known: FloatArray) -> None:
        self.own = own
        self._known = known
        self._seconds = self._before_s = 0.0

    def push(self, features: FloatArray, hop_s: float) -> bool | None:
        """Take a window of speech, as ``RunningNormaliser.normalise`` does; None as long as it is too early to say.

        Returns
        -------
        whether the stream is like the profile
        """
        self.own.normalise(features, hop_s)
        self._before_s = self._seconds
        self._seconds += hop_s
        if self._seconds < CHECK_AFTER_S:
            return None
        return self.own.likeness(self._known) >= LIKE_FROM

    def undo(self) -> None:
        """Forget the window of the last ``push``: it held no speech after all."""
        self.own.undo()
        self._seconds = self._before_s
