"""The networks: free of level, open to any length, the same in ONNX Runtime as in torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from realtime_ser.errors import ModelError
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.model.classifier import Classifier, load_model
from train.data.corpora import LABELS
from train.networks.export import example_inputs, export, largest_difference
from train.networks.networks import Calibrated, Cnn, Level, Mlp, parameters_of

STACKED, VECTOR = FrontEndSpec("stacked"), FrontEndSpec("flatstats")


def stirred(network: torch.nn.Module) -> torch.nn.Module:
    """A network whose normalisations have seen data, as after training."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture(scope="module")
def cnn() -> torch.nn.Module:
    return stirred(Cnn(64, len(LABELS), widths=(8, 12, 16, 24), embedding=32))


@pytest.fixture(scope="module")
def mlp() -> torch.nn.Module:
    network = Mlp(example_inputs(VECTOR)[0].shape[1], len(LABELS))
    network.fit_scaler(torch.from_numpy(np.concatenate(example_inputs(VECTOR))))
    return stirred(network)


@pytest.mark.slow
def test_the_exported_cnn_equals_torch_at_any_length_and_batch(tmp_path: Path, cnn: torch.nn.Module) -> None:
    card = export([cnn], STACKED, tmp_path / "a.onnx", name="a", temperature=1.7)
    rng = np.random.default_rng(0)
    for batch, frames in ((1, 63), (3, 64), (2, 111), (1, 190), (5, 191)):
        x = rng.normal(-50, 20, (batch, 64, frames)).astype(np.float32)
        assert largest_difference(Calibrated([cnn], 1.7).eval(), Classifier(card), [x]) < 1e-5


@pytest.mark.slow
def test_the_exported_mlp_equals_torch(tmp_path: Path, mlp: torch.nn.Module) -> None:
    card = export([mlp, mlp], VECTOR, tmp_path / "a.onnx", name="a", temperature=0.6)
    assert largest_difference(Calibrated([mlp, mlp], 0.6).eval(), Classifier(card), example_inputs(VECTOR)) < 1e-5


def test_an_export_that_differs_is_refused(tmp_path: Path, cnn: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.networks.export.TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="differs from torch"):
        export([cnn], STACKED, tmp_path / "a.onnx", name="a")


def test_a_gain_changes_nothing_for_the_cnn(cnn: torch.nn.Module) -> None:
    x = torch.randn(2, 64, 100) * 15 - 40
    with torch.no_grad():
        assert torch.allclose(cnn(x), cnn(x - 20), atol=1e-3)


def test_silence_around_speech_does_not_move_its_level() -> None:
    speech = torch.rand(1, 64, 60) * 20 - 20
    padded = torch.cat((torch.full((1, 64, 60), -80.0), speech), dim=2)
    level = Level()
    assert torch.allclose(level(speech), level(padded)[..., 60:], atol=1e-3)


def test_the_mlp_standardises_inside(mlp: torch.nn.Module) -> None:
    assert isinstance(mlp, Mlp)
    x = torch.from_numpy(np.concatenate(example_inputs(VECTOR)))
    z = (x - mlp.mean) * mlp.scale
    assert abs(float(z.mean())) < 1e-3
    assert parameters_of(mlp) < 500_000


def test_a_higher_temperature_is_less_sure(cnn: torch.nn.Module) -> None:
    x = torch.randn(4, 64, 100) * 15 - 40
    with torch.no_grad():
        cold, warm = Calibrated([cnn], 0.5)(x), Calibrated([cnn], 3.0)(x)
    assert torch.equal(cold.argmax(1), warm.argmax(1))
    assert bool((cold.max(1).values > warm.max(1).values).all())


@pytest.mark.parametrize(("name", "limit"), [("mlp", 500_000), ("cnn", 2_500_000)])
def test_a_shipped_bundle_is_within_its_limits(name: str, limit: int) -> None:
    model = load_model(name)
    assert model.labels == LABELS
    assert model.card.raw["parameters"] < limit
    assert model.card.onnx_path.stat().st_size < 5e6
    assert model.card.raw["licence"] == "CC BY-NC-SA 4.0"
