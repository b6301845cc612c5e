"""Trains a small network on the drawn windows: their labels, and the answers of ``large`` (Hinton et al. 2015,
https://arxiv.org/abs/1503.02531); and on windows of the clips themselves, with their labels. Its last output is "nobody
speaks"."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime_ser.errors import ConfigError
from realtime_ser.features.normaliser import DEVIATION_DB
from realtime_ser.records import FloatArray
from train.atomic import replacing, write_text
from train.data.cache import LIVE
from train.data.corpora import LABELS
from train.networks.lessons import Shelf
from train.networks.loss import multiplies_bfloat16, schedule
from train.networks.networks import Cnn, Mlp
from train.networks.pool import Entry
from train.networks.run import random_state, restore_random
from train.recipe import Recipe
from train.sampling.batches import Batch, FrameBatches, VectorBatches
from train.sampling.draws import Epoch
from train.sampling.groups import ACTED, READ, SOUND
from train.sampling.masking import mask_batch

CLASSES = len(LABELS) + 1
_OWN, _OWN_S, _PAST_S = 0.7, 2.0, (2.5, 72.0)  # of a window with a past, as for large; see ``waveform_fit``
_MOVED = 0.5  # share of groups
_EVERY, _TOLD = 1000, 200  # steps between checkpoints, and between lines
_FIRST = 40  # batches that the scaler is fitted on


class Teaching:
    """Batches of a run.

    Parameters
    ----------
    shelves : features of the groups that train
    entries : of the whole pool
    answers : float32 (entries, size, labels + 1), the teacher's; NaN where there is none: the labels alone count there
    clips : batches of windows of the clips, as the engine cuts them; None: there are none. Vectors of both kinds are in each
        batch, of log-mel a batch has one kind and one length. They give the running normalisation's prior and the scaler:
        drawn windows are noisier, and sounds are far from any voice
    """

    def __init__(
        self,
        shelves: Sequence[Shelf],
        entries: Sequence[Entry],
        answers: FloatArray,
        recipe: Recipe,
        clips: VectorBatches | FrameBatches | None = None,
    ) -> None:
        taught = recipe.taught
        assert taught is not None
        self._shelves, self._recipe, self._taught = [shelf for shelf in shelves if len(shelf.place)], recipe, taught
        self._clips, self._epoch = clips, cast("Epoch[Batch] | None", None)
        self._size = answers.shape[1]
        self.vectors = self._shelves[0].x.ndim == 3
        share = 1 - taught.clips if clips is not None and self.vectors else 1.0
        self._groups = max(1, round(recipe.batch * share / self._size))
        kind = np.array([entry.kind for entry in entries])
        target = np.array([entry.target for entry in entries])
        hard = np.eye(CLASSES, dtype=np.float32)[target] * (1 - recipe.label_smoothing) + recipe.label_smoothing / CLASSES
        share = np.select([kind == ACTED, kind == SOUND], [taught.label, 1.0], 0.0).astype(np.float32)[:, None, None]
        share = np.where(np.isnan(answers), np.float32(1), share)
        self._wanted = share * hard + (1 - share) * np.nan_to_num(answers)
        self._weights = [self._weight(shelf, entries) for shelf in self._shelves]
        totals = np.array([weight.sum() for weight in self._weights])
        self._shelf_share = totals / totals.sum()
        if isinstance(clips, VectorBatches):
            self.prior = clips.prior.numpy()
        elif isinstance(clips, FrameBatches):
            self.prior = clips.past.prior
        else:
            self.prior = self._prior(kind)

    def _prior(self, kind: npt.NDArray[np.int64]) -> FloatArray:
        """Mean and deviation over the actors' windows."""
        acted = [shelf.profile[kind[shelf.place] == ACTED] for shelf in self._shelves]
        every = np.concatenate([part.reshape(-1, part.shape[-1]) for part in acted])
        if self.vectors:
            return np.stack((every.mean(0), np.maximum(every.std(0), 1e-3))).astype(np.float32)
        return every.mean(0).reshape(2, -1).astype(np.float32)

    def _weight(self, shelf: Shelf, entries: Sequence[Entry]) -> npt.NDArray[np.float64]:
        """Chance of each group: readers and sounds have their shares, a corpus the square root of its own."""
        names = np.array([{READ: "readers", SOUND: "sounds"}.get(entry.kind, entry.corpus) for entry in entries])
        mine = set(np.concatenate([part.place for part in self._shelves]).tolist())
        count = {name: sum(1 for place in mine if names[place] == name) for name in set(names[sorted(mine)])}
        acted = sum(count[name] ** 0.5 for name in count if name not in ("readers", "sounds"))
        beside = {"readers": self._taught.readers, "sounds": self._taught.sounds}
        rest = 1 - sum(beside[name] for name in beside if name in count)
        chance = {name: beside.get(name, rest * count[name] ** 0.5 / acted) / count[name] for name in count}
        return np.array([chance[names[place]] for place in shelf.place])

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Normalised features (batch, ...) and wanted probabilities (batch, labels + 1)."""
        if self._clips is None:
            return self._drawn(rng)
        if not self.vectors:
            return self.cut(rng) if rng.random() < self._taught.clips else self._drawn(rng)
        (x, wanted), (more, also) = self.cut(rng), self._drawn(rng)
        return torch.cat((x, more)), torch.cat((wanted, also))

    def cut(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Windows of the clips alone, where there are any; as ``draw``."""
        if self._clips is None:
            return self._drawn(rng)
        batch = next(self._epoch, None) if self._epoch is not None else None
        if batch is None:
            self._epoch = self._clips.epoch(rng)
            batch = next(self._epoch)
        smoothing = self._recipe.label_smoothing
        return batch.x, F.one_hot(batch.target, CLASSES) * (1 - smoothing) + smoothing / CLASSES

    def begin(self) -> None:
        """Begin the clips' epochs anew, for another network."""
        self._epoch = None

    def state(self) -> dict[str, Any] | None:
        """Where it is in an epoch of the clips; None: in none."""
        return self._epoch.state() if self._epoch is not None else None

    def restore(self, state: Mapping[str, Any] | None, rng: np.random.Generator) -> None:
        """Go on where this was the state; draws from ``rng``, whose own state is to be restored after that."""
        self.begin()
        if state is not None and self._clips is not None:
            self._epoch = self._clips.epoch(rng)
            self._epoch.restore(state)

    def _drawn(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        number = int(rng.choice(len(self._shelves), p=self._shelf_share))
        shelf, weight = self._shelves[number], self._weights[number]
        some = rng.choice(len(shelf.place), self._groups, p=weight / weight.sum())
        x, profile = np.asarray(shelf.x[some], np.float32), shelf.profile[some]
        past, past_s = _pasts(profile, self._taught.pasts, rng)
        if self.vectors and self._taught.moved:
            moves = _moves(x.mean(axis=1), self._taught.moved, rng)
            x, past = x + moves, past + moves
        x = self._relative(x, shelf.level[some], past, past_s)
        wanted = self._wanted[shelf.place[some]].reshape(-1, CLASSES)
        features = torch.from_numpy(x.reshape(-1, *x.shape[2:]))
        if not self.vectors:
            features = mask_batch(features, self._recipe.masking, torch.Generator().manual_seed(int(rng.integers(2**62))))
        return features, torch.from_numpy(wanted)

    def _relative(self, x: FloatArray, level: FloatArray, past: FloatArray, past_s: FloatArray) -> FloatArray:
        """As ``RunningNormaliser`` does after ``past_s`` seconds of speech that average to ``past``."""
        norm = self._recipe.norm
        assert norm is not None
        weight = (past_s / (norm.prior_s + past_s))[..., None]
        prior = self.prior[0] if self.vectors else self.prior.reshape(-1)
        expected = (1 - weight) * prior + weight * past
        if self.vectors:
            return np.asarray((x - expected) / self.prior[1], np.float32)
        mean, deviation = np.split(expected, 2, axis=-1)
        relative = (x - (mean + level[..., None])[..., None]) * (DEVIATION_DB / deviation)[..., None]
        return np.asarray(relative, np.float32)


def _pasts(profile: FloatArray, chance: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """For each window what its stream has gathered: nothing, or with this chance some of its group's others and itself in
    part; and the seconds in all."""
    groups, size, _ = profile.shape
    own_s = np.where(rng.random((groups, size)) < _OWN, rng.uniform(0, _OWN_S, (groups, size)), 0.0)
    before_s = np.exp(rng.uniform(*np.log(_PAST_S), (groups, size)))
    nothing = rng.random((groups, size)) >= chance
    before_s[nothing] = own_s[nothing] = 0.0
    chosen = rng.random((groups, size, size)) < rng.uniform(0.2, 1.0, (groups, size, 1))
    itself = np.eye(size, dtype=bool)
    # At least one of the others.
    chosen[:, np.arange(size), (np.arange(size) + rng.integers(1, size)) % size] = True
    chosen &= ~itself
    share = chosen / chosen.sum(axis=2, keepdims=True) * before_s[..., None] + itself * own_s[..., None]
    seconds = before_s + own_s
    share = share / np.maximum(seconds, 1e-6)[..., None]
    return np.einsum("gij,gjn->gin", share, profile).astype(np.float32), seconds.astype(np.float32)


def _moves(means: FloatArray, most: float, rng: np.random.Generator) -> FloatArray:
    """For each group, half of the time, a share of the difference of two groups' means: (groups, n) -> (groups, 1, n)."""
    groups = len(means)
    share = most * rng.random((groups, 1)) * (rng.random((groups, 1)) < _MOVED)
    moves = (means[rng.permutation(groups)] - means[rng.permutation(groups)]) * share
    return moves[:, np.newaxis].astype(np.float32)


def fit_taught(teaching: Teaching, recipe: Recipe, run: Path, *, seed: int, identity: str) -> nn.Module:
    """Train one network, go on from its checkpoint, or load it; returns the running mean of its weights.

    Parameters
    ----------
    run : the run's folder: ``checkpoint.pt``, ``history.json``
    identity : of what it learns from

    Raises
    ------
    ConfigError : the folder holds another run
    """
    taught = recipe.taught
    assert taught is not None
    torch.manual_seed(seed)
    teaching.begin()
    rng = np.random.default_rng([seed, 1])
    # The computation of features may change while the settings do not.
    known = json.dumps([asdict(recipe), seed, identity, LIVE], default=str, sort_keys=True)
    checkpoint = run / "checkpoint.pt"
    network: Any
    if teaching.vectors:
        network = Mlp(teaching.prior.shape[1], CLASSES, **recipe.network)
        network.fit_scaler(torch.cat([teaching.cut(rng)[0] for _ in range(_FIRST)]))
    else:
        network = Cnn(teaching.prior.shape[1], CLASSES, normalised=True, **recipe.network)
        network = network.to(memory_format=torch.channels_last)
    network.prior.copy_(torch.from_numpy(teaching.prior))
    mean = copy.deepcopy(network).eval()
    parameters = list(network.parameters())
    split = [[p for p in parameters if (p.ndim > 1) == wide] for wide in (True, False)]
    optimiser = torch.optim.AdamW(
        [{"params": split[0], "weight_decay": recipe.decay}, {"params": split[1], "weight_decay": 0.0}], lr=recipe.rate
    )
    begun, history = 0, []
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        if state["identity"] != known:
            raise ConfigError(f"{run} holds another run (other settings, clips or labels); remove it or choose another --runs")
        network.load_state_dict(state["network"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        begun, history = int(state["step"]), json.loads(state["history"])
        rng = np.random.default_rng([seed, begun])  # for a checkpoint of an earlier version
        teaching.restore(state.get("clips"), rng)
        restore_random(state, [rng])
    pairs = list(zip(mean.state_dict().values(), network.state_dict().values(), strict=True))
    averages = [pair for pair in pairs if pair[0].is_floating_point()]
    losses: list[float] = []
    since = time.perf_counter()
    for step in range(begun, taught.steps):
        network.train()
        loss = _loss(network, *teaching.draw(rng), recipe, rng)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * schedule(step / taught.steps)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        # Warm up the mean, which would otherwise keep the initial random weights for long.
        keep = min(recipe.average, (1 + step) / (10 + step))
        torch._foreach_lerp_([kept for kept, _ in averages], [new for _, new in averages], 1 - keep)
        losses.append(float(loss.detach()))
        done = step + 1
        if done % _TOLD == 0 or done == taught.steps:
            seconds = time.perf_counter() - since
            history.append({"step": done, "loss": round(float(np.mean(losses)), 4), "seconds": round(seconds, 1)})
            losses, since = [], time.perf_counter()
        if done % _EVERY == 0 or done == taught.steps:
            run.mkdir(parents=True, exist_ok=True)
            state = {"network": network.state_dict(), "mean": mean.state_dict(), "optimiser": optimiser.state_dict()}
            state |= {"clips": teaching.state(), **random_state([rng])}
            with replacing(checkpoint) as temporary:
                torch.save({**state, "identity": known, "step": done, "history": json.dumps(history)}, temporary)
            write_text(run / "history.json", json.dumps(history, indent=1))
    return mean.eval()


def _loss(network: Any, x: Tensor, wanted: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Cross entropy of mixed targets (Zhang et al. 2018, https://arxiv.org/abs/1710.09412), mean over members."""
    if recipe.mixup:
        share = float(rng.beta(recipe.mixup, recipe.mixup))
        other = torch.from_numpy(rng.permutation(len(x)))
        x, wanted = share * x + (1 - share) * x[other], share * wanted + (1 - share) * wanted[other]
    with torch.autocast("cpu", torch.bfloat16, enabled=x.ndim > 2 and multiplies_bfloat16()):
        logits = network.each(x)
    return -(F.log_softmax(logits.float()[:, :, :CLASSES], dim=-1) * wanted).sum(-1).mean()
