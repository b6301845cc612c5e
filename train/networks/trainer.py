"""One training run, top to bottom: windows in, a network out. Same seed, same machine: same weights, bit for bit.

A run's folder holds ``history.json`` and ``checkpoint.pt``; a killed run resumes from its last checkpoint.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from realtime_ser.config_build import former_dict
from realtime_ser.errors import ConfigError
from realtime_ser.features.normaliser import Normalisation, RunningNormaliser
from train.atomic import replacing, write_text
from train.data import cache as feature_cache
from train.data import features
from train.data.corpora import LABELS
from train.data.features import HOP_S
from train.data.manifest import Manifest, Row
from train.networks import curves
from train.networks.loss import loss_of, schedule
from train.networks.networks import Cnn, Mlp
from train.recipe import Recipe
from train.sampling.batches import FrameBatches, VectorBatches, clip_profiles
from train.sampling.past import COLD
from train.sampling.windows import streamed_windows

CHECKPOINT_EVERY = 10  # epochs


class Data:
    """A recipe's training data, for all clips of the manifest: ``variants`` in the order of the recipe, plain first."""

    def __init__(self, root: Path, rows: Sequence[Row], recipe: Recipe, cache: Path, *, progress: bool = True) -> None:
        self.recipe, self.spec = recipe, recipe.spec
        self.rows = [row for row in rows if row.emotion in LABELS]
        self._place = {row.path: i for i, row in enumerate(self.rows)}
        self.stacked = self.spec.recipe == "stacked"
        make: Any = features.frames if self.stacked else features.vectors
        self.variants = [make(root, self.rows, self.spec, cache, variant, progress=progress) for variant in recipe.all_variants]
        self.profiles = [clip_profiles(variant, self.spec) for variant in self.variants] if self.stacked and recipe.norm else []

    def batches(self, rows: Sequence[Row], *, across: float = 0.0, cold: float = COLD) -> FrameBatches | VectorBatches:
        """Batches of some of the clips (those with a known label); ``across``, ``cold``: see ``FrameBatches``."""
        rows = [row for row in rows if row.path in self._place]
        index = [self._place[row.path] for row in rows]
        if self.stacked:
            return FrameBatches(
                rows,
                index,
                self.variants,
                self.spec,
                self.recipe.masking,
                self.recipe.batch,
                chances=self.recipe.chances,
                profiles=self.profiles,
                norm=self.recipe.norm,
                corpus_power=self.recipe.corpus_power,
                most=self.recipe.epoch_clips or None,
                across=across,
                cold=cold,
            )
        return VectorBatches(
            rows,
            index,
            self.variants,
            self.recipe.batch,
            self.recipe.per_clip,
            chances=self.recipe.chances,
            norm=self.recipe.norm,
            corpus_power=self.recipe.corpus_power,
            cold=cold,
        )

    def streamed(self, row: Row) -> list[Tensor]:
        """The windows that the engine would classify in the plain clip, each (1, ...)."""
        plain, clip = self.variants[0], self._place[row.path]
        if self.stacked:
            return [torch.from_numpy(window)[None] for window in streamed_windows(plain, clip, self.spec)]
        return [torch.from_numpy(x)[None] for x in plain.X[(plain.clip == clip) & plain.streamed]]


def build(recipe: Recipe, n_features: int | None) -> nn.Module:
    """A fresh network. ``n_features`` is the vector's length for vector recipes."""
    if recipe.spec.recipe == "stacked":
        return Cnn(recipe.spec.n_mels, len(LABELS), normalised=recipe.norm is not None, **recipe.network)
    if n_features is None:
        raise ConfigError(f"no network takes the recipe {recipe.spec.recipe!r}")
    return Mlp(n_features, len(LABELS), **recipe.network)


