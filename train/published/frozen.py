"""The row "encoder frozen + linear": what a speech encoder brings without any training of its own.

Mean and deviation over time of what leaves its second and third block, of whole clips, and ONE linear layer on RAVDESS's six
folds. It learns from the other corpora too.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from realtime_ser.records import FloatArray
from train.atomic import replacing, write_text
from train.data.audio import load_audio
from train.data.corpora import LABELS
from train.data.encoder_file import encoder_file
from train.data.manifest import Manifest, Row
from train.data.splits import Split, emobox
from train.networks.encoder import HOP, TOKENS_PER_S, WIDTH, Encoder, read_encoder
from train.networks.waveform import pooled
from train.published.ours import PUBLISHED
from train.published.training import per_class, uar

ID = "frozen-encoder"
CORPORA = ("ravdess_speech", "ravdess_song", "tess", "emodb", "nemo")
_EPOCHS, _BATCH, _RATE, _DECAY, _DROPOUT = 20, 64, 1e-3, 0.01, 0.3
_STATISTICS = 2 * 2 * WIDTH  # mean and deviation after the second and the third block
_LONGEST_S = 10
_VERSION = 1


def frozen_row(root: Path, rows: Sequence[Row], *, cache: Path, runs: Path, progress: bool = True) -> dict[str, Any]:
    """The row of the table; computed once, then read from ``runs``.

    Raises
    ------
    ConfigError : there is no encoder file, or no RAVDESS speech
    """
    chosen = [row for name in CORPORA for row in rows if row.corpus == name and row.emotion in LABELS]
    key = Manifest(tuple(chosen)).key()
    identity = hashlib.sha256(json.dumps([_VERSION, key, _EPOCHS, _BATCH, _RATE, _DECAY, _DROPOUT]).encode()).hexdigest()[:20]
    file = runs / f"{ID}.json"
    if file.exists() and (known := json.loads(file.read_text(encoding="utf-8")))["identity"] == identity:
        return dict(known)
    folds = [fold for fold in emobox(chosen, dev_speakers=0) if fold.test]
    place = {row.path: i for i, row in enumerate(chosen)}
    x = features(root, chosen, cache, progress=progress)
    began = time.process_time()
    tables = [confusion(x, place, fold) for fold in tqdm(folds, "frozen", disable=not progress, leave=False)]
    seconds = (time.process_time() - began) / len(folds)
    total = np.sum(tables, axis=0)
    each = [uar(table) for table in tables]
    tested = [row for fold in folds for row in fold.test]
    row = {
        "identity": identity,
        "id": ID,
        "system": "encoder frozen + linear",
        "data": "RAVDESS speech, 8 emotions",
        "variant": f"mean and deviation after blocks 2 and 3, {_STATISTICS:,} values",
        "protocol": "emobox: unseen speakers, 6 folds, whole clips; the other corpora train too",
        "note": "",
        "corpora": sorted({row.corpus for row in chosen}),
        "clips": len(tested),
        "speakers": len({row.speaker for row in tested}),
        "folds": len(folds),
        "labels": list(LABELS),
        "epochs": _EPOCHS,
        "published_epochs": None,
        "published": PUBLISHED,
        "train": None,
        "validation": None,
        "test": round(100 * float(np.trace(total) / total.sum()), 1),
        "uar": round(float(np.mean(each)), 1),
        "uar_std": round(float(np.std(each)), 1),
        "uar_folds": [round(value, 1) for value in each],
        "per_class": per_class(np.hstack((total, np.zeros((len(total), 1), np.int64))), LABELS),
        "confusion": total.tolist(),
        "seconds": round(seconds, 1),
        "parameters": _STATISTICS * len(LABELS) + len(LABELS),
        "latency_ms": {},
        "history": [],
    }
    write_text(file, json.dumps(row, indent=1) + "\n")
    return row


def features(root: Path, rows: Sequence[Row], cache: Path, *, progress: bool = True) -> FloatArray:
    """What the frozen encoder makes of clips, cut to their voice by level: float32 (clips, _STATISTICS), cached by corpus."""
    parts = []
    encoder: Encoder | None = None
    for name in dict.fromkeys(row.corpus for row in rows):
        own = [row for row in rows if row.corpus == name]
        file = cache / f"frozen-{name}-{Manifest(tuple(own)).key()}.npy"
        if not file.is_file():
            encoder = encoder or whole_clips(read_encoder(encoder_file(root)), encoder_file(root))
            audio = load_audio(root, own, cache, progress=progress)
            found = [
                statistics(encoder, audio.spoken(i)) for i in tqdm(range(len(own)), name, disable=not progress, leave=False)
            ]
            with replacing(file) as temporary, temporary.open("wb") as out:
                np.save(out, np.stack(found))
        parts.append(np.load(file))
    return np.concatenate(parts)


def whole_clips(encoder: Encoder, file: Path) -> Encoder:
    """The encoder with the positions of whole clips, not of windows of 3 s alone."""
    with np.load(file) as stored:
        encoder.positions = torch.from_numpy(stored["positions"][: _LONGEST_S * TOKENS_PER_S].astype(np.float32))
    return encoder.eval()


@torch.no_grad()
def statistics(encoder: Encoder, samples: FloatArray) -> FloatArray:
    """float32 (_STATISTICS,) of a clip's first ten seconds."""
    whole = samples[: _LONGEST_S * TOKENS_PER_S * 2 * HOP]
    # At least half a second, in whole frames: the front end mirrors its ends.
    padded = np.pad(whole, (0, max(50 * HOP - len(whole), -len(whole) % (2 * HOP))))
    layers = encoder.high(encoder.low(torch.from_numpy(np.ascontiguousarray(padded, np.float32))[None]))
    return np.asarray(pooled(layers)[0].numpy(), np.float32)


def confusion(x: FloatArray, place: dict[str, int], fold: Split) -> Any:
    """Train one linear layer on a fold, and the test clips by true label (rows) and answer: int64 (8, 8)."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    train = np.array([place[row.path] for row in fold.train])
    mean, deviation = x[train].mean(0), x[train].std(0) + 1e-5
    inputs = torch.from_numpy((x[train] - mean) / deviation)
    target = torch.tensor([LABELS.index(row.emotion) for row in fold.train])
    layer = nn.Linear(x.shape[1], len(LABELS))
    optimiser = torch.optim.AdamW(layer.parameters(), lr=_RATE, weight_decay=_DECAY)
    drawn = torch.from_numpy(weights(fold.train))
    for _ in range(_EPOCHS):
        order = torch.multinomial(drawn, len(train), replacement=True, generator=generator)
        for batch in order.split(_BATCH):
            loss = F.cross_entropy(layer(F.dropout(inputs[batch], _DROPOUT)), target[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    tested = [row for row in fold.test if row.emotion in LABELS]
    with torch.no_grad():
        logits = layer(torch.from_numpy((x[[place[row.path] for row in tested]] - mean) / deviation))
    table = np.zeros((len(LABELS), len(LABELS)), np.int64)
    np.add.at(table, ([LABELS.index(row.emotion) for row in tested], logits.argmax(1).numpy()), 1)
    return table


def weights(rows: Sequence[Row]) -> Any:
    """How often each clip is drawn: a corpus's emotions equally, corpora by the square root of their size; float64 (n,)."""
    of_corpus = Counter(row.corpus for row in rows)
    of_both = Counter((row.corpus, row.emotion) for row in rows)
    emotions = Counter(corpus for corpus, _ in of_both)
    return np.array(
        [of_corpus[row.corpus] ** 0.5 / (emotions[row.corpus] * of_both[row.corpus, row.emotion]) for row in rows], np.float64
    )
