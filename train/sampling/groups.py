"""Groups of windows: one speaker's utterances through one channel, a reader's, or sounds.

The utterances of a group serve as each other's past, to which a stream would have adapted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from realtime_ser.audio.high_pass import high_passed
from realtime_ser.errors import ConfigError
from realtime_ser.records import FloatArray
from train.data.audio import RATE, Audio
from train.data.corpora import LABELS
from train.data.corpora.readers import PLAIN
from train.data.corpora.sounds import NOBODY, WITH_VOICES
from train.data.features import CHUNK
from train.data.manifest import Row
from train.data.responses import Responses
from train.sampling.channel import Channel

ACTED, READ, SOUND = 0, 1, 2
NOBODY_PLACE = len(LABELS)
LENGTHS_S, LENGTH_SHARES = (1.0, 1.5, 2.0, 2.5, 3.0), (0.1, 0.2, 0.2, 0.2, 0.3)
_SETTLES = 1600  # samples before a window, in which the high-pass settles
_ONE_MOOD = 0.3  # share of groups with at most two emotions
_ACROSS, _ACROSS_FROM_S = 0.25, 2.0  # share of long enough windows that begin in an earlier utterance
_SAME = 0.6  # of those, how often in the same emotion
_STRENGTHS, _STRENGTH_SHARES = (0.0, 0.5, 1.0), (0.3, 0.3, 0.4)  # of a group's channel: clean, mild, strong
_TAKEN, _AFTER_S = 0.5, (0.0, 0.5)  # share of sounds that the gate takes for speech, and how long before the window's end
_LEAD, _LEAD_SHARE = 0.15, (0.25, 0.8)  # share of windows that begin before the voice, and how much of them lies before it


@dataclass(frozen=True)
class Group:
    """Windows of one length.

    Attributes
    ----------
    samples : float32 (size, n) at 16 kHz, high-passed
    target : place of each window's label in ``LABELS``, or ``NOBODY_PLACE``
    kind : ``ACTED``, ``READ`` or ``SOUND``
    corpus, speaker : of the voice; of sounds "sounds" and ""
    """

    samples: FloatArray
    target: tuple[int, ...]
    kind: int
    corpus: str
    speaker: str


def corpus_shares(rows: Sequence[Row], corpora: Sequence[str], power: float) -> FloatArray:
    """Share of each corpus, (corpora,): it goes with the corpus's number of clips with an emotion to this power."""
    clips = Counter(row.corpus for row in rows if row.emotion in LABELS)
    weight = np.array([clips[corpus] ** power for corpus in corpora])
    return weight / weight.sum()


