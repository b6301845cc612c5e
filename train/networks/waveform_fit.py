"""Trains ``large``: the encoder's last two blocks slowly, the layer on top fast, over one cycle, on groups of utterances.

Stem and first block stay as they were. The weights' running mean is what is kept, and of several such networks their mean. A
checkpoint every 50 steps: the same call goes on from it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime_ser.config_build import former_dict
from realtime_ser.errors import ConfigError
from train.data.corpora import LABELS
from train.data.encoder_file import missing
from train.networks.drawn import Batch, Draws
from train.networks.encoder import TOKENS_PER_S, Encoder, read_encoder
from train.networks.run import Run
from train.networks.waveform import RECENT_S, Waveform
from train.recipe import WaveformRecipe
from train.sampling.groups import ACTED, READ, SOUND

_COLD = 0.4  # share of windows whose stream has just begun
_PAST_S = (2.5, 72.0)  # of speech before the others
_OWN, _OWN_S = 0.7, 2.0  # share of windows whose own utterance is in the mean already, and at most so many seconds of it
_PLAIN = tuple(LABELS.index(label) for label in ("neutral", "calm"))
_FIRST_BATCHES = 8  # that the prior's mean and deviation begin with


def train(
    draws: Draws,
    recipe: WaveformRecipe,
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
    encoder : ``whisper-tiny-en.npz``
    folder : of the run: ``checkpoint.pt``, ``history.json``
    digest : of the clips that train

    Raises
    ------
    ConfigError : there is no encoder, or the folder holds a run of another recipe or of other clips
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    network = Waveform(Encoder(), len(LABELS) + 1, prior_s=recipe.prior_s, soft=recipe.soft, dropout=recipe.dropout)
    known = former_dict(recipe)
    known.pop("networks")  # one network is trained alike, however many there are
    run = Run(folder, known, digest, recipe.steps, recipe.average, recipe.decay)
    found = run.found(network)
    begun = 0
    if found is None:
        if not encoder.is_file():
            raise ConfigError(missing(encoder))
        network.encoder = read_encoder(encoder)
        begin_prior(network, draws, _FIRST_BATCHES)
    else:
        network.load_state_dict(found["network"])
        begun = int(found["step"])
        if begun < recipe.steps:
            draws.rng = np.random.default_rng([seed, begun])  # for a checkpoint of an earlier version
    blocks, top = _parts(network)
    rng = np.random.default_rng([seed, begun, 1])
    run.go(
        network,
        [(blocks, recipe.rate), (top, recipe.head_rate)],
        lambda: step_loss(network, draws.draw(), recipe, rng),
        found,
        (draws.rng, rng),
    )
    return network.eval()


def blended(networks: Sequence[Waveform]) -> Waveform:
    """One network whose weights are the mean of theirs (Wortsman et al. 2022, https://arxiv.org/abs/2203.05482).

    Networks that were fine-tuned from the same encoder lie close enough to each other for that; the mean answers strangers
    better than each of them, at the cost of one.
    """
    states = [network.state_dict() for network in networks]
    mean = copy.deepcopy(networks[0])
    mean.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    return mean.eval()


def step_loss(network: Waveform, batch: Batch, recipe: WaveformRecipe, rng: np.random.Generator) -> Tensor:
    """What a step minimises.

    Cross entropy for actors and sounds. A reader has no acted emotion but may have one, so the loss is zero from a
    probability of neutral or calm of ``recipe.plain`` on. That probability is the one after a label shift to
    ``recipe.plain_share`` of neutral: without it, the network would take every unfamiliar voice for neutral.
    """
    target, kind = torch.from_numpy(batch.target), torch.from_numpy(batch.kind)
    low = torch.from_numpy(batch.tokens)
    whole, recent = network.pool(low, half=True)
    share, past_s = past_shares(batch, rng)
    expected = network.expected(share @ whole, past_s)
    _follow(network, whole[kind == ACTED])
    loss = torch.zeros(())
    shift = torch.zeros(len(LABELS) + 1)
    odds = recipe.plain_share / (1 - recipe.plain_share) * (len(LABELS) - len(_PLAIN)) / len(_PLAIN)
    shift[list(_PLAIN)] = float(np.log(odds))
    views = [(whole, 1.0)]
    if low.shape[1] > RECENT_S * TOKENS_PER_S:
        views.append((recent, recipe.recent))
    for statistics, weight in views:
        logits = network.logits(statistics, expected)
        wrong = F.cross_entropy(logits, target, reduction="none", label_smoothing=recipe.label_smoothing)
        logs = F.log_softmax(logits + shift, dim=1)
        plain = torch.logsumexp(logs[:, list(_PLAIN)], dim=1)
        short = F.relu(float(np.log(recipe.plain)) - plain)
        loss = loss + weight * torch.where(kind == READ, short, wrong).mean()
    return loss


def past_shares(batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """What each window's stream has gathered: the windows' shares in its mean, (batch, batch), and seconds in all, (batch,).

    These are some of its group's others, and itself in part.

    Four in ten have no others: their stream has just begun. Half of the sounds come after somebody spoke.
    """
    size = len(batch.group)
    share = torch.zeros(size, size)
    seconds = torch.zeros(size)
    for i in range(size):
        own = float(rng.uniform(0, _OWN_S)) if rng.random() < _OWN else 0.0
        if rng.random() < _COLD:
            share[i, i], seconds[i] = 1.0, own
            continue
        others = np.flatnonzero((batch.group == batch.group[i]) & (np.arange(size) != i))
        if batch.kind[i] == SOUND and rng.random() < 0.5:
            spoken = np.flatnonzero(batch.kind != SOUND)
            if len(spoken):
                others = np.flatnonzero(batch.group == batch.group[spoken[rng.integers(len(spoken))]])
        count = int(rng.integers(1, len(others) + 1))
        before = float(np.exp(rng.uniform(*np.log(_PAST_S))))
        share[i, torch.from_numpy(rng.choice(others, count, replace=False))] = before / (before + own) / count
        share[i, i] = own / (before + own)
        seconds[i] = before + own
    return share, seconds


def _parts(network: Waveform) -> tuple[list[Tensor], list[Tensor]]:
    """What trains slowly and what trains fast; the rest stays."""
    network.encoder.requires_grad_(False)
    blocks: list[Tensor] = []
    assert isinstance(network.encoder, Encoder)
    for block in list(network.encoder.blocks)[1:]:
        block.requires_grad_(True)
        blocks += block.parameters()
    return blocks, [network.gain, *network.head.parameters()]


@torch.no_grad()
def begin_prior(
    network: Waveform, draws: Draws, batches: int, low: Callable[[Batch], Tensor] = lambda batch: torch.from_numpy(batch.tokens)
) -> None:
    """The prior's mean and deviation, of so many batches; ``low``: what the network takes of a batch."""
    network.eval()
    found = []
    for _ in range(batches):
        batch = draws.draw()
        whole, _ = network.pool(low(batch))
        found.append(whole[torch.from_numpy(batch.kind) == ACTED])
    every = torch.cat(found)
    network.get_buffer("mean").copy_(every.mean(0))
    network.get_buffer("deviation").copy_(every.std(0).clamp_min(1e-3))


@torch.no_grad()
def _follow(network: Waveform, acted: Tensor) -> None:
    """The prior follows the statistics as they change."""
    if len(acted) > 1:
        network.get_buffer("mean").lerp_(acted.mean(0), 0.02)
        network.get_buffer("deviation").lerp_(acted.std(0).clamp_min(1e-3), 0.02)
