"""Trains the convolutions of ``cnn``: labels, and the answers and statistics of ``large`` for the same windows and pasts.

The encoder's stem stays as it was. In a step the prior is the step's own mean; at the end it is measured once with the averaged
weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime_ser.errors import ConfigError
from train.data.corpora import LABELS
from train.data.encoder_file import missing
from train.networks.convolutions import Convolutions, begin_with_stem
from train.networks.drawn import Batch, Draws
from train.networks.encoder import TOKENS_PER_S
from train.networks.loss import multiplies_bfloat16
from train.networks.run import Run
from train.networks.waveform import RECENT_S, Waveform
from train.networks.waveform_fit import begin_prior, past_shares
from train.recipe import ConvolutionsRecipe
from train.sampling.groups import ACTED, READ

CLASSES = len(LABELS) + 1
_LAST_BATCHES = 100  # that the prior's mean and deviation are measured on
_LEAST = 1e-3  # deviation


class Pupil(nn.Module):
    """The network, and a layer that only training needs: it tells the teacher's statistics from the network's own.

    So each window teaches two thousand numbers and not nine (hints, Romero et al. 2015, https://arxiv.org/abs/1412.6550).
    """

    def __init__(self, network: Waveform, hints: int) -> None:
        super().__init__()
        self.network = network
        self.hint = nn.Linear(network.encoder.statistics, hints)


def train(
    draws: Draws,
    recipe: ConvolutionsRecipe,
    teacher: Waveform,
    encoder: Path,
    folder: Path,
    *,
    digest: str = "",
    seed: int = 0,
    threads: int = 1,
) -> Waveform:
    """Train, or load what has been trained; returns the averaged network.

    Parameters
    ----------
    draws : batches of drawn windows
    teacher : the ``large`` that learned from the same people
    encoder : ``whisper-tiny-en.npz``
    folder, digest : see ``Run``

    Raises
    ------
    ConfigError : there is no encoder, or the folder holds a run of another recipe or of other clips
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    body = Convolutions(recipe)
    network = Waveform(body, CLASSES, prior_s=recipe.prior_s, soft=recipe.soft, dropout=recipe.dropout)
    pupil = Pupil(network, teacher.encoder.statistics)
    run = Run(folder, asdict(recipe), digest, recipe.steps, recipe.average, recipe.decay)
    found = run.found(pupil)
    begun = 0
    if found is None:
        if not encoder.is_file():
            raise ConfigError(missing(encoder))
        begin_with_stem(body, encoder)
    else:
        pupil.load_state_dict(found["network"])
        begun = int(found["step"])
    draws.rng = np.random.default_rng([seed, begun])
    rng = np.random.default_rng([seed, begun, 1])
    teacher.requires_grad_(False)
    run.go(pupil, _parts(pupil, recipe), lambda: step_loss(pupil, teacher, draws, recipe, rng), found, (draws.rng, rng))
    draws.rng = np.random.default_rng([seed, recipe.steps])  # the same prior, whether trained at once or loaded
    begin_prior(network, draws, _LAST_BATCHES, lambda batch: heard(network, draws, batch))
    return network.eval()


def step_loss(pupil: Pupil, teacher: Waveform, draws: Draws, recipe: ConvolutionsRecipe, rng: np.random.Generator) -> Tensor:
    """What a step minimises: cross entropy to each window's label and the teacher's answer, and the error of the hints."""
    batch, network = draws.draw(), pupil.network
    views = network.pool(heard(network, draws, batch), half=True)
    acted = views[0][torch.from_numpy(batch.kind) == ACTED]
    voices = acted if len(acted) > 1 else views[0]
    share, past_s = past_shares(batch, rng)
    prior, deviation = voices.mean(0), voices.std(0).clamp_min(_LEAST)
    expected = network.expected(share @ views[0], past_s, prior)
    shown = taught(teacher, torch.from_numpy(batch.tokens), share, past_s)
    weights = (1.0, recipe.recent if batch.tokens.shape[1] > RECENT_S * TOKENS_PER_S else 0.0)
    loss = torch.zeros(())
    for statistics, (hints, answer), weight in zip(views, shown, weights, strict=True):
        logs = F.log_softmax(network.logits(statistics, expected, deviation), dim=1)
        wrong = -(wanted(batch, answer, recipe) * logs).sum(1).mean()
        far = F.smooth_l1_loss(pupil.hint((statistics - prior) / deviation), hints)
        loss = loss + weight * (wrong + recipe.hints * far)
    return loss


@torch.no_grad()
def heard(network: Waveform, draws: Draws, batch: Batch) -> Tensor:
    """What the frozen stem makes of a batch's audio, (batch, tokens, 384)."""
    body = network.encoder
    assert isinstance(body, Convolutions)
    log_mel = body.log_mel(torch.from_numpy(draws.samples(batch)))  # in float32: its numbers span sixteen decades
    with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16()):
        return body.stem(log_mel).float()


@torch.no_grad()
def taught(teacher: Waveform, low: Tensor, share: Tensor, past_s: Tensor) -> Sequence[tuple[Tensor, Tensor]]:
    """What the teacher makes of windows, and of their last seconds.

    Each is a pair: its statistics, relative to its prior and in its deviations (batch, statistics), and its probabilities
    (batch, labels + 1).

    Parameters
    ----------
    low : what leaves the teacher's first block, (batch, tokens, 384)
    share, past_s : see ``past_shares``
    """
    views = teacher.pool(low, half=True)
    expected = teacher.expected(share @ views[0], past_s)
    prior, deviation = teacher.get_buffer("mean"), teacher.get_buffer("deviation")
    return [((part - prior) / deviation, F.softmax(teacher.logits(part, expected), dim=1)) for part in views]


def wanted(batch: Batch, answer: Tensor, recipe: ConvolutionsRecipe) -> Tensor:
    """Probabilities to learn, (batch, labels + 1): of an actor or a sound its label in part, of a reader the answer alone."""
    hard = F.one_hot(torch.from_numpy(batch.target), CLASSES) * (1 - recipe.label_smoothing) + recipe.label_smoothing / CLASSES
    share = recipe.label * (torch.from_numpy(batch.kind) != READ).float()[:, None]
    return share * hard + (1 - share) * answer


def _parts(pupil: Pupil, recipe: ConvolutionsRecipe) -> list[tuple[list[Tensor], float]]:
    """What trains, and how fast; the stem stays."""
    network, body = pupil.network, pupil.network.encoder
    assert isinstance(body, Convolutions)
    for conv in (body.conv1, body.conv2):
        conv.requires_grad_(False)
    blocks = [value for value in body.parameters() if value.requires_grad]
    top = [network.gain, *network.head.parameters()]
    return [(blocks, recipe.rate), (top, recipe.head_rate), (list(pupil.hint.parameters()), recipe.hint_rate)]
