"""Train and score one published system: Adam and cross entropy, the last epoch is scored, nothing is chosen on test clips."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime_ser.records import FloatArray
from train.data.splits import Split
from train.published.experiment import Experiment

POINTS = 100  # of a learning curve, at most


@dataclass(frozen=True)
class Fitted:
    """A trained system.

    Attributes
    ----------
    predict : inputs (n, ...) -> class indices (n,)
    history : one entry per logged epoch: epoch, loss, train and test accuracy in percent
    seconds : CPU time of training on one thread, scoring left out
    parameters : number of trained weights
    network : a torch module or a scikit-learn pipeline
    """

    predict: Callable[[npt.NDArray[Any]], npt.NDArray[np.int64]]
    history: list[dict[str, float]]
    seconds: float
    parameters: int
    network: Any


class Scaler(nn.Module):
    """Standardise by the training clips: each value of a vector, each band of an array over time."""

    def __init__(self, x: npt.NDArray[Any], time_axis: int | None) -> None:
        super().__init__()
        axes = (0,) if time_axis is None else (0, time_axis)
        mean = x.mean(axis=axes, dtype=np.float64, keepdims=True)[0]
        deviation = x.std(axis=axes, dtype=np.float32 if x.ndim > 2 else np.float64, keepdims=True)[0]
        self.register_buffer("mean", torch.from_numpy(mean.astype(np.float32)))
        self.register_buffer("scale", torch.from_numpy((1 / np.maximum(deviation, 1e-6)).astype(np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) -> the same shape."""
        out: Tensor = (x - self.mean) * self.scale
        return out