class Groups:
    """Draws groups.

    Parameters
    ----------
    audio : clips that may train; those of no known label are left out
    readers, sounds : share of groups with readers, and with sounds
    size : windows of a group
    power : a corpus's share of the acted groups goes with its clips to this power
    heard : by the place of a sound's clip, which of its chunks the gate takes for speech; half of the windows of sounds are of
        these, as the models meet no others
    """

    def __init__(
        self,
        audio: Audio,
        responses: Responses,
        rng: np.random.Generator,
        *,
        readers: float = 0.06,
        sounds: float = 0.06,
        size: int = 4,
        power: float = 0.5,
        heard: Mapping[int, npt.NDArray[np.bool_]] | None = None,
    ) -> None:
        self._audio, self._responses, self.rng = audio, responses, rng
        self._shares, self._size = (readers, sounds), size
        acted: dict[str, dict[str, dict[str, list[int]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
        read: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._sounds: list[int] = []
        self._voices: list[int] = []  # readers, who serve as background speech because no fold tests them
        for i, row in enumerate(audio.rows):
            if row.emotion == NOBODY:
                if row.sentence not in WITH_VOICES:
                    self._sounds.append(i)
                continue
            if row.emotion == PLAIN:
                self._voices.append(i)
                read[row.corpus][row.speaker].append(i)
            elif row.emotion in LABELS:
                acted[row.corpus][row.speaker][row.emotion].append(i)
        chunks = {i: np.flatnonzero(speech).tolist() for i, speech in (heard or {}).items() if i in self._sounds}
        self._taken = [(i, places) for i, places in chunks.items() if places]
        self._acted = [[(who, list(moods.items())) for who, moods in voices.items()] for voices in acted.values()]
        self._corpora = list(acted)
        self._corpus_share = corpus_shares(audio.rows, self._corpora, power)
        self._read = [(corpus, list(voices.items())) for corpus, voices in read.items()]

    def draw(self) -> Group:
        """The next group.

        Raises
        ------
        ConfigError : there is no clip with an emotion
        """
        length = round(float(self.rng.choice(LENGTHS_S, p=LENGTH_SHARES)) * RATE)
        chance = self.rng.random()
        if self._read and chance < self._shares[0]:
            return self._reader(length)
        if self._sounds and chance < sum(self._shares):
            sounds = [self._sound(length) for _ in range(self._size)]
            return self._group(sounds, [NOBODY_PLACE] * self._size, SOUND, "sounds", "")
        if not self._acted:
            raise ConfigError("there is no clip with an emotion to learn from; run `python -m train prepare`")
        return self._actor(length)

    def _group(self, windows: Sequence[FloatArray], target: Sequence[int], kind: int, corpus: str, speaker: str) -> Group:
        passed = np.stack([high_passed(window, RATE)[_SETTLES:] for window in windows])
        return Group(passed, tuple(target), kind, corpus, speaker)

    def _reader(self, length: int) -> Group:
        corpus, voices = self._read[self.rng.integers(len(self._read))]
        speaker, clips = voices[self.rng.integers(len(voices))]
        channel = self._channel()
        windows = [
            self._through(channel, self._window(_one(clips, self.rng), length, channel.speed)) for _ in range(self._size)
        ]
        return self._group(windows, [LABELS.index("neutral")] * self._size, READ, corpus, speaker)

    def _actor(self, length: int) -> Group:
        rng = self.rng
        number = int(rng.choice(len(self._acted), p=self._corpus_share))
        voices = self._acted[number]
        speaker, moods = voices[rng.integers(len(voices))]
        order = rng.permutation(len(moods))[: self._size].tolist()
        if rng.random() < _ONE_MOOD:
            order = rng.choice(order[:2], self._size).tolist()
        order += rng.integers(len(moods), size=self._size - len(order)).tolist()
        own = [clip for _, clips in moods for clip in clips]
        channel = self._channel()
        windows, target = [], []
        for place in order:
            emotion, clips = moods[place]
            clip, before = _one(clips, rng), None
            if length >= _ACROSS_FROM_S * RATE and rng.random() < _ACROSS:
                before = _one(clips if rng.random() < _SAME else moods[rng.integers(len(moods))][1], rng)
            windows.append(self._through(channel, self._window(clip, length, channel.speed, before), own))
            target.append(LABELS.index(emotion))
        return self._group(windows, target, ACTED, self._corpora[number], speaker)

    def _sound(self, length: int) -> FloatArray:
        rng, total = self.rng, length + _SETTLES
        taken = self._taken and rng.random() < _TAKEN
        samples = self._taken_for_speech(total) if taken else self._piece(self._sounds, total).copy()
        if not taken and rng.random() < 0.25:  # a short sound in a quiet room
            kept = int(rng.uniform(0.3, 0.9) * total)
            first = int(rng.integers(total - kept))
            samples[:first] *= 0.003
            samples[first + kept :] *= 0.003
        if not taken and rng.random() < 0.1:
            samples = (rng.standard_normal(total) * 0.05).astype(np.float32)
        return self._through(self._channel(), samples, speech=False)

    def _taken_for_speech(self, length: int) -> FloatArray:
        """So many samples of a sound, at whose end is what the gate takes for speech; silence where the sound ends before."""
        rng = self.rng
        clip, chunks = self._taken[int(rng.integers(len(self._taken)))]
        samples = self._audio.clip(clip)
        end = int((_one(chunks, rng) + 1) * CHUNK + rng.uniform(*_AFTER_S) * RATE)
        piece = samples[max(0, end - length) : end]
        return np.pad(piece, (length - len(piece) - max(0, end - len(samples)), max(0, end - len(samples))))

    def _channel(self) -> Channel:
        return Channel(self.rng, self._responses, float(self.rng.choice(_STRENGTHS, p=_STRENGTH_SHARES)))

    def _through(self, channel: Channel, samples: FloatArray, own: Sequence[int] = (), *, speech: bool = True) -> FloatArray:
        """Samples through a channel.

        Without readers the speaker's ``own`` clips talk behind an actor: a fold may test any other actor.
        """

        def talk(length: int) -> FloatArray:
            return self._piece(self._voices or own, length)

        def sound(length: int) -> FloatArray:
            return self._piece(self._sounds or self._voices or own, length)

        return channel(samples, talk, sound, speech=speech)

    def _piece(self, clips: Sequence[int], length: int) -> FloatArray:
        """So many samples of one of these clips, repeated where it is shorter."""
        samples = self._audio.spoken(_one(clips, self.rng))
        if len(samples) < length:
            samples = np.tile(samples, 1 + length // max(1, len(samples)))
        first = int(self.rng.integers(len(samples) - length + 1))
        return samples[first : first + length]

    def _window(self, clip: int, length: int, speed: float, before: int | None = None) -> FloatArray:
        """A window of a clip with silence beyond its ends, or one that begins in the clip ``before``."""
        rng, total = self.rng, length + _SETTLES
        if before is None and rng.random() < _LEAD:
            # As at the start of a stream: background, then some voice.
            lead = int(rng.uniform(*_LEAD_SHARE) * length)
            first = int(self._audio.voice[clip][0])
            samples = np.pad(self._bent(clip, speed, before=lead), (max(0, lead - first), 0))[:length]
            samples = np.pad(samples, (total - len(samples), 0))
            return samples + (rng.standard_normal(total) * 1e-5).astype(np.float32)
        samples = self._bent(clip, speed)
        if before is not None:
            kept = samples[: int(rng.uniform(0.9, 2.2) * RATE)]
            pause = np.zeros(int(rng.uniform(0, 0.5) * RATE), np.float32)
            samples = np.concatenate((self._bent(before, speed), pause, kept))[-total:]
        if len(samples) <= total:
            lead = int(rng.uniform(0, 1) * (total - len(samples)))
            samples = np.pad(samples, (lead, total - len(samples) - lead))
        else:
            first = int(rng.integers(len(samples) - total + 1))
            samples = samples[first : first + total]
        # Add a converter's noise, because rooms have no digital silence.
        return samples + (rng.standard_normal(total) * 1e-5).astype(np.float32)

    def _bent(self, clip: int, speed: float, before: int = RATE // 10) -> FloatArray:
        samples = self._audio.spoken(clip, before=before, after=RATE // 5)
        return samples if speed == 1.0 else np.asarray(soxr.resample(samples, RATE * speed, RATE, quality="MQ"), np.float32)


def _one(clips: Sequence[int], rng: np.random.Generator) -> int:
    return int(clips[int(rng.integers(len(clips)))])
