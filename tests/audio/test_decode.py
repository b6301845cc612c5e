"""FLAC files whose metadata is one block, as after ``metaflac --remove-all``."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from realtime_ser.audio.file import FileSource
from realtime_ser.records import Block

RATE = 16_000
SAMPLES = np.random.default_rng(0).integers(-3000, 3000, RATE, dtype=np.int16)


def written() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def bare() -> bytes:
    """The same with STREAMINFO alone, which says that it is the last block."""
    content = written()
    at, last = 42, 0
    while not last:
        last, length = content[at] & 0x80, int.from_bytes(content[at + 1 : at + 4], "big")
        at += 4 + length
    return content[:4] + b"\x80" + content[5:42] + content[at:]


class Pipe(io.BytesIO):
    """Cannot be sought in."""

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("content", [bare(), written() + bare(), bare() + written()], ids=["alone", "behind", "before"])
@pytest.mark.parametrize("kind", [io.BytesIO, Pipe], ids=["file", "pipe"])
def test_all_of_it_is_read(content: bytes, kind: type[io.BytesIO]) -> None:
    with FileSource(kind(content)) as source:
        heard = np.concatenate([item.samples for item in source.blocks() if isinstance(item, Block)])
    expected = np.tile(SAMPLES / np.float32(32768), len(heard) // len(SAMPLES))
    assert len(heard) == (1 if len(content) < len(written()) + 1 else 2) * RATE
    np.testing.assert_array_equal(heard, expected)
