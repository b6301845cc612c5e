"""Drawn windows on disk, for the tests of what learns from them."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from train.data.manifest import Row
from train.networks import drawn
from train.networks.drawn import Drawing, load_pool
from train.networks.encoder import Encoder
from train.networks.pool import Pool

RATE = 16000
MOODS = {"angry": 0.3, "sad": 0.02, "neutral": 0.08}


def _row(corpus: str, speaker: str, emotion: str, sentence: str = "") -> Row:
    path = f"{corpus}/{speaker}-{emotion}{sentence}.flac"
    return Row(path, corpus, speaker, emotion, sentence, "", "", "speech", 1.5, path)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    acted = [_row(corpus, f"{corpus}-{who}", mood) for corpus in ("tess", "emovo") for who in "ab" for mood in MOODS]
    readers = [_row("librispeech", f"librispeech-{i}", "plain") for i in (1, 2)]
    return [*acted, *readers, *(_row("sounds", f"s{i}", "nobody", "esc_rain") for i in range(2))]


@pytest.fixture(scope="module")
def pool(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Pool:
    root = tmp_path_factory.mktemp("corpora")
    rng = np.random.default_rng(0)
    for i, row in enumerate(rows):
        t = np.arange(int(1.5 * RATE)) / RATE
        # Angry is high and sad is slow, whoever speaks.
        pitch = 110 + 7 * i % 60 + 120 * (row.emotion == "angry")
        voice = np.sign(np.sin(2 * np.pi * pitch * t)) * (1 + np.sin(2 * np.pi * (2 if row.emotion == "sad" else 5) * t))
        sound = rng.normal(0, 0.1, len(t)) if row.corpus == "sounds" else 0.1 * voice
        (root / row.path).parent.mkdir(exist_ok=True)
        soundfile.write(root / row.path, sound * 0.5 + rng.normal(0, 1e-4, len(t)), RATE)
    encoder = root / "encoder.npz"
    with pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        patch.setattr(drawn, "read_encoder", lambda path: Encoder())
        return load_pool(root, rows, Drawing(60), encoder, root / "cache", progress=False)