def fit(
    data: Data,
    train: Sequence[Row],
    run: Path,
    *,
    seed: int,
    dev: Sequence[Row] = (),
    first: nn.Module | None = None,
    across: float = 0.0,
    progress: bool = True,
) -> nn.Module:
    """Train one network on ``train``; ``dev`` is only scored, for the history.

    ``first`` : initial weights; None: random ones. ``across``: see ``FrameBatches``.

    Returns
    -------
    the running mean of the weights, in evaluation mode
    """
    recipe = data.recipe
    # The number of networks that are averaged later does not affect the training of one.
    settings = former_dict(replace(recipe, networks=1, joined=None))
    del settings["joined_share"], settings["others_first"], settings["across"]
    # Audio and labels may change behind the same paths, and the computation of features while the settings do not.
    clips = Manifest(tuple(sorted(train, key=lambda row: row.path)))
    told = clips.key("corpus", "speaker", "emotion", "intensity", "gender")
    learned = [settings, seed, told, feature_cache.LIVE]
    if first is not None:
        learned.append(_digest(first))
    if across:
        learned.append({"across": across})
    identity = json.dumps(learned, default=str, sort_keys=True)
    checkpoint = run / "checkpoint.pt"
    if (finished := _finished(checkpoint, identity, data)) is not None:
        return finished
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid that costs a tenth of the time
    rng = np.random.default_rng(seed)
    batches = data.batches(train, across=across)
    network = build(recipe, None if isinstance(batches, FrameBatches) else batches.X.shape[1])
    if first is not None:
        network.load_state_dict(first.state_dict())
    if isinstance(network, Mlp):
        assert isinstance(batches, VectorBatches)
        if recipe.norm:
            network.prior.copy_(batches.prior)
        network.fit_scaler(torch.cat([batch.x for batch in islice(batches.epoch(np.random.default_rng(seed)), 80)]))
    else:
        network = network.to(memory_format=torch.channels_last)
        if isinstance(batches, FrameBatches) and recipe.norm:
            network.prior.copy_(torch.from_numpy(batches.past.prior))
    mean = copy.deepcopy(network).eval()
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.rate)

    history: list[dict[str, float]] = []
    if checkpoint.exists():
        state = _checked(checkpoint, identity)
        network.load_state_dict(state["network"])
        mean.load_state_dict(state["mean"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["torch"])
        rng.bit_generator.state = json.loads(state["numpy"])
        history = json.loads(state["history"])

    pairs = list(zip(mean.state_dict().values(), network.state_dict().values(), strict=True))
    averages = [kept for kept, _ in pairs if kept.is_floating_point()]
    current = [new for kept, new in pairs if kept.is_floating_point()]
    counters = [(kept, new) for kept, new in pairs if not kept.is_floating_point()]
    bar = tqdm(range(len(history), recipe.epochs), run.name, initial=len(history), total=recipe.epochs, disable=not progress)
    for epoch in bar:
        began, losses = time.perf_counter(), []
        network.train()
        for step, batch in enumerate(batches.epoch(rng)):
            share = (epoch + step / (batches.clips * (1 if data.stacked else recipe.per_clip) / recipe.batch)) / recipe.epochs
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate * schedule(share)
            loss = loss_of(network, batch.x, batch.target, batch.side, recipe, rng)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            # Warm up the mean, which would otherwise keep the initial random weights for long.
            keep = min(recipe.average, (1 + len(losses) + epoch * 30) / (10 + len(losses) + epoch * 30))
            torch._foreach_lerp_(averages, current, 1 - keep)
            for kept, new in counters:
                kept.copy_(new)
            losses.append(float(loss.detach()))
        entry = {"epoch": epoch + 1, "loss": float(np.mean(losses)), "seconds": time.perf_counter() - began}
        last = epoch + 1 == recipe.epochs
        if dev and (last or (epoch + 1) % CHECKPOINT_EVERY == 0):
            entry["dev_uar"] = uar(clip_probs(mean, data, dev), dev)
        history.append(entry)
        bar.set_postfix(loss=f"{entry['loss']:.3f}", **({"dev": f"{entry['dev_uar']:.1f}"} if "dev_uar" in entry else {}))
        if last or (epoch + 1) % CHECKPOINT_EVERY == 0:
            with replacing(checkpoint) as temporary:
                state = {
                    "identity": identity,
                    "network": network.state_dict(),
                    "mean": mean.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "torch": torch.get_rng_state(),
                    "numpy": json.dumps(rng.bit_generator.state),
                    "history": json.dumps(history),
                }
                # torch reports a full disk as an internal error, a file as OSError.
                whole = io.BytesIO()
                torch.save(state, whole)
                temporary.write_bytes(whole.getbuffer())
            write_text(run / "history.json", json.dumps(history, indent=1))
            curves.draw(history, run / "curves.png", run.name)
    return mean.eval()


def _digest(network: nn.Module) -> str:
    """Hash of a network's weights."""
    content = hashlib.sha256()
    for value in network.state_dict().values():
        content.update(value.contiguous().numpy().tobytes())
    return content.hexdigest()


def _checked(checkpoint: Path, identity: str) -> dict[str, Any]:
    """A checkpoint's content, if it belongs to this run."""
    state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    if state["identity"] != identity:
        raise ConfigError(
            f"{checkpoint.parent} holds another run (other settings, clips or labels); remove it or choose another --runs"
        )
    return state


def _finished(checkpoint: Path, identity: str, data: Data) -> nn.Module | None:
    """The network of a finished run; None: the run is not finished."""
    if not checkpoint.exists():
        return None
    state = _checked(checkpoint, identity)
    if len(json.loads(state["history"])) < data.recipe.epochs:
        return None
    network = build(data.recipe, None if data.stacked else data.variants[0].X.shape[1])
    network.load_state_dict(state["mean"])
    return network.eval()


def normaliser(network: Any, recipe: Recipe) -> RunningNormaliser | None:
    """The running normalisation that a trained network expects, at a stream's start."""
    section = normalisation(network, recipe)
    return RunningNormaliser(section, recipe.spec) if section else None


def normalisation(network: Any, recipe: Recipe) -> Normalisation | None:
    """The running normalisation for a trained network's card; None: it has none."""
    if recipe.norm is None:
        return None
    mean, deviation = (tuple(round(float(value), 4) for value in part) for part in network.prior)
    return Normalisation(mean, deviation, recipe.norm.prior_s, recipe.norm.memory_s)


@torch.no_grad()
def clip_probs(network: nn.Module, data: Data, rows: Sequence[Row]) -> Tensor:
    """Mean probability over each clip's windows, (clips, classes): a fast approximation of the engine; zeros for clips without
    speech."""
    network.eval()
    running = normaliser(network, data.recipe)
    windows = []
    for i, row in enumerate(rows):
        if running:
            running.reset()
        for window in data.streamed(row):
            windows.append((i, torch.from_numpy(running.normalise(window[0].numpy(), HOP_S))[None] if running else window))
    result, count = torch.zeros(len(rows), len(LABELS)), torch.zeros(len(rows), 1)
    for length in sorted({window.shape[-1] for _, window in windows}):
        same = [(i, window) for i, window in windows if window.shape[-1] == length]
        for first in range(0, len(same), 256):
            part = same[first : first + 256]
            probs = F.softmax(network(torch.cat([window for _, window in part])), dim=-1)
            index = torch.tensor([i for i, _ in part])
            result.index_add_(0, index, probs)
            count.index_add_(0, index, torch.ones(len(part), 1))
    return result / count.clamp_min(1)


def uar(probs: Tensor, rows: Sequence[Row]) -> float:
    """Unweighted average recall in percent, over the labels present; a clip without any window is an error."""
    guess = torch.where(probs.sum(1) > 0, probs.argmax(1), -1)
    target = torch.tensor([LABELS.index(row.emotion) for row in rows])
    return 100 * float(np.mean([float((guess[target == label] == label).float().mean()) for label in target.unique()]))
