"""What a network is made of and how it is trained, as dataclasses: the parts of ``recipes.yaml`` that a card records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from realtime_ser.config_build import between
from realtime_ser.features.spec import FrontEndSpec
from train.data.augment import PLAIN, Variant


@dataclass(frozen=True, slots=True)
class Masking:
    """Augmentation of log-mel: probabilities per window, sizes in bands, frames and dB; ``babble_snr_db`` below the voice."""

    tilt_db: float = between(0, 60, default=6.0)
    shift_bands: float = between(0, 64, default=2.0)
    noise_probability: float = between(0, 1, default=0.3)
    noise_db: tuple[float, float] = between(-120, 60, default=(-60.0, -15.0))
    limit_probability: float = between(0, 1, default=0.0)
    babble_probability: float = between(0, 1, default=0.0)
    babble_snr_db: tuple[float, float] = between(-60, 120, default=(8.0, 30.0))
    time_masks: int = between(0, 100, default=2)
    time_width: int = between(0, 10_000, default=16)
    band_masks: int = between(0, 100, default=2)
    band_width: int = between(0, 512, default=8)


@dataclass(frozen=True, slots=True)
class NormRecipe:
    """``prior_s`` and ``memory_s`` of the card's normalisation."""

    prior_s: float = between(0.01, 3600, default=4.0)
    memory_s: float = between(0.01, 3600, default=40.0)