def fit(
    experiment: Experiment,
    x: npt.NDArray[Any],
    y: npt.NDArray[np.int64],
    watched: tuple[npt.NDArray[Any], npt.NDArray[np.int64]],
    classes: int,
    *,
    epochs: int,
    seed: int = 0,
) -> Fitted:
    """Train on ``x`` (n, ...) and ``y`` (n,); ``watched`` is only scored, for the learning curve."""
    if experiment.network is None:
        return _fit_svm(experiment, x, y)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    body = experiment.network(x.shape[1:], classes)
    time_axis = {"stack": 2, "sequences": 1}.get(experiment.inputs.partition("-")[0])
    network: nn.Module = nn.Sequential(Scaler(x, time_axis), body) if experiment.scaled else body
    optimizer = torch.optim.Adam(network.parameters(), lr=experiment.rate)
    penalty = getattr(body, "penalty", None)
    history: list[dict[str, float]] = []
    seconds, target = 0.0, torch.from_numpy(y)
    every = max(1, -(-epochs // POINTS))
    for epoch in range(1, epochs + 1):
        network.train()
        began = time.process_time()
        right, losses = 0, []
        order = rng.permutation(len(x))
        for first in range(0, len(order), experiment.batch):
            chosen = order[first : first + experiment.batch]
            logits = network(_tensor(x[chosen]))
            loss = F.cross_entropy(logits, target[chosen])
            losses.append(float(loss.detach()))
            right += int((logits.detach().argmax(1) == target[chosen]).sum())
            if penalty is not None:
                loss = loss + penalty()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
        seconds += time.process_time() - began
        if epoch % every == 0 or epoch == epochs:
            entry = {"epoch": epoch, "loss": float(np.mean(losses)), "train": 100 * right / len(x)}
            if len(watched[0]):
                entry["test"] = 100 * float(np.mean(predict(network, watched[0]) == watched[1]))
            history.append(entry)
    network.eval()
    parameters = sum(p.numel() for p in network.parameters())
    return Fitted(lambda inputs: predict(network, inputs), history, seconds, parameters, network)


def _fit_svm(experiment: Experiment, x: npt.NDArray[Any], y: npt.NDArray[np.int64]) -> Fitted:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    machine = LinearSVC(max_iter=2000, random_state=0)
    model = make_pipeline(StandardScaler(), machine) if experiment.scaled else make_pipeline(machine)
    began = time.process_time()
    with warnings.catch_warnings():
        # Raw inputs differ by six orders of magnitude and training does not converge, as in the published system.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x.astype(np.float64), y)
    seconds = time.process_time() - began
    return Fitted(
        lambda inputs: np.asarray(model.predict(inputs.astype(np.float64)), np.int64),
        [],
        seconds,
        machine.coef_.size + machine.intercept_.size,
        model,
    )


@torch.no_grad()
def predict(network: nn.Module, x: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Most probable class of each input, (n,)."""
    network.eval()
    parts = [network(_tensor(x[first : first + 256])).argmax(1) for first in range(0, len(x), 256)]
    return np.asarray(torch.cat(parts).numpy(), np.int64) if parts else np.zeros(0, np.int64)


def _tensor(x: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, np.float32))


def latency_ms(fitted: Fitted, example: npt.NDArray[Any], front_end: Callable[[FloatArray], Any]) -> dict[str, float]:
    """Milliseconds of CPU time for a 3 s window, the least of 30 runs.

    The front end computes the whole window, as these systems do; then the network, batch of one, in torch.
    """
    samples = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    return {
        "front_end": _least(lambda: front_end(samples)),
        "network": _least(lambda: fitted.predict(example[:1])),
    }


def _least(work: Callable[[], Any], runs: int = 30) -> float:
    times = []
    for _ in range(runs):
        # CPU time, which other programs do not affect.
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1000 * min(times)


def run_folds(
    experiment: Experiment,
    x: npt.NDArray[Any],
    place: dict[str, int],
    folds: Sequence[Split],
    labels: Sequence[str],
    *,
    epochs: int,
    seed: int = 0,
) -> tuple[list[dict[str, Any]], list[Fitted]]:
    """Train and score every fold.

    Parameters
    ----------
    x : inputs of all clips; ``place`` is a clip's index by its path
    folds : none of them may be empty
    """
    results, fitted = [], []
    for fold in folds:

        def take(rows: Sequence[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
            index = [place[row.path] for row in rows]
            return x[index], np.array([labels.index(row.emotion) for row in rows], np.int64)

        (train_x, train_y), (dev_x, dev_y), (test_x, test_y) = take(fold.train), take(fold.dev), take(fold.test)
        one = fit(experiment, train_x, train_y, (test_x, test_y), len(labels), epochs=epochs, seed=seed)
        guess = one.predict(test_x)
        confusion = np.zeros((len(labels), len(labels)), np.int64)
        np.add.at(confusion, (test_y, guess), 1)
        results.append(
            {
                "name": fold.name,
                "clips": [len(train_x), len(dev_x), len(test_x)],
                "train": 100 * float(np.mean(one.predict(train_x) == train_y)),
                "dev": 100 * float(np.mean(one.predict(dev_x) == dev_y)) if len(dev_x) else None,
                "test": 100 * float(np.mean(guess == test_y)),
                "confusion": confusion.tolist(),
                "history": one.history,
                "seconds": one.seconds,
            }
        )
        fitted.append(one)
    return results, fitted


def uar(confusion: npt.NDArray[np.int64]) -> float:
    """Unweighted average recall in percent of a table (true, guessed), over the labels that occur."""
    total = confusion.sum(axis=1)
    return 100 * float(np.mean(np.diag(confusion)[total > 0] / total[total > 0]))


def per_class(confusion: npt.NDArray[np.int64], labels: Sequence[str]) -> dict[str, dict[str, float | int | None]]:
    """Precision (None where the label was never the answer), recall and clips of each label, in percent.

    ``confusion`` has a row per true label; further columns than there are labels are answers of another kind, and wrong.
    """
    found: dict[str, dict[str, float | int | None]] = {}
    for i, label in enumerate(labels):
        true, answered = int(confusion[i].sum()), int(confusion[:, i].sum())
        found[label] = {
            "precision": round(100 * confusion[i, i] / answered, 1) if answered else None,
            "recall": round(100 * confusion[i, i] / true, 1) if true else None,
            "clips": true,
        }
    return found
