"""Training of ``cnn`` on made-up windows: what a window is to become, and a run that goes on where it stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from realtime_ser.errors import ConfigError
from realtime_ser.records import FloatArray
from train.networks import convolutions, convolutions_fit, run
from train.networks.convolutions_fit import taught, train, wanted
from train.networks.drawn import Batch
from train.networks.encoder import Encoder
from train.networks.waveform import Waveform
from train.recipe import ConvolutionsRecipe
from train.sampling.groups import ACTED, NOBODY_PLACE, READ, SOUND

RECIPE = ConvolutionsRecipe(width=8, steps=4, groups=3, label=0.6, label_smoothing=0.09)


def batch(rng: np.random.Generator) -> Batch:
    kind = np.repeat([ACTED, ACTED, READ, SOUND], 4)
    target = np.where(kind == SOUND, NOBODY_PLACE, rng.integers(0, 4, 16))
    tokens = rng.normal(0, 1, (16, 100, 384)).astype(np.float32)
    return Batch(tokens, target, np.repeat(np.arange(4), 4), kind, ())


def audio(drawn: Batch, rng: np.random.Generator) -> FloatArray:
    """Two seconds each; sad is a low hiss and the others a high one, so that there is something to learn."""
    spectrum = np.fft.rfft(rng.normal(0, 0.1, (len(drawn.target), 32000)))
    low = np.arange(spectrum.shape[1]) < 4000
    spectrum[np.where((drawn.target == 1)[:, None], ~low, low)] *= 0.03
    return np.fft.irfft(spectrum, 32000).astype(np.float32)


class MadeUp:
    """Stands for ``Draws``."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def draw(self) -> Batch:
        return batch(self.rng)

    def samples(self, drawn: Batch) -> FloatArray:
        return audio(drawn, self.rng)


@pytest.fixture
def teacher() -> Waveform:
    torch.manual_seed(1)
    return Waveform(Encoder()).eval()


def draws() -> Any:
    return MadeUp()


def test_labels_count_for_actors_and_sounds_and_answers_for_readers() -> None:
    some = batch(np.random.default_rng(2))
    answer = torch.full((16, 9), 1 / 9)
    found = wanted(some, answer, RECIPE)
    torch.testing.assert_close(found.sum(1), torch.ones(16))
    own = found[torch.arange(16), torch.from_numpy(some.target)]
    spoken = torch.from_numpy(some.kind) != READ
    torch.testing.assert_close(own[spoken], torch.full((12,), 0.6 * (0.91 + 0.01) + 0.4 / 9))
    torch.testing.assert_close(found[~spoken], answer[:4])


def test_the_teacher_answers_with_the_same_past(teacher: Waveform) -> None:
    low = torch.randn(3, 100, 384)
    alone = taught(teacher, low, torch.eye(3), torch.zeros(3))
    known = taught(teacher, low, torch.eye(3), torch.full((3,), 1e6))
    for hints, answer in (*alone, *known):
        assert hints.shape == (3, teacher.encoder.statistics)
        torch.testing.assert_close(answer.sum(1), torch.ones(3))
        assert not answer.requires_grad
    at_rest = torch.softmax(teacher.head.bias, 0).detach()  # a window that is its own past has nothing relative
    torch.testing.assert_close(known[0][1], at_rest.expand(3, 9), atol=1e-3, rtol=1e-2)
    assert not torch.allclose(alone[0][1], known[0][1], atol=1e-3)
    torch.testing.assert_close(alone[0][0], known[0][0])  # hints are of the window alone


@pytest.mark.slow
def test_it_learns_and_its_loss_falls(teacher: Waveform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolutions, "read_encoder", lambda path: Encoder())
    monkeypatch.setattr(run, "_REPORT", 10)
    encoder = tmp_path / "encoder.npz"
    encoder.touch()
    recipe = replace(RECIPE, steps=60, label=1.0, dropout=0.0, rate=3e-3, average=0.9)
    network = train(draws(), recipe, teacher, encoder, tmp_path / "run")
    some = batch(np.random.default_rng(9))
    acted = some.kind == ACTED
    with torch.no_grad():
        samples = torch.from_numpy(audio(some, np.random.default_rng(8)))
        whole, _ = network.pool(network.encoder.low(samples[torch.from_numpy(acted)]))
        logits = network.logits(whole, network.expected(torch.zeros_like(whole), torch.zeros(len(whole))))
    sad = torch.softmax(logits, 1)[:, 1].numpy()
    hissed = some.target[acted] == 1
    assert sad[hissed].min() > sad[~hissed].max()


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(teacher: Waveform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolutions, "read_encoder", lambda path: Encoder())
    monkeypatch.setattr(run, "_EVERY", 2)
    monkeypatch.setattr(convolutions_fit, "_LAST_BATCHES", 2)
    encoder, folder = tmp_path / "encoder.npz", tmp_path / "run"
    with pytest.raises(ConfigError, match="get encoder"):
        train(draws(), RECIPE, teacher, encoder, folder)
    encoder.touch()

    class StopError(Exception):
        pass

    calls = []
    real = convolutions_fit.step_loss

    def stopping(*given: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:
            raise StopError
        return real(*given)

    monkeypatch.setattr(convolutions_fit, "step_loss", stopping)
    with pytest.raises(StopError):
        train(draws(), RECIPE, teacher, encoder, folder)
    monkeypatch.setattr(convolutions_fit, "step_loss", real)
    before = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert before["step"] == 2
    network = train(draws(), RECIPE, teacher, encoder, folder)
    after = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert after["step"] == 4
    stem, block = "network.encoder.conv2.weight", "network.encoder.blocks.0.up.weight"
    assert torch.equal(before["network"][stem], after["network"][stem])
    assert not torch.equal(before["network"][block], after["network"][block])
    # Loaded again it is the same, its prior included; and so is one that was trained in one go.
    again = train(draws(), RECIPE, teacher, encoder, folder)
    assert not again.training
    whole = train(draws(), RECIPE, teacher, encoder, tmp_path / "whole")
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
        assert torch.equal(whole.state_dict()[name], value), name
    assert float(network.get_buffer("deviation").min()) > 0
    with pytest.raises(ConfigError, match="another recipe"):
        train(draws(), replace(RECIPE, label=0.1), teacher, encoder, folder)
