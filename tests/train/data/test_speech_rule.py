"""One rule says what speech is: training cuts the windows that the engine classifies, however soft the voice is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_ser.config import Config, GateConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.model.classifier import load_model
from realtime_ser.records import Block
from train.data import features
from train.data import manifest as manifests
from train.data.augment import PLAIN
from train.data.manifest import Row
from train.sampling.windows import streamed_windows


def at(folder: Path, root: Path, rows: list[Row], gain_db: float) -> list[Row]:
    """The clips at another level, as 32-bit float files."""
    changed = []
    for row in rows:
        samples, rate = soundfile.read(root / row.path, dtype="float32")
        file = folder / f"{Path(row.path).stem}.wav"
        soundfile.write(file, samples * np.float32(10 ** (gain_db / 20)), rate, subtype="FLOAT")
        changed.append(replace(row, path=file.name, sha256=f"{row.sha256}{gain_db}"))
    return changed


def classified(engine: Engine, root: Path, row: Row) -> list[int]:
    """Where the windows end that the engine classifies in a clip, the last, shorter hop left out."""
    engine.reset()
    samples = features.read_clip(root / row.path, engine.sample_rate)
    estimates = engine.push(Block(samples, engine.sample_rate, 0))
    return [each.end for each in estimates if each.state != "no_speech"]


def agree(root: Path, rows: list[Row], folder: Path, gain_db: float) -> tuple[int, int]:
    """How many windows training and the engine have in the clips at another level; clip by clip the same."""
    folder.mkdir()
    soft = at(folder, root, rows, gain_db)
    model = load_model("mlp")
    cut = features.vectors(folder, soft, model.spec, folder / "cache", PLAIN, progress=False)
    log_mel = FrontEndSpec("stacked")
    frames = features.frames(folder, soft, log_mel, folder / "cache", PLAIN, progress=False)
    # The gate alone: what a network takes for nobody is another matter.
    engine = Engine(model, Config(gate=GateConfig(model=False)))
    trained = heard = 0
    for number, row in enumerate(soft):
        ends = classified(engine, folder, row)
        own = int(((cut.clip == number) & cut.streamed).sum())
        assert own == len(ends), row.path
        assert len(streamed_windows(frames, number, log_mel)) == own, row.path
        trained, heard = trained + own, heard + len(ends)
    return trained, heard


@pytest.mark.parametrize("gain_db", [-20.0, -45.0])
def test_training_and_the_engine_have_the_same_windows(corpus: Path, tmp_path: Path, gain_db: float) -> None:
    rows = list(manifests.build(corpus, progress=False).rows)[::3]
    trained, heard = agree(corpus, rows, tmp_path / "soft", gain_db)
    assert trained == heard > 20


@pytest.mark.slow
def test_they_have_the_same_windows_of_soft_real_speech(corpora: Path, tmp_path: Path) -> None:
    folder = corpora / "ravdess_speech"
    files = sorted(folder.rglob("*.wav"))[::40][:36] or sorted(folder.rglob("*.flac"))[::40][:36]
    rows = [
        Row(file.relative_to(corpora).as_posix(), "ravdess_speech", "one", "sad", "", "", "", "speech", 3.0, str(number))
        for number, file in enumerate(files)
    ]
    assert len(rows) == 36
    trained, heard = agree(corpora, rows, tmp_path / "soft", -20.0)
    assert trained == heard > 200
