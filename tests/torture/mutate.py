"""Ways of damaging a file, drawn from a seeded generator."""

from __future__ import annotations

import io
import random
import struct

import numpy as np
import soundfile

_INTEGERS = (0, 1, 2, 7, 64, 255, 256, 1024, 32768, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
AUDIO_FORMS = {
    "wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}


def audio_seeds(seconds: float = 1.6, rate: int = 16000) -> dict[str, bytes]:
    """A short voice-like sound in every form: ending of the file name -> content."""
    when = np.arange(round(seconds * rate)) / rate
    voice = sum(np.sin(2 * np.pi * 130 * k * when) / k for k in range(1, 20)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * when))
    samples = (0.2 * voice).astype(np.float32)
    seeds = {}
    for ending, (form, subtype) in AUDIO_FORMS.items():
        for channels in (1, 2):
            file = io.BytesIO()
            soundfile.write(file, np.stack([samples] * channels, axis=1), rate, format=form, subtype=subtype)
            seeds[f"{channels}.{ending}"] = file.getvalue()
    return seeds


def damage(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """One to three damages, one after the other."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = rng.choice(_DAMAGES)(rng, content, others)
    return content


def wav_header(rng: random.Random, content: bytes) -> bytes:
    """A WAV file whose header's fields are drawn from what nobody writes: 0 and 64 channels, 0 Hz, 2**31 samples."""
    form = rng.choice((1, 3, 6, 7, 0x11, 0x55, 0xFFFE, rng.randrange(65536)))
    channels = rng.choice((0, 1, 2, 8, 64, 1024, 65535))
    rate = rng.choice((0, 1, 999, 1000, 8000, 16000, 192000, 768000, 768001, 2**31, 2**32 - 1))
    bits = rng.choice((0, 1, 8, 16, 24, 32, 64, 65535))
    align = rng.choice((0, 1, 2, channels * bits // 8 % 65536, 65535))
    size = rng.choice((0, 1, len(content), 2**31, 2**32 - 1))
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", size, b"WAVE", b"fmt ", 16, form, channels, rate, rate * align % 2**32, align, bits
    )
    return head + b"data" + struct.pack("<I", rng.choice((0, 1, len(content), 2**31 - 1, 2**31, 2**32 - 1))) + content[44:]


def flac_header(rng: random.Random, content: bytes) -> bytes:
    """A FLAC file whose STREAMINFO claims what is not so."""
    rate, channels, bits = rng.choice((0, 1, 16000, 655350)), rng.randrange(8), rng.choice((3, 15, 23, 31))
    total = rng.choice((0, 1, 2**31, 2**36 - 1))
    packed = rate << 44 | channels << 41 | bits << 36 | total
    sizes = struct.pack(">HH", rng.choice((0, 16, 4096, 65535)), rng.choice((0, 16, 4096, 65535)))
    return content[:8] + sizes + content[12:18] + packed.to_bytes(8, "big") + content[26:]


def _truncated(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    return content[: rng.randrange(rng.choice((64, 512, len(content) + 1)))]


def _flipped(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    changed = bytearray(content)
    span = rng.choice((64, 512, len(changed)))
    for _ in range(rng.choice((1, 2, 8, 64)) if changed else 0):
        changed[rng.randrange(min(span, len(changed)))] = rng.randrange(256)
    return bytes(changed)


def _integer(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    form = rng.choice(("<H", ">H", "<I", ">I"))
    value = rng.choice(_INTEGERS) % (65536 if form[1] == "H" else 2**32)
    at = rng.randrange(max(1, min(len(content), 128)))
    return content[:at] + struct.pack(form, value) + content[at + struct.calcsize(form) :]


def _inserted(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.randbytes(rng.choice((1, 16, 4096))) + content[at:]


def _removed(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + content[at + rng.choice((1, 16, 4096)) :]


def _spliced(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    other = rng.choice(others)
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def _repeated(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + content[at : at + 200] * rng.choice((2, 50)) + content[at:]


_DAMAGES = (_truncated, _flipped, _integer, _inserted, _removed, _spliced, _repeated)