@dataclass(frozen=True, slots=True)
class Taught:
    """How a small network learns from ``large``, on the windows that were drawn for it.

    Attributes
    ----------
    steps : batches in all
    label : weight of an actor's own label in the target; the teacher's answer has the rest
    readers, sounds : share of the groups with readers, and with sounds
    answers : groups to which a fold's teacher gives its answer, where there are more; 0: all, as for what ships
    pasts : share of windows with a past of the same voice, to which the running normalisation has adapted. The rest are
        relative to the training speakers' mean alone: the fewer pasts, the better the first estimates of a voice
    moved : half of the groups' vectors move by up to this many times the difference of two other groups' means, as if another
        voice spoke through another microphone (vectors only)
    clips : share of a batch (log-mel: of the batches) that are the clips' windows under the variants, with their labels alone
    """

    steps: int = between(1, 10**7, default=6000)
    answers: int = between(0, 10**7, default=4000)
    label: float = between(0, 1, default=0.5)
    readers: float = between(0, 1, default=0.1)
    sounds: float = between(0, 1, default=0.12)
    pasts: float = between(0, 1, default=0.6)
    moved: float = between(0, 100, default=0.0)
    clips: float = between(0, 0.99, default=0.0)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Recipe of one system.

    Attributes
    ----------
    front_end : changes to ``FrontEndSpec``'s defaults; ``recipe`` must be given
    network : keyword arguments of the network's class
    variants : cached versions of the audio, beside the plain one
    epochs, batch, rate, decay : of AdamW under a one-cycle schedule
    average : decay of the running mean of the weights, which is scored and exported
    mixup : parameter of the Beta distribution; 0: none
    label_smoothing : share of the target spread over all labels
    side : weight of the auxiliary loss (gender, intensity)
    per_clip : windows of a clip per epoch (vectors only)
    networks : trained with successive seeds and averaged in one graph
    joined : another system whose networks are averaged in too, or None
    joined_share : their weight in the average
    others_first : this many of the networks, the last ones, start from the weights of a network trained on the other corpora,
        if a run is trained on some of them only (test corpora are excluded)
    across : share of the other networks' windows that begin in an earlier clip of the speaker, as in a stream (stacked only)
    norm : the running normalisation, or None
    plain : share of windows from the plain audio; the variants have the rest, by their own ``share``
    corpus_power : see ``sampling.draws``
    epoch_clips : most clips per epoch (stacked only), so that more corpora do not take more time; 0: all
    taught : learn from ``large`` on the drawn windows, with a last output "nobody speaks"; then side, epochs, joined and
        others_first do not apply, and variants, plain, epoch_clips, per_clip and across only to its ``clips``. None: learn from
        the labels on cached variants
    """

    front_end: Mapping[str, Any]
    network: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    masking: Masking = field(default_factory=Masking)
    epochs: int = between(1, 100_000, default=60)
    batch: int = between(1, 100_000, default=32)
    rate: float = between(0, 10, default=2e-3)
    decay: float = between(0, 10, default=0.02)
    average: float = between(0, 1, default=0.998)
    mixup: float = between(0, 100, default=0.3)
    label_smoothing: float = between(0, 1, default=0.1, formerly="smoothing")
    side: float = between(0, 100, default=0.2)
    per_clip: int = between(1, 10_000, default=8)
    networks: int = between(1, 100, default=1)
    joined: str | None = None
    joined_share: float = between(0, 1, default=0.5)
    others_first: int = between(0, 100, default=0)
    across: float = between(0, 1, default=0.0)
    norm: NormRecipe | None = None
    plain: float = between(0, 1, default=0.5)
    corpus_power: float = between(0, 10, default=1.0)
    epoch_clips: int = between(0, 10**9, default=0)
    taught: Taught | None = None

    @property
    def spec(self) -> FrontEndSpec:
        """The front end."""
        return FrontEndSpec.from_dict(self.front_end)

    @property
    def chances(self) -> tuple[float, ...]:
        """Probability of each of ``all_variants``."""
        total = sum(variant.share for variant in self.variants)
        return (self.plain if self.variants else 1.0, *((1 - self.plain) * v.share / total for v in self.variants))

    @property
    def all_variants(self) -> tuple[Variant, ...]:
        """The plain audio, then the others."""
        return (PLAIN, *self.variants)


@dataclass(frozen=True, slots=True)
class WaveformRecipe:
    """Recipe of ``large``.

    Attributes
    ----------
    networks : trained with successive seeds; what ships is the mean of their weights
    drawn : groups that are drawn beforehand and kept on disk
    steps, groups, size : each step sees ``groups`` groups of ``size`` windows
    rate, head_rate, decay : of AdamW for the blocks, for the layer on top, and the weight decay of both
    average : decay of the running mean of the weights, from a quarter of the run on
    readers, sounds : share of groups with readers, and with sounds
    plain : probability of neutral or calm above which a reader's loss is zero
    plain_share : share of neutral and calm that this probability is shifted to, as ``smoothing.neutral_share`` does
    recent : weight of the loss of a window's last seconds
    label_smoothing : share of the target spread over all outputs
    prior_s, memory_s : of the running mean: weight of the prior and longest average, in seconds
    cold : how much softer answers are at a stream's start, see ``WaveformGraph``
    soft, dropout : see ``networks.waveform``
    corpus_power : a corpus's share of the groups is its number of clips to this power
    """

    networks: int = between(1, 100, default=2)
    drawn: int = between(2, 10**7, default=12000)
    steps: int = between(1, 10**7, default=1000)
    groups: int = between(2, 1000, default=6)
    size: int = between(2, 100, default=4)
    rate: float = between(0, 1, default=6e-5)
    head_rate: float = between(0, 1, default=2e-3)
    decay: float = between(0, 10, default=0.01)
    average: float = between(0, 1, default=0.98)
    readers: float = between(0, 1, default=0.02)
    sounds: float = between(0, 1, default=0.08)
    plain: float = between(0.01, 1, default=0.5)
    plain_share: float = between(0.01, 0.99, default=0.4)
    recent: float = between(0, 10, default=0.4)
    label_smoothing: float = between(0, 1, default=0.05, formerly="smoothing")
    prior_s: float = between(0.01, 3600, default=4.0)
    memory_s: float = between(0.01, 3600, default=60.0)
    cold: float = between(0.1, 10, default=1.5)
    soft: float = between(0, 100, default=0.3)
    dropout: float = between(0, 1, default=0.4)
    corpus_power: float = between(0, 10, default=0.5)


@dataclass(frozen=True, slots=True)
class ConvolutionsRecipe:
    """Recipe of ``cnn``.

    Attributes
    ----------
    width, kernel, ratio : channels, taps of a convolution over time, and hidden units of a block's perceptron for each channel
    dilations : of the blocks; what is pooled leaves every second one
    steps, groups : each step sees ``groups`` of the groups that were drawn for ``large``
    rate, head_rate, decay : of AdamW for the blocks, for the layer on top, and the weight decay of both
    hints, hint_rate : weight of the error with which the statistics of ``large`` are told from its own, and that layer's rate
    label : weight of an actor's own label in the target; the answer of ``large`` has the rest
    others : as in ``WaveformRecipe``
    """

    width: int = between(8, 4096, default=256)
    kernel: int = between(1, 101, default=5)
    ratio: int = between(1, 16, default=3)
    dilations: tuple[int, ...] = (1, 2, 4, 4)
    steps: int = between(1, 10**7, default=1200)
    groups: int = between(2, 1000, default=8)
    rate: float = between(0, 1, default=1.5e-3)
    head_rate: float = between(0, 1, default=1e-3)
    decay: float = between(0, 10, default=0.02)
    average: float = between(0, 1, default=0.995)
    hints: float = between(0, 100, default=1.0)
    hint_rate: float = between(0, 1, default=1e-4)
    label: float = between(0, 1, default=0.5)
    readers: float = between(0, 1, default=0.06)
    sounds: float = between(0, 1, default=0.08)
    recent: float = between(0, 10, default=0.4)
    label_smoothing: float = between(0, 1, default=0.05)
    prior_s: float = between(0.01, 3600, default=4.0)
    memory_s: float = between(0.01, 3600, default=60.0)
    cold: float = between(0.1, 10, default=1.5)
    soft: float = between(0, 100, default=0.3)
    dropout: float = between(0, 1, default=0.3)
