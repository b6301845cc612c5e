"""What leaves the encoder's stem, of every drawn window: computed once, beside the windows, for all networks of ``cnn``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import IO

import numpy as np
import torch
from tqdm import tqdm

from train.atomic import replacing
from train.networks.encoder import Encoder, Stem, read_encoder
from train.networks.loss import multiplies_bfloat16
from train.networks.pool import Entry, Pool, pool_file


def keep_stems(pool: Pool, encoder: Path, *, progress: bool = True) -> None:
    """Compute what is missing, so that ``pool.stem`` finds it.

    Parameters
    ----------
    encoder : ``whisper-tiny-en.npz``, which exists
    """
    parts = sorted({entry.part for entry in pool.entries})
    missing = [part for part in parts if not all(_file(pool, entry).is_file() for entry in _of(pool, part))]
    if not missing:
        return
    bar = tqdm(total=len(missing), desc="stems of the windows", unit="thousand", disable=not progress, leave=False)
    if len(missing) == 1:
        keep_part(pool.folder, missing[0], encoder)
    else:
        # Spawned, because a fork would copy the locks of torch's threads.
        with ProcessPoolExecutor(min(len(missing), os.cpu_count() or 1), mp_context=get_context("spawn")) as workers:
            for future in [workers.submit(keep_part, pool.folder, part, encoder) for part in missing]:
                future.result()
                bar.update()
    bar.close()


@torch.no_grad()
def keep_part(folder: Path, part: int, encoder: Path) -> None:
    """Compute one part's; a file appears when it is whole."""
    torch.set_num_threads(1)
    pool, network = Pool(folder), read_encoder(encoder).eval()
    with ExitStack() as stack:
        files: dict[int, IO[bytes]] = {}
        for entry in _of(pool, part):
            if entry.length not in files:
                temporary = stack.enter_context(replacing(_file(pool, entry)))
                files[entry.length] = stack.enter_context(temporary.open("wb"))
            tokens = _stem(network, torch.from_numpy(pool.samples(entry))).numpy()
            files[entry.length].write(tokens.astype(np.float16).tobytes())


def _stem(network: Encoder, samples: torch.Tensor) -> torch.Tensor:
    log_mel = network.log_mel(samples)  # in float32: its numbers span sixteen decades
    with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16()):
        return Stem.stem(network, log_mel).float()


def _of(pool: Pool, part: int) -> Sequence[Entry]:
    return [entry for entry in pool.entries if entry.part == part]


def _file(pool: Pool, entry: Entry) -> Path:
    return pool_file(pool.folder / f"part-{entry.part}", "stem", entry.length)
