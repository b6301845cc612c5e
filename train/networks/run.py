"""A run that trains a ``Waveform``: steps over one cycle, the weights' running mean, and checkpoints to go on from."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from realtime_ser.errors import ConfigError
from train.atomic import replacing, write_text

_EVERY, _REPORT = 50, 25  # steps between checkpoints, and between lines
_AVERAGED_FROM = 0.25  # of the run
_CLIP = 5.0  # largest norm of a gradient
FILE, HISTORY = "checkpoint.pt", "history.json"


def cycle(share: float) -> float:
    """Learning rate over a run's ``share`` (0 to 1), relative to its peak: a rise over a tenth, then half a cosine to 2 %."""
    if share < 0.1:
        return 0.04 + 0.96 * share / 0.1
    return 0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * (share - 0.1) / 0.9)))


@dataclass(frozen=True)
class Run:
    """What identifies a run, and how long it is.

    Attributes
    ----------
    folder : of ``checkpoint.pt`` and ``history.json``
    recipe, digest : how and from which clips it learns
    steps : in all
    average, decay : decay of the running mean of the weights, and the weight decay
    """

    folder: Path
    recipe: Mapping[str, Any]
    digest: str
    steps: int
    average: float
    decay: float

    def found(self, network: nn.Module) -> dict[str, Any] | None:
        """The checkpoint, or None where there is none.

        Raises
        ------
        ConfigError : the folder holds a run of another recipe, of other clips or of a network of another shape
        """
        file = self.folder / FILE
        if not file.is_file():
            return None
        found: dict[str, Any] = torch.load(file, weights_only=True)
        shapes = {name: value.shape for name, value in network.state_dict().items()}
        same = shapes == {name: value.shape for name, value in found["network"].items()}
        if not same or (found["recipe"], found["digest"]) != (self.recipe, self.digest):
            raise ConfigError(
                f"{self.folder} holds a run of another recipe, or of other clips or labels; move it, or choose another --runs"
            )
        return found

    def go(
        self,
        network: nn.Module,
        parts: Sequence[tuple[Sequence[Tensor], float]],
        loss: Callable[[], Tensor],
        found: Mapping[str, Any] | None = None,
        random: Sequence[np.random.Generator] = (),
    ) -> None:
        """Train to the end; the network then has the averaged weights.

        Parameters
        ----------
        parts : parameters, and the peak of their learning rate
        loss : of the next step
        found : the checkpoint that the network has been loaded from
        random : what ``loss`` draws from, beside torch: a run that goes on draws what an unbroken one does
        """
        optimiser = torch.optim.AdamW([{"params": part, "lr": rate} for part, rate in parts], weight_decay=self.decay)
        average: dict[str, Tensor] | None = None
        begun = 0
        if found is not None:
            average, begun = found["average"], int(found["step"])
            if begun < self.steps:
                optimiser.load_state_dict(found["optimiser"])
                restore_random(found, random)
        history = json.loads((self.folder / HISTORY).read_text(encoding="utf-8")) if begun else []
        since, losses = time.perf_counter(), []
        for step in range(begun, self.steps):
            network.train()
            value = loss()
            optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_([tensor for part, _ in parts for tensor in part], _CLIP)
            for group, (_, rate) in zip(optimiser.param_groups, parts, strict=True):
                group["lr"] = rate * cycle(step / self.steps)
            optimiser.step()
            losses.append(value.item())
            if step >= self.steps * _AVERAGED_FROM:
                average = averaged(average, network, self.average)
            done = step + 1
            if done % _REPORT == 0 or done == self.steps:
                seconds, mean = time.perf_counter() - since, float(np.mean(losses))
                history.append({"step": done, "loss": round(mean, 4), "seconds": round(seconds, 1)})
                print(f"{self.folder.name}: step {done} of {self.steps}, loss {mean:.3f}, {seconds:.0f} s", flush=True)
                since, losses = time.perf_counter(), []
            if done % _EVERY == 0 or done == self.steps:
                state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
                self._keep(state | random_state(random), done)
                write_text(self.folder / HISTORY, json.dumps(history) + "\n")
        network.load_state_dict(average or network.state_dict())

    def _keep(self, state: Mapping[str, Any], step: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / FILE) as temporary:
            torch.save({**state, "step": step, "recipe": self.recipe, "digest": self.digest}, temporary)


def random_state(generators: Sequence[np.random.Generator]) -> dict[str, Any]:
    """The states of torch's generator and of numpy's, for a checkpoint."""
    return {"torch": torch.get_rng_state(), "numpy": json.dumps([each.bit_generator.state for each in generators])}


def restore_random(found: Mapping[str, Any], generators: Sequence[np.random.Generator]) -> None:
    """Set the generators as a checkpoint has them; one of an earlier version has none, and they stay as they are."""
    if "numpy" in found:
        torch.set_rng_state(found["torch"])
        for each, state in zip(generators, json.loads(found["numpy"]), strict=True):
            each.bit_generator.state = state


def averaged(average: dict[str, Tensor] | None, network: nn.Module, decay: float) -> dict[str, Tensor]:
    """The running mean of the weights with this step's."""
    state = network.state_dict()
    if average is None:
        return {name: value.clone() for name, value in state.items()}
    for name, value in average.items():
        value.lerp_(state[name], 1 - decay)
    return average
