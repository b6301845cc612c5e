"""Trains ``large``: the encoder's last two blocks slowly, the layer on top fast, over one cycle, on groups of utterances.

Stem and first block stay as they were. The weights' running mean is what is kept, and of several such networks their mean. A
checkpoint every 50 steps: the same call goes on from it.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime_ser.config_build import former_dict
from realtime_ser.errors import ConfigError
from train.atomic import replacing, write_text
from train.data.corpora import LABELS
from train.data.encoder_file import missing
from train.networks.drawn import Batch, Draws
from train.networks.encoder import TOKENS_PER_S, read_encoder
from train.networks.waveform import RECENT_S, Waveform
from train.recipe import WaveformRecipe
from train.sampling.groups import ACTED, READ, SOUND

_COLD = 0.4  # share of windows whose stream has just begun
_PAST_S = (2.5, 72.0)  # of speech before the others
_OWN, _OWN_S = 0.7, 2.0  # share of windows whose own utterance is in the mean already, and at most so many seconds of it
_EVERY, _REPORT = 50, 25  # steps between checkpoints, and between lines
_PLAIN = tuple(LABELS.index(label) for label in ("neutral", "calm"))
_FIRST_BATCHES = 8  # that the prior's mean and deviation begin with


def cycle(share: float) -> float:
    """Learning rate over a run's ``share`` (0 to 1), relative to its peak: a rise over a tenth, then half a cosine to 2 %."""
    if share < 0.1:
        return 0.04 + 0.96 * share / 0.1
    return 0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * (share - 0.1) / 0.9)))


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
    network = Waveform(len(LABELS) + 1, prior_s=recipe.prior_s, soft=recipe.soft, dropout=recipe.dropout)
    file = folder / "checkpoint.pt"
    found = torch.load(file, weights_only=True) if file.is_file() else None
    same = found is None or found["network"]["mean"].shape == network.get_buffer("mean").shape
    known = former_dict(recipe)
    known.pop("networks")  # one network is trained alike, however many there are
    if found is not None and not (same and (found["recipe"], found["digest"]) == (known, digest)):
        raise ConfigError(
            f"{folder} holds a run of another recipe or of other clips; move it away, or give --runs another folder"
        )
    if found is None:
        if not encoder.is_file():
            raise ConfigError(missing(encoder))
        network.encoder = read_encoder(encoder)
    blocks, top = _parts(network)
    optimiser = torch.optim.AdamW(
        [{"params": blocks, "lr": recipe.rate}, {"params": top, "lr": recipe.head_rate}], weight_decay=recipe.decay
    )
    average: dict[str, Tensor] | None = None
    begun = 0
    if found is not None:
        network.load_state_dict(found["network"])
        average, begun = found["average"], int(found["step"])
        if begun < recipe.steps:
            optimiser.load_state_dict(found["optimiser"])
            draws.rng = np.random.default_rng([seed, begun])
    else:
        _begin(network, draws)
    rng = np.random.default_rng([seed, begun, 1])
    history = json.loads((folder / "history.json").read_text(encoding="utf-8")) if begun else []
    since, losses = time.perf_counter(), []
    for step in range(begun, recipe.steps):
        network.train()
        loss = step_loss(network, draws.draw(), recipe, rng)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*blocks, *top], 5.0)
        for part, rate in zip(optimiser.param_groups, (recipe.rate, recipe.head_rate), strict=True):
            part["lr"] = rate * cycle(step / recipe.steps)
        optimiser.step()
        losses.append(loss.item())
        if step >= recipe.steps // 4:
            average = averaged(average, network, recipe.average)
        done = step + 1
        if done % _REPORT == 0 or done == recipe.steps:
            seconds = time.perf_counter() - since
            history.append({"step": done, "loss": round(float(np.mean(losses)), 4), "seconds": round(seconds, 1)})
            print(f"{folder.name}: step {done} of {recipe.steps}, loss {np.mean(losses):.3f}, {seconds:.0f} s", flush=True)
            since, losses = time.perf_counter(), []
        if done % _EVERY == 0 or done == recipe.steps:
            folder.mkdir(parents=True, exist_ok=True)
            state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
            with replacing(file) as temporary:
                torch.save({**state, "step": done, "recipe": known, "digest": digest}, temporary)
            write_text(folder / "history.json", json.dumps(history) + "\n")
    network.load_state_dict(average or network.state_dict())
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
    past, past_s = draw_pasts(whole, batch, rng)
    expected = network.expected(past, past_s)
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


def draw_pasts(statistics: Tensor, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """For each window what its stream has gathered: some of its group's others, itself in part, and the seconds in all.

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
    return share @ statistics, seconds


def averaged(average: dict[str, Tensor] | None, network: Waveform, decay: float) -> dict[str, Tensor]:
    """The running mean of the weights with this step's."""
    state = network.state_dict()
    if average is None:
        return {name: value.clone() for name, value in state.items()}
    for name, value in average.items():
        value.lerp_(state[name], 1 - decay)
    return average


def _parts(network: Waveform) -> tuple[list[Tensor], list[Tensor]]:
    """What trains slowly and what trains fast; the rest stays."""
    network.encoder.requires_grad_(False)
    blocks: list[Tensor] = []
    for block in list(network.encoder.blocks)[1:]:
        block.requires_grad_(True)
        blocks += block.parameters()
    return blocks, [network.gain, *network.head.parameters()]


@torch.no_grad()
def _begin(network: Waveform, draws: Draws) -> None:
    """The prior's mean and deviation, before anything is learned."""
    network.eval()
    found = []
    for _ in range(_FIRST_BATCHES):
        batch = draws.draw()
        whole, _ = network.pool(torch.from_numpy(batch.tokens))
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
