"""A toy corpus for whole trainings: pieces of the shipped sample at six speeds ("speakers"), under RAVDESS names."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import soxr

SAMPLE = Path(__file__).parents[2] / "realtime_ser" / "sample" / "demo.flac"
RATE = 16_000


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpora")
    folder = root / "ravdess_speech"
    folder.mkdir()
    speech, own = soundfile.read(SAMPLE, dtype="float32", always_2d=True)
    for actor in range(1, 7):
        voice = soxr.resample(speech[:, 0], own * (0.8 + 0.07 * actor), RATE)
        for emotion in range(1, 5):
            first = (emotion - 1) * 2 * RATE
            soundfile.write(folder / f"03-01-{emotion:02d}-01-01-01-{actor:02d}.flac", voice[first : first + 2 * RATE], RATE)
    return root


@pytest.fixture
def untrained_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``large`` and ``cnn`` on an encoder that has learned nothing, one batch for their prior, and no features in advance."""
    from train.networks.encoder import Encoder  # torch, which not every test here needs

    monkeypatch.setenv("REALTIME_SER_ENCODERS", str(tmp_path))
    for module in ("waveform_fit", "drawn", "convolutions"):
        monkeypatch.setattr(f"train.networks.{module}.read_encoder", lambda path: Encoder())
    monkeypatch.setattr("train.networks.waveform_fit._FIRST_BATCHES", 1)
    monkeypatch.setattr("train.networks.convolutions_fit._LAST_BATCHES", 2)
    monkeypatch.setattr("train.data.features.fill", lambda *_, **__: None)
    (tmp_path / "whisper-tiny-en.npz").touch()
